"""One suite, every engine that probes true here; the header of the run names them and why others are left out."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from sampan import settings
from sampan.engine.choose import ENGINES, load
from sampan.errors import SampanError


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


@pytest.fixture(params=list(ENGINES), scope="session")
def engine(request):
    """The name of an engine under test."""
    can, why = PROBES[request.param]
    if can is None:
        pytest.skip(f"the engine {request.param} does not work here: {why}")
    return request.param


@pytest.fixture(scope="session")
def can(engine):
    """What it can do."""
    return PROBES[engine][0].features


@pytest.fixture
def box(shared_sampan, engine, tmp_path):
    """`box.run(...)` runs in the machine image by the engine under test, from a directory of the test's own."""
    return replace(
        shared_sampan,
        options=("--engine", engine),
        directory=tmp_path,
        variables={"SAMPAN_RUNTIME_DIR": str(shared_sampan.directory / "runtime")},
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
