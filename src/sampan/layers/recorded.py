"""What sampan notes about a file that the file system of an ordinary user cannot hold: its owner inside, its being a device.

A payload with one mapped id is told that `chown` and `mknod` went well, and its watcher notes what was asked (docs/design/store.md,
"Recorded owners"): as an extended attribute of the inode, which follows it through renames and links, or, where an inode
takes none (symbolic links, FIFOs, some file systems), as a line of a journal. A line names the inode by number and
birth, so that it is never taken for another that got the same number.
"""

from __future__ import annotations

import ctypes
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Owner = tuple[int, int]

PREFIX = b"user.sampan."
OWNER = PREFIX + b"owner"
DEVICE = PREFIX + b"device"
MOUNT_POINT = PREFIX + b"mountpoint"
"""Marks a name that a start made in the container's own files because something was mounted there."""
MAX_ID = (1 << 32) - 2

_TABLE_MAGIC, _TABLE_HEADER, _SLOT = b"smpownr1", 64, struct.Struct("<QIIIIQ")
_AT_EMPTY_PATH, _AT_SYMLINK_NOFOLLOW, _STATX_BTIME = 0x1000, 0x100, 0x800
_BIRTH_OFFSET, _STATX_SIZE = 80, 256


def owner_of(text: bytes) -> Owner | None:
    """The owner in a text `UID:GID`; `None` if it is none, for a payload can write what it likes there."""
    uid, colon, gid = text.partition(b":")
    if not colon or not uid.isdigit() or not gid.isdigit() or len(text) > 21 or max(int(uid), int(gid)) > MAX_ID:
        return None
    return int(uid), int(gid)


def owner_text(owner: Owner) -> bytes:
    """The text of an owner."""
    return b"%d:%d" % owner


def device_of(text: bytes) -> tuple[bytes, int, int] | None:
    """Kind (`c` or `b`), major and minor number in a text `c 1 3`; `None` if it is none."""
    words = text.split(b" ")
    if len(words) != 3 or words[0] not in (b"c", b"b") or len(text) > 24 or not (words[1].isdigit() and words[2].isdigit()):
        return None
    return words[0], int(words[1]), int(words[2])


class Noted:
    """What the engine `intercept` has noted of an inode; `None`: nothing. `mode` has the type."""

    __slots__ = ("mode", "owner")

    def __init__(self, owner: Owner | None, mode: int | None) -> None:
        self.owner = owner
        self.mode = mode


def table_of(data: bytes) -> dict[int, Noted]:
    """The table of owners of an imitated root (docs/design/intercept.md), as it stands in a file; what is none gives nothing."""
    found: dict[int, Noted] = {}
    if data[:8] != _TABLE_MAGIC:
        return found
    for at in range(_TABLE_HEADER, len(data) - _SLOT.size + 1, _SLOT.size):
        if data[at : at + 12] == bytes(12):
            continue
        inode, flags, uid, gid, mode, _ = _SLOT.unpack_from(data, at)
        if flags:
            found[inode] = Noted((uid, gid) if flags & 1 else None, mode if flags & 2 else None)
    return found


class Journal:
    """Owners of the inodes that take no attribute: lines `INODE BIRTH UID:GID`, of which the last counts."""

    def __init__(self, lines: Iterable[bytes] = (), table: dict[int, Noted] | None = None) -> None:
        """Lines that are none are passed over: the last one may be cut. `table`: what else is noted of inodes, by number alone."""
        self._table = table or {}
        self._owners: dict[int, dict[int, Owner]] = {}
        for line in lines:
            words = line.rstrip(b"\n").split(b" ")
            owner = owner_of(words[2]) if len(words) == 3 and words[0].isdigit() and words[1].isdigit() else None
            if owner is not None and line.endswith(b"\n"):
                self._owners.setdefault(int(words[0]), {})[int(words[1])] = owner

    def find(self, directory: int, name: bytes, inode: int) -> Owner | None:
        """The owner of the entry `name`, whose inode number is known."""
        births = self._owners.get(inode)
        found = None if births is None else births.get(birth_of(directory, name))
        if found is None and inode in self._table:
            return self._table[inode].owner
        return found

    def mode(self, inode: int) -> int | None:
        """The mode with its type that is noted of an inode, if one is."""
        return self._table[inode].mode if inode in self._table else None


def birth_of(directory: int, name: bytes) -> int:
    """When an inode was made, in nanoseconds; 0 where kernel (before 4.11), libc or file system do not tell."""
    buffer = ctypes.create_string_buffer(_STATX_SIZE)
    try:
        statx = ctypes.CDLL(None, use_errno=True).statx
    except AttributeError:
        return 0
    if statx(directory, name, _AT_SYMLINK_NOFOLLOW, _STATX_BTIME, buffer) != 0:
        return 0
    (mask,) = struct.unpack_from("=I", buffer.raw, 0)
    if not mask & _STATX_BTIME:
        return 0
    seconds, nanoseconds = struct.unpack_from("=qI", buffer.raw, _BIRTH_OFFSET)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def note_owner(target: int | bytes, owner: Owner) -> bool:
    """Note the owner of an open file, or of what a path leads to; False where the file system cannot hold it."""
    try:
        os.setxattr(target, OWNER, owner_text(owner))
    except OSError:
        return False
    return True
