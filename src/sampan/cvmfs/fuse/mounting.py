"""Get a file system mounted: by mount(2) where we may, else by the setuid program fusermount3 that comes with FUSE.

fusermount3 opens /dev/fuse, mounts and hands the descriptor over a socket named in `_FUSE_COMMFD` (its manual page, and
libfuse's README). With `auto_unmount` it stays, and unmounts when the socket closes: so a server that was killed leaves no
dead mount behind.
"""

from __future__ import annotations

import errno
import os

from sampan.errors import HostError
from sampan.host.search_path import which

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Union

DEVICE = "/dev/fuse"
PROGRAMS = ("fusermount3", "fusermount")
MS_RDONLY, MS_NOSUID, MS_NODEV = 1, 2, 4
MNT_DETACH = 2
PATIENCE = 15


class Mounted:
    """A descriptor of /dev/fuse with what undoes the mount."""

    def __init__(self, descriptor: int, directory: str, program: str = "", keeper: socket.socket | None = None) -> None:
        self.descriptor = descriptor
        self.directory = directory
        self._program = program
        self._keeper = keeper

    def unmount(self, *, lazily: bool) -> bool:
        """Take the mount away; `lazily`: whoever uses it goes on. Otherwise false if it is used."""
        return unmount(self.directory, self._program, lazily=lazily)

    def release(self) -> None:
        """Let the program end that waits for us; to be called when it is unmounted."""
        if self._keeper is not None:
            self._keeper.close()


def obstacle() -> tuple[str, str] | None:
    """Why no file system can be mounted here by this user, and what would help; `None` if nothing speaks against it."""
    try:
        os.close(os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return (
            f"{DEVICE} cannot be opened: {error.strerror}",
            "the administrator can load the module fuse and make the device writable for all (mode 0666)",
        )
    if os.geteuid() == 0 or program():
        return None
    return ("fusermount3 is not installed", "the administrator can install the package fuse3")


def program() -> str:
    """fusermount3, or an older one; empty if there is none."""
    return next((found for name in PROGRAMS for found in [which(name)] if found), "")


def mount(directory: str, name: str, *, kind: str = "sampan") -> Mounted:
    """Mount on an empty directory; `name` is what `mount` and `df` show as its source. Raises `HostError`."""
    stopped = obstacle()
    if stopped is not None:
        raise HostError(f"cannot mount on {directory}: {stopped[0]}", stopped[1])
    if os.geteuid() == 0:
        try:
            return _mount_directly(directory, name, kind)
        except OSError as error:
            if error.errno != errno.EPERM or not program():
                raise HostError(f"cannot mount on {directory}: {error.strerror}") from error
    return _mount_by_program(directory, name, kind)


def _mount_directly(directory: str, name: str, kind: str) -> Mounted:
    import ctypes

    descriptor = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={descriptor},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()},default_permissions,allow_other"
    libc = ctypes.CDLL(None, use_errno=True)
    flags = ctypes.c_ulong(MS_RDONLY | MS_NOSUID | MS_NODEV)
    if libc.mount(os.fsencode(name), os.fsencode(directory), f"fuse.{kind}".encode(), flags, os.fsencode(options)):
        number = ctypes.get_errno()
        os.close(descriptor)
        raise OSError(number, os.strerror(number), directory)
    return Mounted(descriptor, directory)


def _mount_by_program(directory: str, name: str, kind: str) -> Mounted:
    import socket
    import subprocess

    helper = program()
    ours, theirs = socket.socketpair()
    escaped = name.replace("\\", "\\\\").replace(",", "\\,")
    options = f"ro,nosuid,nodev,default_permissions,auto_unmount,fsname={escaped},subtype={kind}"
    with theirs:
        started = subprocess.Popen(
            [helper, "-o", options, "--", directory],
            env={**os.environ, "_FUSE_COMMFD": str(theirs.fileno())},
            pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us: it has to outlive us
        )  # fmt: skip
    ours.settimeout(PATIENCE)
    try:
        descriptor = _receive(ours)
    except OSError:
        descriptor = None
    stderr = started.stderr
    if descriptor is None:
        ours.close()
        try:
            said = started.communicate(timeout=2)[1].decode("utf-8", "replace").strip().splitlines()
        except subprocess.TimeoutExpired:
            started.kill()
            raise HostError(f"cannot mount on {directory}: {helper} does not answer") from None
        raise HostError(f"cannot mount on {directory}: {said[-1] if said else 'fusermount3 handed nothing over'}")
    if stderr is not None:
        stderr.close()
    started.returncode = 0  # it stays until we end: nobody waits for it
    os.set_inheritable(descriptor, False)
    return Mounted(descriptor, directory, helper, ours)


def _receive(connection: socket.socket) -> Union[int, None]:
    """The descriptor that comes with one byte; `None` if the other side ends without one."""
    import array
    import socket

    _, ancillary, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(4))
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS and len(data) >= 4:
            numbers = array.array("i")
            numbers.frombytes(data[:4])
            return numbers[0]
    return None


def unmount(directory: str, helper: str = "", *, lazily: bool) -> bool:
    """Unmount; false if it is in use (never `lazily`) or was not mounted."""
    if not helper and os.geteuid() == 0:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        return bool(libc.umount2(os.fsencode(directory), MNT_DETACH if lazily else 0) == 0)
    import subprocess

    words = [helper or program(), "-u", *(["-z"] if lazily else []), "--", directory]
    if not words[0]:
        return False
    try:
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def is_dead(directory: str) -> bool:
    """Whether a mount is there whose server is gone."""
    try:
        os.statvfs(directory)  # the kernel answers stat(2) by itself, of what it was told before
    except OSError as error:
        return error.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    return False


def clear_dead(directory: str) -> None:
    """Take away a mount whose server was killed."""
    if is_dead(directory):
        unmount(directory, lazily=True)
