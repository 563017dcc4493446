"""Paths by directory descriptors, for trees whose names and links somebody else chose. On the start-up path.

Theory of operation. A path of an image is never given to a system call that would follow the image's links by the
host's rules. There are two ways to open one, and each exists twice:

- *in root*: links are followed as a process would that has the directory as its `/`: absolute targets begin there, `..`
  stops there. For reading what an image says (`etc/passwd`, where `usr/bin/sh` leads).
- *beneath*: no component is a link at all. For writing: the merge has already resolved the links in its index, so a link
  on the way means that disk and index disagree, and then nothing is touched.

The kernel does both since 5.6 (`openat2`, through ctypes, `openat2.py`). By hand it is one `openat` a component with
O_NOFOLLOW and links read as texts; `..` goes back on our own stack of descriptors, never through the file system, so a
directory moved meanwhile cannot lead out. By hand needs no ctypes (1.3 ms to import), is the only way on older kernels
and where a seccomp filter refuses openat2, and is what the start-up path uses. One test suite runs against both.

All functions take and raise what `os.open` does; descriptors are close-on-exec.
"""

from __future__ import annotations

import errno
import os
import stat

from sampan.errors import LayerError, printable

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LINKS = 40
"""Symbolic links followed in one path, as the kernel has it."""
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW


def openers() -> tuple[Callable[[int, bytes, int], int], Callable[[int, bytes, int], int]]:
    """The fastest (in root, beneath) pair of this machine, for work with many paths."""
    from sampan.layers import openat2

    if openat2.works():
        return openat2.in_root, openat2.beneath
    return in_root, beneath


def in_root(root: int, path: bytes, flags: int) -> int:
    """Open `path` as a process would whose `/` is the directory `root`; by hand.

    `flags` as for `os.open`, without O_CREAT. With O_NOFOLLOW the last component is not followed.
    """
    pending = _parts(path)
    flags |= _slash_means_directory(path)
    held: list[int] = []
    links = 0
    try:
        while pending:
            part = pending.pop()
            here = held[-1] if held else root
            if part == b"..":
                if held:
                    os.close(held.pop())
                continue
            if not pending:
                found = _last(here, part, flags)
            else:
                found = _step(here, part)
            if isinstance(found, int):
                if not pending:
                    return found
                held.append(found)
                continue
            links += 1
            if links > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if found.startswith(b"/"):
                _close_all(held)
            if not pending:
                flags |= _slash_means_directory(found)
            pending.extend(_parts(found))
        return os.open(b".", flags | os.O_CLOEXEC, dir_fd=held[-1] if held else root)
    finally:
        _close_all(held)


def beneath(root: int, path: bytes, flags: int) -> int:
    """Open `path` below the directory `root` if no component of it is a symbolic link or `..`; by hand."""
    parts = _parts(path)
    if b".." in parts:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    flags |= _slash_means_directory(path)
    here = root
    try:
        while parts:
            part = parts.pop()
            found = _step(here, part) if parts else _last(here, part, flags)
            if not isinstance(found, int):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if not parts:
                return found
            if here != root:
                os.close(here)
            here = found
        return os.open(b".", flags | os.O_CLOEXEC, dir_fd=root)
    finally:
        if here != root:
            os.close(here)


def read_regular(root: int, path: bytes, limit: int) -> bytes:
    """The content of the regular file `path` of an image whose root is the directory `root`.

    The image may be hostile: its file can be a FIFO that never answers, a device, a link out of the root or endless.
    Raises FileNotFoundError if there is nothing, `LayerError` for anything but a regular file of at most `limit` bytes.
    """
    shown = printable(path)
    try:
        descriptor = in_root(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
        # A repository that is mounted gives what its servers do not give as this error.
        hint = "of a mounted repository the log says why: `sampan repo mounts` shows where" if error.errno == errno.EIO else None
        raise LayerError(f"{shown} of the image cannot be opened: {error.strerror}", hint) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise LayerError(f"{shown} of the image is not a regular file")
        pieces = []
        left = limit + 1
        while left and (piece := os.read(descriptor, min(left, 1 << 20))):
            pieces.append(piece)
            left -= len(piece)
    finally:
        os.close(descriptor)
    if not left:
        raise LayerError(f"{shown} of the image is larger than the {limit} bytes that are read of it")
    return b"".join(pieces)


def _parts(path: bytes) -> list[bytes]:
    """The components of `path`, last one first, so that the next one is popped."""
    if not path:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return [part for part in reversed(path.split(b"/")) if part not in (b"", b".")]


def _slash_means_directory(path: bytes) -> int:
    return os.O_DIRECTORY if path.endswith((b"/", b"/.")) else 0


def _step(here: int, part: bytes) -> int | bytes:
    """A descriptor of the directory `part`, or the text of the symbolic link it is."""
    try:
        return os.open(part, _STEP | os.O_CLOEXEC, dir_fd=here)
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        return _link_text(here, part, errno.ENOTDIR)


def _last(here: int, part: bytes, flags: int) -> int | bytes:
    """The opened last component, or the text of the symbolic link it is."""
    try:
        descriptor = os.open(part, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
    except OSError as error:
        if flags & os.O_NOFOLLOW or error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        return _link_text(here, part, error.errno)
    # O_PATH with O_NOFOLLOW opens the link itself.
    if flags & os.O_PATH and not flags & os.O_NOFOLLOW and stat.S_ISLNK(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return _link_text(here, part, errno.ELOOP)
    return descriptor


def _link_text(here: int, part: bytes, otherwise: int) -> bytes:
    try:
        return os.readlink(part, dir_fd=here)
    except OSError:
        raise OSError(otherwise, os.strerror(otherwise), part) from None


def _close_all(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())
