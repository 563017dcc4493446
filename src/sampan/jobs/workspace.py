"""The working directory of a job on the node: in the job's directory, or on a disk of the node. Taken away at the end unless it has to be kept."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sampan.jobs import phases
from sampan.jobs.phases import Failed
from sampan.layers import removal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.jobs.spec import Job


class Workspace:
    """Where it is, and whether it stays."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.is_kept = False

    def keep(self) -> None:
        """It holds what is nowhere else."""
        self.is_kept = True


@contextmanager
def opened(directory: str, job: Job) -> Iterator[Workspace]:
    """For `with`: a new working directory. Raises `Failed` if there is no place for it, or not enough room."""
    parent = _scratch(job) if job.scratch else directory
    path = os.path.join(parent, f"sampan-job-{os.urandom(6).hex()}" if job.scratch else "work")
    try:
        os.mkdir(path, 0o700)
    except OSError as error:
        code = phases.BAD_NODE if job.scratch else phases.BAD_JOB
        raise Failed(code, f"cannot make the working directory {path}: {error.strerror}", phase=phases.PREPARE) from error
    found = Workspace(path)
    try:
        if job.limits.disk:
            _check_room(path, job.limits.disk)
        yield found
    finally:
        if not found.is_kept:
            _remove(parent, path)


def _scratch(job: Job) -> str:
    path = os.path.expandvars(job.scratch)
    if "$" in path or not path.startswith("/") or not os.path.isdir(path):
        raise Failed(
            phases.BAD_NODE,
            f"the node {os.uname().nodename} has no scratch directory {path}",
            "name one that every node has, or leave it out",
        )
    return path


def _check_room(path: str, wanted: int) -> None:
    found = os.statvfs(path)
    room = found.f_bavail * found.f_frsize
    if room < wanted:
        raise Failed(
            phases.NO_DISK,
            f"the job needs {wanted} bytes on disk, and {path} on {os.uname().nodename} has {room}",
            "make room, or use another node",
        )


def _remove(parent: str, path: str) -> None:
    """Whatever modes the payload has left."""
    try:
        os.rmdir(path)
        return
    except OSError:
        pass
    try:
        descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            removal.remove(descriptor, os.path.basename(path))
        finally:
            os.close(descriptor)
    except OSError:
        return  # what is left is seen by whoever looks after the disk; the job's result does not depend on it
