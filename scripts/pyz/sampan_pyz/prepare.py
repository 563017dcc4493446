"""The bundle for an interpreter that sampan.pyz was not built for: made once, kept in the user's cache.

Theory of operation. The file's name holds the digest of sampan.pyz and the interpreter's version, so it is right or not
there. It is written under another name and renamed; what a killed process leaves is never read, and is swept later. A lock
only saves work: of many first starts at once one compiles and the others wait for it, for a while. Only a file of the user's
own, which nobody else can write, and whose check is right, is unmarshalled.
"""

from __future__ import annotations

import os
import stat
import sys
import time

WAIT_SECONDS = 60
NOTICE_SECONDS = 1
KEPT_SECONDS = 30 * 86400
PREFIX = "pyz-"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO, Callable

    Head = Callable[[BinaryIO, int], Any]
    Found = tuple[BinaryIO, int, Any]


def prepared(archive: str, digest: str, head: Head) -> Found | None:
    """(stream, offset, what `head` read) of the bundle; None where none can be kept: then modules come from the zip file."""
    name = f"{PREFIX}{digest}-{sys.implementation.cache_tag}"
    places = list(_places())
    for place in places:
        found = _opened(place, name, head)
        if found is not None:
            return found
    for place in places:
        try:
            os.makedirs(place, 0o700, exist_ok=True)
            if not _is_own(os.lstat(place)):
                continue
            with _Lock(os.path.join(place, name + ".lock")):
                found = _opened(place, name, head)
                if found is None:
                    _keep(place, name, _compiled(archive))
                    found = _opened(place, name, head)
        except OSError:
            continue
        if found is not None:
            return found
    return None


def _places() -> Iterator[str]:
    """Where a bundle may lie, the best first: the user's cache, and this node's directory as sampan itself has it."""
    cache, home = os.environ.get("XDG_CACHE_HOME", ""), os.environ.get("HOME", "")
    if not cache.startswith("/") and not home:
        import pwd

        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            pass
    if cache.startswith("/"):
        yield cache + "/sampan"
    elif home.startswith("/"):
        yield home + "/.cache/sampan"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    stated = os.environ.get("SAMPAN_RUNTIME_DIR", "")
    if stated.startswith("/"):
        yield stated
    elif runtime.startswith("/") and os.path.isdir(runtime):
        yield runtime + "/sampan"
    else:
        yield f"/tmp/sampan-{os.getuid()}"


def _is_own(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _opened(place: str, name: str, head: Head) -> Found | None:
    """The bundle if it is there and right."""
    path = os.path.join(place, name)
    try:
        if not _is_own(os.lstat(place)):
            return None
        stream = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK), "rb", 0)
        found = os.fstat(stream.fileno())
        if stat.S_ISREG(found.st_mode) and _is_own(found):
            read = head(stream, 0)
            if read is not None:
                if found.st_mtime < time.time() - 86400:
                    _touch(path)
                return stream, 0, read
        stream.close()
    except OSError:
        pass
    return None


def _touch(path: str) -> None:
    try:
        os.utime(path)  # so that it does not count as unused
    except OSError:
        pass


class _Lock:
    """For `with`: waits a while for another process that makes the same; without it all still works."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> None:
        import fcntl

        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        end = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < end:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.02)
            except OSError:
                break  # no locks on this file system

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _compiled(archive: str) -> bytes:
    from zipimport import zipimporter

    from sampan_pyz import bundle

    importer = zipimporter(archive)
    files = {}
    for path in importer._files:  # type: ignore[attr-defined]  # noqa: SLF001 - the only list there is, from 3.9 to 3.14
        if path.endswith((".py", ".txt", bundle.DIGESTS)):
            files[path] = importer.get_data(archive + "/" + path)
    front = importer.get_data(archive + "/sampan_pyz/front").split()
    begin = time.monotonic()
    said: list[bool] = []

    def step() -> None:
        if not said and time.monotonic() - begin > NOTICE_SECONDS:
            said.append(True)
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            sys.stderr.write(f"sampan: preparing {os.path.basename(archive)} for Python {version}, once\n")

    return bundle.make(files, int(front[0]), int(front[1]), step)


def _keep(place: str, name: str, data: bytes) -> None:
    _sweep(place)
    temporary = os.path.join(place, f"{name}.{os.getpid()}.{os.urandom(4).hex()}.new")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as stream:
            stream.write(data)
        os.rename(temporary, os.path.join(place, name))
    finally:
        try:
            os.unlink(temporary)
        except OSError:
            pass


def _sweep(place: str) -> None:
    """Remove what killed processes left and what other versions of sampan.pyz have not used for a month."""
    for name in os.listdir(place):
        if name.startswith(PREFIX):
            path = os.path.join(place, name)
            try:
                age = time.time() - os.lstat(path).st_mtime
                if age > (86400 if name.endswith(".new") else KEPT_SECONDS):
                    os.unlink(path)
            except OSError:
                pass
