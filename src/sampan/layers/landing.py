"""Where something is that is copied, and where it comes to lie, by Docker's rules of `cp`. By descriptors.

All paths are opened by one function, so the rules are the same on the host, where links are followed as ever, and in a
container, where they are followed as the payload sees them (`beneath.in_root`).
"""

from __future__ import annotations

import errno
import os
import stat

from sampan.errors import UsageError, printable
from sampan.layers.beneath import MAX_LINKS
from sampan.layers.entry import DIRECTORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    Look = Callable[[bytes, int], int]
    Spot = tuple[int, bytes]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def on_host(path: bytes, flags: int) -> int:
    """Open a path of this machine."""
    return os.open(path or b".", flags)


def means_contents(text: bytes) -> bool:
    """Whether a path ends in a `.`: then what is in the directory is meant, not the directory."""
    return text.rpartition(b"/")[2] == b"."


def name_of(text: bytes) -> bytes:
    """The name under which something travels; `.` where contents are meant, and for the root."""
    last = text.rstrip(b"/").rpartition(b"/")[2]
    return b"." if last in (b"", b".", b"..") else last


def spot(look: Look, text: bytes, *, follow: bool) -> Spot:
    """The opened directory in which the path's last component is, and its name (`.`: the directory itself).

    With `follow`, or a slash at the end, a link there is followed, also to what does not exist. Raises OSError.
    """
    follow = follow or text.endswith(b"/")
    for _ in range(MAX_LINKS):
        above, _, last = text.rstrip(b"/").rpartition(b"/")
        if last in (b"", b".", b".."):
            return look(text or b".", _DIRECTORY), b"."
        directory = look(above or (b"/" if text.startswith(b"/") else b"."), _DIRECTORY)
        if not follow:
            return directory, last
        try:
            target = os.readlink(last, dir_fd=directory)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT):  # no link
                return directory, last
            os.close(directory)
            raise
        os.close(directory)
        text = target if target.startswith(b"/") else above + (b"/" if above or text.startswith(b"/") else b"") + target
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), printable(text))


def landing(look: Look, text: bytes, kind: str, name: bytes, shown: str) -> Spot:
    """The opened directory and the name that a thing of this kind gets when it is copied to `text`.

    `name` is what it is called where it comes from; `.` as an answer: its contents go into the directory. `shown` is what messages call
    `text`. Raises `UsageError` by Docker's rules, OSError.
    """
    try:
        directory, last = spot(look, text, follow=True)
    except FileNotFoundError:
        above = text.rstrip(b"/").rpartition(b"/")[0]
        raise UsageError(f"{shown} cannot be made: there is no directory {printable(above)}") from None
    try:
        there = os.stat(last, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        if text.endswith(b"/") and kind != DIRECTORY:
            os.close(directory)
            raise UsageError(f"there is no directory {shown}", "without the slash, a file of this name is made") from None
        return directory, last
    except BaseException:
        os.close(directory)
        raise
    if not stat.S_ISDIR(there.st_mode):
        wrong = f"{shown} is no directory" if kind == DIRECTORY or text.endswith(b"/") else ""
        if not wrong:
            return directory, last
        os.close(directory)
        raise UsageError(wrong, "a directory is copied into one, or under a name that is free")
    if last != b".":
        inner = os.open(last, _DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
        os.close(directory)
        directory = inner
    return directory, name
