"""Work on the files of a container by a process of our own that has all rights over them: root under the container's maps of ids.

Theory of operation. What a container made can have any mode, and with several ids other owners than the caller, so `diff`,
`commit`, `export`, `cp` and the removal of such containers cannot be done by the calling process. The engine starts another
interpreter (`worker.py`) in namespaces of its own, with the container's changes, or its root, as current directory. It is given
its task as JSON, streams as pipes, and reports a JSON object at the end: what it found, or the error to raise here. Only that
process is root inside; what belongs to the caller (files of the host, the store) is written by the caller's process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

import sampan
from sampan import errors
from sampan.container import ids
from sampan.container.root import Copy, Tree
from sampan.engine.base import Start, Work
from sampan.engine.choose import choose
from sampan.errors import CannotHonour, HostError, SampanError
from sampan.host import subids

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sampan.container.ids import IdMaps
    from sampan.container.record import Record
    from sampan.container.root import Root
    from sampan.engine.base import Engine
    from sampan.runtime.session import Session

_CODE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from sampan.runtime.worker import main; main(sys.argv[1:])"
_PIECE = 1 << 20


class Job:
    """A worker that runs: `input` and `output` are its streams, `finish` waits for what it reports."""

    def __init__(self, process: subprocess.Popen[bytes], report: IO[bytes], said: IO[bytes], shown: str) -> None:
        self._process = process
        self._report = report
        self._said = said
        self._shown = shown

    @property
    def input(self) -> IO[bytes]:
        """What the worker reads; close it at its end."""
        if self._process.stdin is None:
            raise ValueError("this worker reads nothing")
        return self._process.stdin

    def pieces(self) -> Iterator[bytes]:
        """What the worker writes, up to its end."""
        if self._process.stdout is not None and not self._process.stdout.closed:
            while piece := self._process.stdout.read1(_PIECE):  # type: ignore[attr-defined]
                yield piece

    def refuse_more(self) -> None:
        """Let what is written come to nothing; the worker meets a broken pipe."""
        if self._process.stdout is not None:
            self._process.stdout.close()

    def finish(self) -> dict[str, object]:
        """Wait for its end; what it found. Raises the error that it met."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        for _ in self.pieces():
            pass  # an error on the other side leaves something unread
        status = self._process.wait()
        self._report.seek(0)
        text = self._report.read()
        if not text:
            self._said.seek(0)
            raise _not_started(self._said.read(4096), status, self._shown)
        found: dict[str, object] = json.loads(text)
        if "error" in found:
            raise _error(found)
        return found

    def end(self) -> None:
        """Whatever happened, nothing stays."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass  # it did not want all of its input


@contextmanager
def job(
    record: Record, session: Session, place: Root, task: Mapping[str, object], *, reads: bool = False, root: int = -1
) -> Iterator[Job]:
    """For `with`: a worker for `task` (its `name` and arguments), whose current directory is `place`.

    `reads`: it has an input; `root`: a descriptor that it inherits. Raises `CannotHonour`, `NoEngine`, `HostError`.
    """
    engine, _ = choose((), record.request.engine or session.settings.text("engine"), session.settings, None)
    maps = maps_of(record)
    tools = None if maps.is_single else subids.tools()
    with tempfile.TemporaryFile() as report, tempfile.TemporaryFile() as said:
        words = (*_interpreter(), str(report.fileno()), json.dumps({**task, "root": root}))
        start, directory = _start(engine, Work(record.shown, place, maps, words, owner=os.getuid(), tools=tools))
        inherited = (*start.descriptors, report.fileno(), *((root,) if root >= 0 else ()))
        try:
            process = subprocess.Popen(
                start.argv, executable=start.program, cwd=directory, pass_fds=inherited, stdout=subprocess.PIPE, stderr=said,
                stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
            )  # fmt: skip
        finally:
            for descriptor in start.descriptors:
                os.close(descriptor)
        running = Job(process, report, said, record.shown)
        try:
            yield running
        finally:
            running.end()


def _start(engine: Engine, work: Work) -> tuple[Start, str | None]:
    """How to start it, and the directory to start it in.

    An engine without maps of ids has only private copies, of which all belongs to the caller: there it is an ordinary process.
    """
    try:
        return engine.outside(work), None
    except CannotHonour:
        if not work.maps.is_single or not isinstance(work.place, (Tree, Copy)):
            raise
        return Start(work.words[0], work.words, ()), work.place.path


def do(record: Record, session: Session, place: Root, task: Mapping[str, object]) -> dict[str, object]:
    """A worker without streams; what it found."""
    with job(record, session, place, task) as running:
        return running.finish()


def maps_of(record: Record) -> IdMaps:
    """The maps under which the files of a container are right: its own, or root for the caller."""
    return record.ids or ids.single((0, 0), (os.geteuid(), os.getegid()))


def _interpreter() -> tuple[str, ...]:
    """This interpreter without anybody's site packages, and the sampan that runs now, out of `sampan.pyz` perhaps."""
    again = getattr(sampan.__loader__, "interpreter", None)  # the loader of sampan.pyz knows how it was started
    if again is not None:
        words: tuple[str, ...] = again()
        return words
    path = os.path.dirname(os.path.dirname(os.path.abspath(sampan.__file__)))
    cache = ("-X", f"pycache_prefix={sys.pycache_prefix}") if sys.pycache_prefix else ()
    return (sys.executable, "-I", "-S", *cache, "-c", _CODE, path)


def _error(found: Mapping[str, object]) -> SampanError:
    """The error that a worker reported, as its own class."""
    kind = getattr(errors, str(found["error"]), HostError)
    hint = found.get("hint")
    made: SampanError = kind(str(found["sentence"]), None if hint is None else str(hint))
    return made


def _not_started(said: bytes, status: int, shown: str) -> HostError:
    """The launcher's own sentence, else how the worker ended."""
    lines = said.decode("utf-8", "replace").splitlines()
    sentence = next((line for line in lines if line.startswith("sampan: ")), "")
    hint = next((line[len("hint: ") :] for line in lines if line.startswith("hint: ")), None)
    if sentence:
        reason = sentence[len("sampan: ") :].removeprefix(f"cannot start {shown}: ")
        return HostError(f"cannot work on the files of {shown}: {reason}", hint)
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    return HostError(f"the process that works on the files of {shown} {how}: {' '.join(lines[-1:]) or 'it said nothing'}", hint)
