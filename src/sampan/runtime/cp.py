"""`cp`: files into a container or out of it, whether it runs or not, by Docker's rules.

Two processes share the work: one inside packs or unpacks (`copying.py`), this one does the same on the host, with an archive
between them. So no path of the container is ever opened by the host's rules, nor the other way round.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sampan.container import root, state
from sampan.container.borrow import borrowed
from sampan.container.mounts import Bind, covers, normal
from sampan.errors import HostError, NoSpace, SampanError, UsageError, printable
from sampan.host import processes
from sampan.layers.archive import ArchiveSink
from sampan.layers.landing import name_of, on_host, spot
from sampan.layers.pack import pack
from sampan.layers.place import CHANGE, NEITHER, Manner
from sampan.layers.receive import Goal, receive
from sampan.runtime import files, inside, start
from sampan.runtime.destination import STDOUT, destination
from sampan.values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sampan.container.record import Record
    from sampan.runtime.inside import Job
    from sampan.runtime.session import Session

STREAM = STDOUT
"""What stands for an archive on standard input or output."""
_PIECE = 1 << 20
_HOST_MODE = 0o777
"""What is kept of modes on the host: a file that is setuid in a container must not become that for its caller."""


@frozen
class Manners:
    """`follow`: a link that is named is followed; `keep_owners`: owners are kept as well as they can be."""

    follow: bool = False
    keep_owners: bool = False


_PLAIN = Manners()


def copy_out(record: Record, path: str, goal: str, session: Session, manners: Manners = _PLAIN) -> None:
    """Copy `path` of the container to `goal` of the host; `-`: as an archive to standard output.

    Raises `UsageError` by Docker's rules, `ContainerRunning`, `HostError`, `NoSpace`.
    """
    is_stream = goal == STREAM
    task = _task("give", record, session, with_index=is_stream or manners.keep_owners)
    task.update(path=path, follow=manners.follow)
    with _about(f"cannot copy {path} of {record.shown} to {goal}"), _job(record, session, task) as job:
        if is_stream:
            with destination(STDOUT) as write:
                for piece in job.pieces():
                    write(piece)
            received: dict[str, object] = {}
        else:
            received = _received(job, goal, manners)
        found = job.finish()
    files.warn_of(found, record.shown, session)
    _warn_of(received, goal, manners, session)


def _received(job: Job, goal: str, manners: Manners) -> dict[str, object]:
    can_change = manners.keep_owners and os.geteuid() == 0
    manner = Manner(CHANGE if can_change else NEITHER, lambda entry: (entry.uid, entry.gid), _HOST_MODE)
    try:
        return receive(job.pieces(), Goal(on_host, os.fsencode(goal), goal, is_directory=False), manner)
    except (SampanError, OSError):
        job.refuse_more()
        job.finish()  # what went wrong inside comes first
        raise


def copy_in(record: Record, source: str, path: str, session: Session, manners: Manners = _PLAIN) -> None:
    """Copy `source` of the host to `path` in the container; `-`: what an archive on standard input has, into a directory.

    Raises as `copy_out`.
    """
    if record.request.read_only:
        raise UsageError(f"{record.shown} was made with --read-only, so nothing can be copied into it")
    task = _task("take", record, session, with_index=False)
    task.update(path=path, is_directory=source == STREAM, keep_owners=manners.keep_owners or source == STREAM)
    with _about(f"cannot copy {source} to {path} in {record.shown}"):
        write = _written(source, manners)
        with _job(record, session, task, reads=True) as job:
            sockets = _sent(job, write)
            found = job.finish()
    files.warn_of({"sockets": sockets}, source, session)
    _warn_of(found, f"{record.shown}:{path}", manners, session)


def _sent(job: Job, write: Callable[[Callable[[bytes], object]], int]) -> int:
    try:
        return write(job.input.write)
    except BrokenPipeError:
        return 0  # it met an error, and says so
    except OSError:
        try:
            job.finish()
        except UsageError:
            raise  # that it cannot go there at all comes before what cannot be read
        except SampanError:
            pass  # its archive was cut
        raise


def _written(source: str, manners: Manners) -> Callable[[Callable[[bytes], object]], int]:
    """How the archive of `source` is written; how many sockets were left out. That it exists is looked at now."""
    if source == STREAM:
        return _pass_on
    text = os.fsencode(source)
    directory, name = spot(on_host, text, follow=manners.follow)
    os.stat(name, dir_fd=directory, follow_symlinks=False)

    def write(out: Callable[[bytes], object]) -> int:
        sink = ArchiveSink(out)
        try:
            packed = pack(
                sink,
                directory,
                name,
                name_of(text),
                lambda _path, _kind, status, _: (status.st_mode & 0o7777, status.st_uid, status.st_gid),
            )
        finally:
            os.close(directory)
        sink.finish()
        return packed.sockets

    return write


def _pass_on(out: Callable[[bytes], object]) -> int:
    while piece := os.read(0, _PIECE):
        out(piece)
    return 0


# The container


def _task(name: str, record: Record, session: Session, *, with_index: bool) -> dict[str, object]:
    task = files.task(name, record, session)
    return task if with_index else {**task, "index": ""}


@contextmanager
def _job(record: Record, session: Session, task: dict[str, object], *, reads: bool = False) -> Iterator[Job]:
    """A worker in the root of the container: the one that is mounted if it runs, else one that is mounted for this."""
    process = state.runner(record.directory)
    if process is None or process.is_elsewhere():
        files.check_kept(record, "a copy")
        with borrowed(session.store, record), inside.job(record, session, files.whole(record), task, reads=reads) as job:
            yield job
        return
    engine = _engine_without_root(record)
    if engine:
        # It has no root of its own: its files are where they lie.
        files.check_kept(record, "a copy")
        _refuse_bound(record, session, str(task["path"]), engine)
        with inside.job(record, session, files.whole(record), task, reads=reads) as job:
            yield job
        return
    descriptor = _running_root(record)
    try:
        place = root.Tree(record.image.tree or f"{record.directory}/rootfs")
        with inside.job(record, session, place, task, reads=reads, root=descriptor) as job:
            yield job
    finally:
        os.close(descriptor)


def _refuse_bound(record: Record, session: Session, path: str, engine: str) -> None:
    """What is seen at `path` lies elsewhere, and a copy there would be one that nobody inside sees. Raises `UsageError`."""
    decided, _ = start.decide(record.with_request(record.request.but(engine=engine)), session)
    path = normal(f"/{path}")
    over = max(
        (mount for mount in decided.mounts if covers(mount.target, path)), key=lambda mount: len(mount.target), default=None
    )
    if isinstance(over, Bind):
        source = over.source + path[len(over.target) :]
        raise UsageError(f"{path} of {record.shown}, which runs, is {source} of this machine", "copy it there")
    if over is not None:
        raise UsageError(
            f"{path} of {record.shown}, which runs, is not in its files: it lies in {over.target}, which vanishes",
            f"a program inside can: `sampan exec {record.shown} ...`",
        )


def _engine_without_root(record: Record) -> str:
    """The engine of a running container, if it is one whose processes keep this machine's root; else empty."""
    process = state.inside(record.directory)
    if process is None:
        return ""
    if processes.launcher(process.pid) == "proot":
        return "proot"
    return "intercept" if processes.intercepted(process.pid) else ""


