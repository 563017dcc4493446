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
FICLONE = 0x40049409  # linux/fs.h: let a file share the blocks of another
# Why a link cannot be made where a file can: too many of them, another file system, not the owner, none at all.
NO_LINK = (errno.EMLINK, errno.EXDEV, errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS)


def mode_on_disk(node: Node, *, everyone: bool = False) -> int:
    """The permission bits that a file or directory of the image has in a tree; in a shared store `everyone` can read it."""
    if node.kind == DIRECTORY:
        return node.mode & 0o755 | (0o755 if everyone else 0o700)
    return node.mode & 0o755 | (0o444 if everyone else 0o400)


def shown_xattrs(node: Node) -> tuple[tuple[bytes, bytes], ...]:
    """The extended attributes that a file of the image has in a tree: those that an ordinary user may set."""
    return tuple(pair for pair in node.xattrs if pair[0].startswith(b"user.")) if node.xattrs else ()


def finish_file(descriptor: int, node: Node, *, everyone: bool = False) -> None:
    """Give a file, directory or FIFO that was just made its mode, attributes and times."""
    os.fchmod(descriptor, mode_on_disk(node, everyone=everyone))
    for name, value in shown_xattrs(node):
        # Some file systems have none, or no room for this one. The index has them all.
        with suppress(OSError):
            os.setxattr(descriptor, name, value)
    os.utime(descriptor, ns=(node.mtime, node.mtime))


def make_symlink(parent: int, name: bytes, node: Node) -> None:
    """Make a symbolic link with its time."""
    os.symlink(node.target, name, dir_fd=parent)
    os.utime(name, ns=(node.mtime, node.mtime), dir_fd=parent, follow_symlinks=False)


def make_fifo(parent: int, name: bytes, node: Node, *, everyone: bool = False) -> None:
    """Make a FIFO with its mode and times."""
    os.mkfifo(name, 0o600, dir_fd=parent)
    descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        finish_file(descriptor, node, everyone=everyone)
    finally:
        os.close(descriptor)


def link_or_copy(source: int, source_name: bytes, parent: int, name: bytes, node: Node, *, everyone: bool = False) -> bool:
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
        if error.errno not in NO_LINK:
            raise
        copy_node(source, source_name, parent, name, node, everyone=everyone)
        return False
    return True


def copy_node(source: int, source_name: bytes, parent: int, name: bytes, node: Node, *, everyone: bool = False) -> None:
    """Make `name` in `parent` a copy of what is `source_name` in the directory `source`, as `node` describes it."""
    if node.kind == SYMLINK:
        make_symlink(parent, name, node)
    elif node.kind == FIFO:
        make_fifo(parent, name, node, everyone=everyone)
    else:
        reading = os.open(source_name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=source)
        try:
            status = os.fstat(reading)
            if not stat.S_ISREG(status.st_mode) or status.st_size != node.size:
                raise StoreError(f"a tree differs from its index at {printable(source_name)!r}", "see `sampan store fsck`")
            writing = os.open(name, NEW_FILE, 0o600, dir_fd=parent)
            try:
                copy_content(reading, writing, node.size)
                finish_file(writing, node, everyone=everyone)
            finally:
                os.close(writing)
        finally:
            os.close(reading)


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


def copy_content(reading: int, writing: int, size: int) -> None:
    """All of a file into an empty one: shared blocks where the file system can, else its data without its holes."""
    with suppress(OSError):
        fcntl.ioctl(writing, FICLONE, reading)
        return
    start = _seek(reading, 0, os.SEEK_DATA, size)
    while start < size:
        end = _seek(reading, start, os.SEEK_HOLE, size)
        _copy_range(reading, writing, start, end)
        start = _seek(reading, end, os.SEEK_DATA, size)
    os.ftruncate(writing, size)


def _seek(descriptor: int, at: int, whence: int, size: int) -> int:
    """Where the next data or hole begins, at most `size`. Without such knowledge all is data."""
    try:
        return min(os.lseek(descriptor, at, whence), size) if at < size else size
    except OSError as error:
        if error.errno == errno.ENXIO or whence == os.SEEK_HOLE:
            return size
        return at


def _copy_range(reading: int, writing: int, start: int, end: int) -> None:
    """Bytes from `start` to `end`, in the kernel where it can; some kernels stop early or copy nothing without saying so."""
    with suppress(OSError):
        while start < end and (count := os.copy_file_range(reading, writing, end - start, start, start)):
            start += count
    while start < end:
        piece = os.pread(reading, min(end - start, 1 << 20), start)
        if not piece:
            raise StoreError("a file became shorter while it was copied")
        start += os.pwrite(writing, piece, start)
