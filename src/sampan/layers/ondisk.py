"""How a node of the index is on disk: permission bits, times, attributes; and how one gets from tree to tree.

A file of a tree may have names in other trees. So nothing here changes a file after its first link, and a replaced name is
always a new file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress

from sampan.errors import StoreError, printable
from sampan.layers.entry import BLOCK, CHAR, DIRECTORY, FIFO, SOCKET, SYMLINK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.layers.index import Node

NOT_ON_DISK = (BLOCK, CHAR, SOCKET)
"""Kinds that an ordinary user cannot make; they are in the index alone."""
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FICLONE = 0x40049409
# Why a link cannot be made where a file can: too many of them, another file system, not the owner, none at all.
_NO_LINK = (errno.EMLINK, errno.EXDEV, errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS)


def mode_on_disk(node: Node) -> int:
    """The permission bits that a file or directory of the image has in a tree."""
    return node.mode & 0o755 | (0o700 if node.kind == DIRECTORY else 0o400)


def finish_file(descriptor: int, node: Node) -> None:
    """Give a file, directory or FIFO that was just made its mode, attributes and times."""
    os.fchmod(descriptor, mode_on_disk(node))
    for name, value in node.xattrs:
        if name.startswith(b"user."):
            # Some file systems have none, or no room for this one. The index has them all.
            with suppress(OSError):
                os.setxattr(descriptor, name, value)
    os.utime(descriptor, ns=(node.mtime, node.mtime))


def make_symlink(parent: int, name: bytes, node: Node) -> None:
    """Make a symbolic link with its time."""
    os.symlink(node.target, name, dir_fd=parent)
    os.utime(name, ns=(node.mtime, node.mtime), dir_fd=parent, follow_symlinks=False)


def make_fifo(parent: int, name: bytes, node: Node) -> None:
    """Make a FIFO with its mode and times."""
    os.mkfifo(name, 0o600, dir_fd=parent)
    descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        finish_file(descriptor, node)
    finally:
        os.close(descriptor)


def link_or_copy(source: int, source_name: bytes, parent: int, name: bytes, node: Node) -> bool:
    """Give what is `source_name` in the directory `source` also `name` in `parent`; False if it had to be copied."""
    try:
        os.link(source_name, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
    except FileExistsError:
        # A network file system may have done it and lost the answer.
        if not os.path.samestat(
            os.stat(source_name, dir_fd=source, follow_symlinks=False), os.stat(name, dir_fd=parent, follow_symlinks=False)
        ):
            raise
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        if node.kind == SYMLINK:
            make_symlink(parent, name, node)
        elif node.kind == FIFO:
            make_fifo(parent, name, node)
        else:
            _copy(source, source_name, parent, name, node)
        return False
    return True


def is_case_insensitive(directory: int) -> bool:
    """Whether the file system takes `A` and `a` for one name; found by trying, in an empty directory of our own."""
    os.close(os.open(b"case", NEW_FILE, 0o600, dir_fd=directory))
    try:
        os.stat(b"CASE", dir_fd=directory)
    except FileNotFoundError:
        return False
    else:
        return True
    finally:
        os.unlink(b"case", dir_fd=directory)


def _copy(source: int, source_name: bytes, parent: int, name: bytes, node: Node) -> None:
    reading = os.open(source_name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=source)
    try:
        status = os.fstat(reading)
        if not stat.S_ISREG(status.st_mode) or status.st_size != node.size:
            raise StoreError(f"a tree differs from its index at {printable(source_name)!r}", "see `sampan store fsck`")
        writing = os.open(name, NEW_FILE, 0o600, dir_fd=parent)
        try:
            _copy_content(reading, writing, node.size)
            finish_file(writing, node)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _copy_content(reading: int, writing: int, size: int) -> None:
    """All of a file: shared blocks where the file system can, else copied in the kernel, else by hand."""
    with suppress(OSError):
        fcntl.ioctl(writing, _FICLONE, reading)
        return
    left = size
    with suppress(OSError):
        while left and (count := os.copy_file_range(reading, writing, left)):
            left -= count
    # Some kernels stop early or copy nothing without saying so.
    while left and (piece := os.read(reading, min(left, 1 << 20))):
        left -= os.write(writing, piece)
        if left and os.lseek(reading, 0, os.SEEK_CUR) != size - left:
            os.lseek(reading, size - left, os.SEEK_SET)
    if left:
        raise StoreError("a file became shorter while it was copied")