def _running_root(record: Record) -> int:
    """The root directory of the process inside."""
    process = state.payload(record.directory)
    try:
        if process is not None:
            descriptor = os.open(f"/proc/{process.pid}/root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            if process.is_alive():
                return descriptor
            os.close(descriptor)
    except OSError as error:
        raise HostError(f"the root of {record.shown}, which runs, cannot be opened: {error.strerror}", "stop it first") from error
    raise UsageError(f"the container {record.shown} has just ended", "try again")


# Words


@contextmanager
def _about(what: str) -> Iterator[None]:
    try:
        yield
    except SampanError as error:
        raise error.about(what) from error.__cause__
    except OSError as error:
        raise _failure(what, error) from error


def _failure(what: str, error: OSError) -> SampanError:
    if isinstance(error, BrokenPipeError):
        return HostError(f"{what}: nobody reads it any more")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(f"{what}: no space left ({error.strerror})")
    name = printable(error.filename) if isinstance(error.filename, (bytes, str)) else ""
    return HostError(f"{what}: {error.strerror or error}" + (f" ({name})" if name and name not in what else ""))


def _warn_of(found: dict[str, object], goal: str, manners: Manners, session: Session) -> None:
    if found.get("left_out"):
        session.notice.warn(f"{found['left_out']} devices were not made in {goal}, which only root can do")
    if found.get("unowned") and manners.keep_owners:
        session.notice.warn(f"the owners of {found['unowned']} files could not be kept in {goal}")
