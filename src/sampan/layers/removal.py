"""Remove a directory with all it holds, by descriptors: no link is followed, locked directories are opened first."""

from __future__ import annotations

import errno
import os
import stat

_MAX_DEPTH = 64  # open descriptors held at once; what lies deeper is first moved up
_OWNER = stat.S_IRWXU


def remove(parent: int, name: bytes | str) -> None:
    """Remove `name` of the directory `parent`, whatever it is; nothing there is fine.

    Directories without permission for their owner are given it first. A directory that is deeper than 64 levels (a
    payload can make one of any depth) is moved to the top and removed from there, so neither descriptors nor the stack
    run out. Raises OSError.
    """
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM, errno.EACCES):
            raise
    else:
        return
    _remove_directory(parent, os.fsencode(name))


def _remove_directory(parent: int, name: bytes) -> None:
    stack = [(name, _open(parent, name))]
    names = [os.listdir(stack[0][1])]
    moved = 0
    try:
        while stack:
            here = stack[-1][1]
            if not names[-1]:
                names.pop()
                done, descriptor = stack.pop()
                os.close(descriptor)
                os.rmdir(done, dir_fd=stack[-1][1] if stack else parent)
                continue
            child = os.fsencode(names[-1].pop())
            if _unlinked(here, child):
                continue
            if len(stack) >= _MAX_DEPTH:
                # The top level is already listed, so no name of its own can be hit twice.
                moved += 1
                place = b".deep-%d-%d" % (os.getpid(), moved)
                os.close(_open(here, child))
                os.rename(child, place, src_dir_fd=here, dst_dir_fd=stack[0][1])
                names[0].append(os.fsdecode(place))
                continue
            descriptor = _open(here, child)
            stack.append((child, descriptor))
            names.append(os.listdir(descriptor))
    finally:
        for _, descriptor in stack:
            os.close(descriptor)


def _unlinked(here: int, name: bytes) -> bool:
    """Whether `name` was not a directory and is gone now."""
    try:
        os.unlink(name, dir_fd=here)
    except IsADirectoryError:
        return False
    except FileNotFoundError:
        return True
    except PermissionError:
        if stat.S_ISDIR(os.stat(name, dir_fd=here, follow_symlinks=False).st_mode):
            return False
        raise
    return True


def _open(parent: int, name: bytes) -> int:
    """The directory `name`, readable and writable for its owner from now on."""
    handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        if os.fstat(handle).st_mode & _OWNER != _OWNER:
            # An O_PATH descriptor cannot fchmod; its magic link names the very inode. Without /proc the name has to do.
            try:
                os.chmod(f"/proc/self/fd/{handle}", _OWNER)
            except FileNotFoundError:
                os.chmod(name, _OWNER, dir_fd=parent)
        return os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=handle)
    finally:
        os.close(handle)
