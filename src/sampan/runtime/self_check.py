"""`self-check`: the steps of a start on this node, each one really done, on a root with nothing but sampan's own launcher in it.

Theory of operation. The launcher is the one program that is there on every node, static and with an answer that is known
(`--version`), so it is also the payload: a root that holds a copy of it is made beside the store, and requests as a user
would write them are planned and started by the engine that `run` would choose. A step works if the answer comes from inside.
`doctor` tells what the machine could do and why; this tells whether a job's start would work, and remembers nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sampan.container import edits
from sampan.container.plan import plan
from sampan.container.record import ContainerImage, Record
from sampan.container.request import Request
from sampan.container.stay import FOREGROUND, Way
from sampan.engine.choose import choose
from sampan.engine.programs import program
from sampan.errors import HostError, NotAtRegistry, SampanError, Unauthorized
from sampan.host.runtime_directory import runtime_directory
from sampan.layers.decompress import means
from sampan.oci.config import ImageConfig
from sampan.oci.reference import Reference
from sampan.runtime import gather
from sampan.runtime.doctor import Finding
from sampan.runtime.remote import registry_client
from sampan.runtime.run import new_id
from sampan.store import layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.container.asks import Can
    from sampan.engine.base import Engine
    from sampan.runtime.session import Session

ROOM = 1_000_000_000
"""Bytes free below which a note is made: a middling image, unpacked."""
SECONDS = 30
WORDS = ("/check", "--version")


def check(session: Session, registry: str = "") -> list[Finding]:
    """All steps in order; `run` works here if no finding that is `fatal` is missing. `registry` is asked only if named."""
    found = [_python(), *_store(session), *_tried("runtime directory", lambda: _runtime(session))]
    launcher = _tried("launcher", lambda: _launcher(session), fatal=True)
    found += launcher
    if launcher[0].state == "ok":
        found += _starts(session)
    found += [_decoder(*entry) for entry in means()]
    if registry:
        found += _tried(f"registry {registry}", lambda: _registry(registry, session))
    return found


def _tried(what: str, attempt: object, *, fatal: bool = False) -> list[Finding]:
    """A step that gives its words, or raises what is wrong."""
    try:
        return [Finding(what, "ok", str(attempt()))]  # type: ignore[operator]
    except SampanError as error:
        return [Finding(what, "missing", error.sentence, error.hint or "", fatal)]
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return [Finding(what, "missing", f"{error.strerror}{where}", "", fatal)]


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    archive = getattr(getattr(sys.modules["sampan"], "__loader__", None), "archive", "")
    return Finding("python", "ok", f"{version} ({sys.executable})" + (f", sampan from {archive}" if archive else ""))


def _store(session: Session) -> list[Finding]:
    """Whether images can be kept: only fatal where no store of the site has some."""
    store = session.store
    try:
        layout.create(store)
        goal = store.temporary("self-check")
        with open(goal, "xb") as stream:
            stream.write(b"sampan")
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(goal, f"{goal}-renamed")
        os.unlink(f"{goal}-renamed")
    except (SampanError, OSError) as error:
        sentence = error.sentence if isinstance(error, SampanError) else f"{store.path} cannot be written: {error.strerror}"
        others = f"; images come from {', '.join(session.settings.texts('stores'))}" if session.sites else ""
        hint = "set SAMPAN_HOME to a directory that you can write"
        return [Finding("store", "missing", sentence + others, hint, not session.sites)]
    about = os.statvfs(store.path)
    room = about.f_bavail * about.f_frsize
    words = f"{room / 1e9:.1f} GB free below {store.path}"
    if room < ROOM:
        return [Finding("store", "ok", store.path), Finding("room", "warning", words, "larger images will not fit")]
    return [Finding("store", "ok", f"{store.path} can be written"), Finding("room", "ok", words)]


def _runtime(session: Session) -> str:
    path = runtime_directory(session.settings.text("runtime_dir"))
    with tempfile.TemporaryFile(dir=path) as stream:
        stream.write(b"sampan")
    return f"{path} can be written"


def _launcher(session: Session) -> str:
    path = program("sampan-run", session.settings)
    done = subprocess.run([path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
    if done.returncode or not done.stdout.startswith(b"sampan-run "):
        raise HostError(f"{path} does not run: status {done.returncode}", "sampan was built for another processor")
    return f"{path} runs"


def _starts(session: Session) -> list[Finding]:
    """The steps that need an engine."""
    try:
        engine, can = choose((), session.settings.text("engine"), session.settings, None)
        with _place(session) as place:
            return _Trial(session, engine, can, place).all()
    except SampanError as error:
        return [Finding("run", "missing", error.sentence, error.hint or "", fatal=True)]
    except OSError as error:
        return [Finding("run", "missing", f"no place for a trial: {error.strerror}", "", fatal=True)]


@contextmanager
def _place(session: Session) -> Iterator[str]:
    """A directory beside the images, else on this node; gone afterwards."""
    try:
        place = session.store.temporary("self-check")
        os.mkdir(place, 0o700)
    except OSError:
        place = tempfile.mkdtemp(prefix="self-check-", dir=runtime_directory(session.settings.text("runtime_dir")))
    try:
        for name in ("tree", "kept", "kept/upper", "kept/work", "watched"):
            os.mkdir(f"{place}/{name}", 0o755)
        shutil.copyfile(program("sampan-run", session.settings), f"{place}/tree/check")
        os.chmod(f"{place}/tree/check", 0o755)  # noqa: S103 - a program
        yield place
    finally:
        with suppress(OSError):
            os.chmod(f"{place}/kept/work/work", 0o700)  # the kernel makes it without any rights
        shutil.rmtree(place, ignore_errors=True)


class _Trial:
    """Starts of the root in `place`."""

    def __init__(self, session: Session, engine: Engine, can: Can, place: str) -> None:
        self._session = session
        self._engine = engine
        self._can = can
        self._place = place

    def all(self) -> list[Finding]:
        first = _tried("run", self._run, fatal=True)
        if first[0].state != "ok":
            return first
        # From where programs can be executed, which the place beside the images need not be.
        launcher = program("sampan-run", self._session.settings)
        below = f"{os.path.dirname(launcher)}:/bound:ro"
        return [
            *first,
            *_tried("read-only root", self._read_only),
            *_tried("kept changes", self._kept),
            *_tried(
                "binds",
                lambda: self._start(
                    "a directory of this node is seen inside", ("/bound/sampan-run", "--version"), volumes=(below,)
                ),
            ),
            *_tried("own processes", lambda: self._start("a pid namespace under a watcher", pid="private")),
            *_tried("isolation", lambda: self._start("own network, host name, ipc and processes", isolate=True, network="none")),
            *_tried("detached with log", self._detached),
        ]

    def _run(self) -> str:
        overlay = "memory-overlay" in self._can.features
        self._start("")
        changes = "an overlay, changes in memory" if overlay else "read-only, no overlay here"
        return f"a root of its own by the engine {self._engine.name}: {changes}"

    def _read_only(self) -> str:
        try:
            return self._start("entered and left", read_only=True)
        except HostError as error:
            error.hint = "leave --read-only out, or set SAMPAN_HOME to a directory on another file system"
            raise

    def _kept(self) -> str:
        """An overlay beside the images, where it is not what the node's memory can that counts."""
        found = self._engine.probe(self._place)
        if found.can is None or "kept-overlay" not in found.can.features:
            raise HostError("no overlay on the store's file system", "named containers keep a private copy of their image")
        there = _Trial(self._session, self._engine, found.can, self._place)
        there._start("", keep="overlay", directory=f"{self._place}/kept")
        return "an overlay on the store's file system"

    def _detached(self) -> str:
        directory = f"{self._place}/watched"
        self._start("", way=Way(detach=True), directory=directory)
        end = time.monotonic() + SECONDS
        while not os.path.exists(f"{directory}/exit"):
            if time.monotonic() > end:
                raise HostError("the watcher has not said how its program ended", "see `sampan doctor`")
            time.sleep(0.01)
        with open(f"{directory}/log", "rb") as stream:
            if b"sampan-run " not in stream.read():
                raise HostError("what the program wrote is not in its log", "see `sampan doctor`")
        return "a watcher kept the log and the exit status"

    def _start(
        self, words: str, argv: tuple[str, ...] = WORDS, way: Way = FOREGROUND, *, keep: str = "memory", directory: str = "",
        **asked: object,
    ) -> str:  # fmt: skip
        """Run a program in the root; `words` if it ends well and says what it should. Raises `HostError`."""
        image = ContainerImage("self-check", "", "", "sha256:" + "0" * 64, "", f"{self._place}/tree", "")
        record = Record(new_id(), image, Request("self-check", command=argv, **asked), keep=keep, directory=directory)
        decided = plan(record, ImageConfig(), edits.NONE, gather.facts(record, self._session), self._can, way)
        command = self._engine.command(decided)
        try:
            done = subprocess.run(
                command.argv, executable=command.program, pass_fds=command.descriptors, stdin=subprocess.DEVNULL, capture_output=True,
                timeout=SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise HostError(f"it has not ended within {SECONDS} seconds", "see `sampan doctor`") from error
        finally:
            for descriptor in command.descriptors:
                os.close(descriptor)
        if done.returncode or not (way.detach or done.stdout.startswith(b"sampan-run ")):
            raise _said(done.stderr.decode("utf-8", "replace"), done.returncode)
        return words


def _said(text: str, status: int) -> HostError:
    """The launcher's own sentence and hint, else the status."""
    lines = text.splitlines()
    sentence = next((line[len("sampan: ") :] for line in lines if line.startswith("sampan: ")), f"it ended with status {status}")
    hint = next((line[len("hint: ") :] for line in lines if line.startswith("hint: ")), "see `sampan doctor`")
    return HostError(sentence, hint)


def _decoder(kind: str, by: str, advice: str) -> Finding:
    if not by:
        return Finding(f"layers in {kind}", "missing", "cannot be read", advice)
    return Finding(f"layers in {kind}", "ok", f"by {by}")


def _registry(name: str, session: Session) -> str:
    """Whether it answers at all; that it does not know the image asked for, or wants a password, is an answer."""
    reference = Reference.parse(name if "/" in name else f"{name}/sampan/self-check:1")
    with registry_client(session, f"cannot ask {name}") as client:
        try:
            client.head_manifest(reference)
        except NotAtRegistry:
            return "answers"
        except Unauthorized:
            return "answers, and wants a password (`sampan login`)"
    return "answers"
