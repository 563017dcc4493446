"""The built programs, a Debian tree, the two sides, and compiled programs to torture them with."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.intercept import trees
from tests.intercept.sides import Side

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "native/tests/intercept"
# What a libc does for itself (threads, signals, spawning) is looked at with three of them.
MUSL = ("places", "pointers", "magic", "sockets", "signals", "spawn")
STATIC = ("paths", *MUSL)


def pytest_collection_modifyitems(items):
    if platform.machine() != "x86_64":
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="the interception engine is written for x86_64 so far"))


def once(tmp_path_factory, worker_id, name, make):
    """A directory that all workers of a parallel run share, filled by the first."""
    import fcntl

    base = tmp_path_factory.getbasetemp()
    base = base if worker_id == "master" else base.parent
    place = base / name
    with open(base / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            place.mkdir()
            place.chmod(0o755)
            make(place)
    return place


@pytest.fixture(scope="session")
def worker(request):
    return getattr(request.config, "workerinput", {}).get("workerid", "master")


@pytest.fixture(scope="session")
def native(tmp_path_factory, worker):
    """The directory with `sampan-run` and `sampan-intercept`, compiled from this tree."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    hatch_build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hatch_build)

    def make(place):
        if not hatch_build.build(str(place)):
            pytest.skip("no C compiler")

    return once(tmp_path_factory, worker, "intercept-native", make)


@pytest.fixture(scope="session")
def tree():
    if not shutil.which("mmdebstrap") and not trees.place("short").exists():
        pytest.skip("mmdebstrap is not installed")
    return trees.make("short")


@pytest.fixture(scope="session")
def namespace(native, tree):
    side = Side("namespace", native / "sampan-run", tree)
    if side.run("/bin/true", check=False).returncode:
        pytest.skip("user namespaces do not work here, so there is nothing to compare with")
    return side


@pytest.fixture(scope="session")
def intercept(native, tree):
    return Side("intercept", native / "sampan-intercept", tree)


@pytest.fixture
def work(tmp_path):
    """An empty directory that both sides see as /work."""
    tmp_path.chmod(0o755)
    yield tmp_path
    subprocess.run(["chmod", "-R", "u+rwx", tmp_path], check=True)


@pytest.fixture
def both(namespace, intercept, work):
    """(namespace, intercept) with the work directory bound."""
    binds = ((work, "/work", ""),)
    return namespace.with_(binds=binds), intercept.with_(binds=binds)


@pytest.fixture(scope="session")
def programs(tmp_path_factory, worker):
    """Compiled test programs by name: `NAME` (dynamic glibc), `NAME.static`, `NAME.musl` where musl-gcc is there."""

    def make(place):
        for source in sorted(PROGRAMS.glob("*.c")):
            flags = ["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", "-D_GNU_SOURCE", str(source)]
            target = place / source.stem
            subprocess.run(["gcc", *flags, "-o", target], check=True)
            if source.stem in STATIC:
                subprocess.run(["gcc", *flags, "-static", "-o", f"{target}.static"], check=True)
            if source.stem in MUSL and shutil.which("musl-gcc"):
                subprocess.run(["musl-gcc", *flags, "-static", "-o", f"{target}.musl"], check=True)

    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    return once(tmp_path_factory, worker, "intercept-programs", make)


@pytest.fixture(scope="session")
def ordinary_user():
    if os.getuid() == 0:
        pytest.skip("as root other refusals hold")
