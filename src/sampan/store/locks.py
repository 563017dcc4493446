"""Locks that only save work: two pulls of one blob wait for each other instead of fetching it twice.

Correctness never depends on one (DESIGN "Store"): where a file system has no locks, everything goes on without. The lock is
`flock` on a file below `tmp/` that is removed by its holder, so whoever gets the lock looks whether the file still has its
name, and begins again if not.
"""

from __future__ import annotations

import errno
import fcntl
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.events import Notice

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EACCES)


def locked_file(path: str, notice: Notice, what: str, wait: bool = True) -> tuple[int, bool]:
    """Open (make) the file and lock it: its descriptor, and whether the lock is held or this file system has none.

    Where another process holds it, `notice` is told that it is waited for `what`; without `wait` BlockingIOError is raised.
    Raises OSError.
    """
    told = False
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not wait:
                    raise
                if not told:
                    notice.say(f"waiting for another sampan that {what}")
                    told = True
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _still_named(descriptor, path):
                return descriptor, True
        except OSError as error:
            if error.errno in _NO_LOCKS and not isinstance(error, BlockingIOError):
                return descriptor, False
            os.close(descriptor)
            raise
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _still_named(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def release(descriptor: int) -> None:
    """Unlock now. Closing is not enough where the descriptor was duplicated, as a follower's is, or inherited by a fork."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    except OSError:
        pass  # there are no locks


class Lock:
    """For `with`: at most one process is inside for each `path`, where locks work. The file is removed at the end."""

    def __init__(self, path: str, notice: Notice, what: str) -> None:
        self._path = path
        self._notice = notice
        self._what = what
        self._descriptor = -1
        self._held = False

    def __enter__(self) -> None:
        self._descriptor, self._held = locked_file(self._path, self._notice, self._what)

    def __exit__(self, *_: object) -> None:
        if self._held:
            try:
                os.unlink(self._path)
            except OSError:
                pass
            release(self._descriptor)
        os.close(self._descriptor)
