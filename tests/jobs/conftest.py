"""A store with a small image, job directories made in one line, and the back-ends that there are here."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from sampan import settings
from sampan.batch import open_backend
from sampan.container.request import Request
from sampan.jobs import directory, work
from sampan.jobs.spec import Job
from sampan.runtime.import_ import import_root
from sampan.runtime.session import Session
from tests.peers.slurm import Cluster

APPLETS = ("sh", "true", "false", "cat", "wc", "sleep", "echo", "ls", "cp", "mv", "ln", "mkdir", "dd", "kill", "id", "env", "head", "yes", "touch", "chmod", "mkfifo", "pwd", "hostname", "seq", "tail")  # fmt: skip


class Lab:
    """A session of this process, its image, and a directory for jobs."""

    def __init__(self, session: Session, image: str, environment: dict[str, str], path: Path) -> None:
        self.session = session
        self.image = image
        self.environment = environment
        self.path = path
        self._count = 0

    def make(self, *command: str, name: str = "", files=None, request=None, **rest) -> str:
        """A job; one word is for a shell."""
        words = ("sh", "-c", command[0]) if len(command) == 1 else command
        self._count += 1
        place = str(self.path / (name or f"job-{self._count}"))
        asked = Request(rest.pop("image", self.image), command=words, **(request or {}))
        directory.create(place, Job(asked, **rest), files)
        return place

    def do(self, *command: str, **rest):
        """Make it and run it here; its status."""
        place = self.make(*command, **rest)
        found = work.work(place, self.session)
        assert directory.status_of(place) == found
        return place, found

    def worker(self, place: str, **rest) -> subprocess.Popen:
        """The worker as a process of its own, as a batch system starts it."""
        return subprocess.Popen([*work.command(), place], env={**os.environ, **self.environment}, **rest)


@pytest.fixture(scope="session")
def stored(tmp_path_factory):
    """(settings' variables, image) of a store with a busybox in it."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox-static is not installed")
    base = tmp_path_factory.mktemp("jobs")
    base.chmod(0o755)
    root = base / "root"
    (root / "bin").mkdir(parents=True)
    shutil.copy(busybox, root / "bin/busybox")
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    subprocess.run(["tar", "cf", str(base / "root.tar"), "-C", str(root), "."], check=True)
    variables = {"SAMPAN_HOME": str(base / "store"), "SAMPAN_RUNTIME_DIR": str(base / "runtime"), "HOME": str(base)}
    session = _session(variables)
    import_root(str(base / "root.tar"), "test/busy:1", session=session)
    return variables, "test/busy:1"


def _session(variables: dict[str, str]) -> Session:
    passed = {name: os.environ[name] for name in ("SAMPAN_PROGRAMS", "PATH") if name in os.environ}
    return Session(settings.load({**passed, **variables}))


@pytest.fixture
def lab(stored, tmp_path, monkeypatch):
    variables, image = stored
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if "PYTHONDONTWRITEBYTECODE" in os.environ:
        monkeypatch.setenv("PYTHONPYCACHEPREFIX", f"/tmp/sampan-pycache-{os.getuid()}")
    return Lab(_session(variables), image, variables, tmp_path)


def until(done, seconds: float = 30.0, every: float = 0.05):
    """What `done` gives when it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = done()
        if found:
            return found
        time.sleep(every)
    raise AssertionError("it did not happen in time")


class Many:
    """Jobs at a back-end."""

    def __init__(self, backend, jobs: dict[str, str]) -> None:
        self.backend = backend
        self.jobs = jobs

    def words(self) -> list[str]:
        return [state.word for state in self.backend.poll(self.jobs).values()]

    def end(self, seconds: float = 60.0):
        """All states, when all have ended."""

        def ended():
            states = self.backend.poll(self.jobs)
            return states if all(state.has_ended for state in states.values()) else None

        return list(until(ended, seconds, 0.1).values())


@pytest.fixture(scope="session")
def cluster():
    """The Slurm of this test run."""
    found = Cluster.found()
    if found is None:
        pytest.skip("no Slurm: tests/peers/slurm.sh starts one as root, and SAMPAN_TEST_SLURM names its directory")
    return found


@pytest.fixture
def slurm(lab, cluster, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", str(cluster.configuration))
    return open_backend("slurm", lab.session, grace=2.0)


@pytest.fixture
def local(lab, tmp_path):
    found = open_backend("local", lab.session, directory=str(tmp_path / "queue"))
    yield found
    if (tmp_path / "queue/lock").exists():
        until(found._queue.lock, 20)  # the runner ends by itself, and leaves nothing


@pytest.fixture(params=["local", "slurm"])
def backend(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def submit(backend):
    """Submit job directories; they are ended with the test."""
    all_of_them: dict[str, str] = {}

    def submit_all(places, *rest):
        ids = backend.submit(places, *rest)
        all_of_them.update(zip(ids, places))
        return Many(backend, dict(zip(ids, places)))

    yield submit_all
    backend.cancel(all_of_them)
