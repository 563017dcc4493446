"""The kernel's own way to open a path inside a directory (Linux 5.6), reached through ctypes. See `beneath.py`."""

from __future__ import annotations

import ctypes
import errno
import os
from functools import cache

_OPENAT2 = 437  # the same number on every architecture
_NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH, _IN_ROOT = 0x02, 0x04, 0x08, 0x10
_TRIES = 100  # EAGAIN: something was renamed meanwhile; the kernel asks to try again

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_How = ctypes.c_uint64 * 3  # struct open_how: flags, mode, resolve


@cache
def works() -> bool:
    """Whether this kernel has openat2 and nothing (seccomp) refuses it."""
    try:
        os.close(_openat2(-100, b"/", os.O_PATH, _IN_ROOT | _NO_MAGICLINKS))
    except OSError:
        return False
    return True


def in_root(root: int, path: bytes, flags: int) -> int:
    """Open `path` as a process would whose `/` is the directory `root`."""
    return _openat2(root, path, flags, _IN_ROOT | _NO_MAGICLINKS)


def beneath(root: int, path: bytes, flags: int) -> int:
    """Open `path` below the directory `root` if no component of it is a symbolic link or leaves it."""
    return _openat2(root, path, flags, _BENEATH | _NO_SYMLINKS)


def _openat2(root: int, path: bytes, flags: int, resolve: int) -> int:
    how = _How(flags | os.O_CLOEXEC, 0, resolve)
    for _ in range(_TRIES):
        descriptor = _syscall(_OPENAT2, root, path, how, 24)
        if descriptor >= 0:
            return int(descriptor)
        number = ctypes.get_errno()
        if number not in (errno.EAGAIN, errno.EINTR):
            break
    raise OSError(number, os.strerror(number), path)
