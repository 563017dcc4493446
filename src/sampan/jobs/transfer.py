"""Bring files and directories from one place of this machine to another. What comes over the network is the duty of `remote`.

A file appears under its name when it is whole: it is written under another one beside it and renamed.
"""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sampan.layers import removal

if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.events import Notice
    from sampan.jobs.credentials import Credentials

PART = ".sampan-part-"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Carrier:
    """What transfers need: who is let in, how often to try, where notices go, whether to stop (`check` may raise), and the directory
    where repositories are mounted (the setting cvmfs_mounts).
    """

    credentials: Credentials
    tries: int
    notice: Notice
    check: Callable[[], None]
    mounts: str


def copy(source: str, target: str, check: Callable[[], None]) -> None:
    """Copy a file or directory; it appears at `target` when it is whole. Links in a directory stay links. Raises OSError."""
    temporary = part_of(target)
    try:
        if os.path.isdir(source):
            copy_directory(source, temporary, _checking_copy(check))
        else:
            _copy_file(source, temporary, check)
        os.rename(temporary, target)
    finally:
        remove(temporary)


def copy_directory(source: str, target: str, one: Callable[[str, str], object]) -> None:
    """A new directory like `source`, file by file by `one`; links stay links. Raises the first OSError, and does no more then.

    (What shutil has for it goes on to the end, and keeps of its errors only texts.)
    """
    os.mkdir(target, 0o700)
    with os.scandir(source) as entries:
        for entry in entries:
            place = f"{target}/{entry.name}"
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), place)
            elif entry.is_dir():
                copy_directory(entry.path, place, one)
            elif entry.is_file():
                one(entry.path, place)
            else:
                raise OSError(errno.EINVAL, "it is neither a file, a directory nor a link", entry.path)
    shutil.copystat(source, target)


def move(source: str, target: str, check: Callable[[], None]) -> None:
    """Move a file or directory to a name that nothing has. Raises FileExistsError, OSError; the source then is as it was."""
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, "there is something already", target)
    try:
        if os.path.isdir(source) and not os.path.islink(source):
            os.rename(source, target)
        else:
            os.link(source, target, follow_symlinks=False)  # a rename would replace what another has put there meanwhile
            os.unlink(source)
        return
    except OSError as error:
        if error.errno not in (
            errno.EXDEV,
            errno.EPERM,
            errno.EMLINK,
            errno.ENOTSUP,
            errno.EOPNOTSUPP,
            errno.ENOSYS,
            errno.EACCES,
        ):
            raise
    copy(source, target, check)
    remove(source)


def part_of(path: str) -> str:
    """The name of something that is not whole yet, beside where it will be."""
    return os.path.join(os.path.dirname(path), f"{PART}{os.urandom(6).hex()}")


def _checking_copy(check: Callable[[], None]) -> Callable[[str, str], str]:
    def copied(source: str, target: str) -> str:
        _copy_file(source, target, check)
        return target

    return copied


def _copy_file(source: str, target: str, check: Callable[[], None]) -> None:
    """Contents and mode; close reports what a network file system has kept for the end."""
    with open(source, "rb", buffering=0) as reader, open(target, "xb", buffering=0) as writer:
        while True:
            check()
            moved = _piece(reader.fileno(), writer.fileno())
            if not moved:
                break
        os.fchmod(writer.fileno(), os.fstat(reader.fileno()).st_mode & 0o777)


def _piece(reader: int, writer: int) -> int:
    data = os.read(reader, 1 << 20)
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(writer, rest) :]
    return len(data)


def remove(path: str) -> None:
    """Take away what there may be at a path, also directories that were copied with no permission to write; what cannot be removed stays."""
    above, name = os.path.split(os.path.abspath(path))
    try:
        parent = os.open(above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        removal.remove(parent, name)
    except OSError:
        pass
    finally:
        os.close(parent)
