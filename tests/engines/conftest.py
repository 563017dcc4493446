"""One suite, every engine that probes true here, in every kind of shell that it is for; the header of the run names them and why others are left out."""

from __future__ import annotations

import os

import pytest

from sampan import settings
from sampan.engine.choose import ENGINES, load
from sampan.errors import SampanError
from tests.engines.shells import Shelled
from tests.engines.shells import shells as find_shells


def probe(name: str) -> tuple[object, str]:
    """The probe's `Can` or `None`, and in words why not."""
    try:
        found = load(name, settings.load({**os.environ, "SAMPAN_RUNTIME_DIR": f"/tmp/sampan-probe-{os.getuid()}"})).probe("/tmp")
    except SampanError as error:
        return None, error.sentence
    return found.can, "; ".join(reason for reason, _ in found.obstacles)


PROBES = {name: probe(name) for name in ENGINES}


def pytest_report_header():
    return [f"engine {name}: {'works here' if can else 'left out, ' + why}" for name, (can, why) in PROBES.items()]


# Engine and shell. That namespaces work where they are not refused is shown by the first; the others are for nodes that refuse them.
PLACES = [
    ("namespace", "a free shell"),
    ("intercept", "a free shell"),
    ("intercept", "no user namespaces"),
    ("intercept", "an outer filter"),
    ("intercept", "an outer filter without openat2"),
    ("proot", "no user namespaces"),
    ("oci-runtime", "a free shell"),
]


@pytest.fixture(scope="session")
def shells(tmp_path_factory):
    """The words that begin each shell, by name."""
    return find_shells(tmp_path_factory.mktemp("shells"))


@pytest.fixture(params=PLACES, ids=lambda place: f"{place[0]} in {place[1]}", scope="session")
def place(request, shells):
    """An engine under test, and the shell it is started from."""
    engine, shell = request.param
    can, why = PROBES[engine]
    if can is None:
        pytest.skip(f"the engine {engine} does not work here: {why}")
    if shell not in shells:
        pytest.skip(f"such a shell cannot be had here: {shell}")
    return request.param


@pytest.fixture(scope="session")
def can(place):
    """What the engine can do."""
    return PROBES[place[0]][0].features


@pytest.fixture
def box(shared_sampan, place, shells, tmp_path):
    """`box.run(...)` runs in the machine image by the engine under test, from a directory of the test's own."""
    engine, shell = place
    return Shelled(
        home=shared_sampan.home,
        directory=tmp_path,
        image=shared_sampan.image,
        options=("--engine", engine),
        variables={"SAMPAN_RUNTIME_DIR": str(shared_sampan.directory / "runtime")},
        shell=shells[shell],
    )


@pytest.fixture
def writable(can):
    """A directory of the image where something can be made: any, or where no overlay is possible one that is empty and vanishes."""
    return "/root" if "memory-overlay" in can else "/run"


@pytest.fixture
def needs(can):
    """`needs("own-network")` leaves a test out, with the reason, for an engine that cannot."""

    def check(feature: str) -> None:
        if feature not in can:
            pytest.skip(f"this engine cannot: {feature}")

    return check
