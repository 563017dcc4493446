"""The server of a shared mount (`mounts.py`): a process of its own, from the fork to the last user's end."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from sampan.cvmfs.client.client import open_client
from sampan.cvmfs.client.recorded import recorded
from sampan.cvmfs.client.serving import Serving
from sampan.errors import SampanError, printable
from sampan.events import Notice
from sampan.runtime.mounts import HOLD, ShortName, mount_point

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from sampan.cvmfs.client.site import Site

CHECK_SECONDS = 1.0
SEARCH_SECONDS = 10.0
MAX_REQUEST = 4096
MAX_LOG = 1 << 20


class LogNotice(Notice):
    """Notices as lines of the log."""

    def warn(self, sentence: str, hint: str | None = None) -> None:
        """A line."""
        say(f"{sentence} ({hint})" if hint else sentence)

    def say(self, sentence: str) -> None:
        """A line."""
        say(sentence)


def say(sentence: str) -> None:
    """A line of the log, which is this process's standard error."""
    with suppress(OSError):
        sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {sentence}\n")
        sys.stderr.flush()


def become_server(site: Site, place: str, ready: int, how: tuple[int, bool]) -> NoReturn:
    """In a forked child: be the server of a shared mount. `how`: seconds for which it stays when nobody uses it; whether no server is asked."""
    detached(ready, os.path.join(place, "log"), lambda descriptor: _serve(site, place, descriptor, how))


def detached(ready: int, log_file: str, work: Callable[[int], None]) -> NoReturn:
    """In a forked child: leave the caller's session and files, and work; `work` reports on the descriptor that it gets."""
    status = 1
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.chdir("/")
        os.umask(0o077)
        log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if os.fstat(log).st_size > MAX_LOG:
            os.ftruncate(log, 0)
        null = os.open(os.devnull, os.O_RDONLY)
        saved = os.dup(ready)
        for descriptor, source in ((0, null), (1, log), (2, log)):
            os.dup2(source, descriptor)
        os.dup2(saved, 3, inheritable=False)
        os.closerange(4, 65536)
        work(3)
        status = 0
    except SampanError as error:
        say(error.sentence)
        report(3, {"error": type(error).__name__, "sentence": error.sentence, "hint": error.hint})
    except BaseException as error:  # noqa: BLE001 - reported, and raised by whoever waits
        sentence = f"this is a defect of sampan: {type(error).__name__}: {error}"
        say(sentence)
        report(3, {"error": "HostError", "sentence": sentence})
    finally:
        os._exit(status)


def report(descriptor: int, document: dict[str, object]) -> None:
    """Tell whoever waits for the start, once."""
    with suppress(OSError):
        os.write(descriptor, json.dumps(document).encode() + b"\n")
        os.close(descriptor)


def _serve(site: Site, place: str, ready: int, how: tuple[int, bool]) -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    point = mount_point(place)
    os.makedirs(point, 0o700, exist_ok=True)
    serving = Serving(open_client(site, offline=how[1], notice=LogNotice()), point, say, xattrs=False)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(place, "socket"))
    with ShortName(place) as name:
        listener.bind(name)
    listener.listen(64)
    listener.setblocking(False)
    report(ready, {"state": "mounted"})
    _Keeper(serving, listener, place, how[0]).run()
    serving.close()


class _Keeper:
    """Answers on the socket, and decides when the mount goes."""

    def __init__(self, serving: Serving, listener: socket.socket, place: str, linger: int) -> None:
        self._serving = serving
        self._listener = listener
        self._place = place
        self._linger = linger
        self._clients: dict[int, socket.socket] = {}
        self._holders: set[int] = set()
        self._begin = time.time()
        self._last = time.monotonic()
        self._searched = 0.0
        self._prefetched: set[bytes] = set()
        self._is_ending = False
        self._device = os.stat(serving.directory).st_dev
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "_is_ending", True))

    def run(self) -> None:
        """Until the kernel says that the file system is gone everywhere."""
        watcher = select.poll()
        watcher.register(self._listener, select.POLLIN)
        while not self._serving.wait(0):
            for descriptor, _ in watcher.poll(CHECK_SECONDS * 1000):
                if descriptor == self._listener.fileno():
                    self._accept(watcher)
                elif not self._answer(descriptor):
                    watcher.unregister(descriptor)
                    self._clients.pop(descriptor).close()
                    if descriptor in self._holders:
                        self._holders.remove(descriptor)
                        self._last = time.monotonic()
            if self._is_ending or self._is_idle():
                self._let_go(watcher)

    def _accept(self, watcher: select.poll) -> None:
        with suppress(OSError):
            client, _ = self._listener.accept()
            client.settimeout(5.0)
            self._clients[client.fileno()] = client
            watcher.register(client, select.POLLIN)

    def _answer(self, descriptor: int) -> bool:
        client = self._clients[descriptor]
        try:
            requests = client.recv(MAX_REQUEST).splitlines()
            if not requests:
                return False
            for request in requests:
                if request == HOLD.encode():
                    self._holders.add(descriptor)
                client.sendall(json.dumps(self._reply(request.decode("ascii", "replace"))).encode() + b"\n")
        except OSError:
            return False
        return True

    def _reply(self, request: str) -> dict[str, object]:
        word, _, rest = request.partition(" ")
        if word == "prefetch":
            try:
                path = bytes.fromhex(rest)
            except ValueError:
                return {"error": f"no path in hexadecimal digits: {rest[:80]}"}
            if path not in self._prefetched:
                self._prefetched.add(path)
                threading.Thread(target=self._prefetch, args=(path,), name="sampan-prefetch", daemon=True).start()
            return {}
        if word == "look":
            try:
                return {"changed": self._serving.look()}
            except SampanError as error:
                return {"error": error.sentence}
        if word == "status":
            return self._status()
        return {"state": "ending" if self._is_ending else "mounted"}

    def _prefetch(self, path: bytes) -> None:
        client = self._serving.client
        try:
            wanted = recorded(client, path)
            missing = client.contents.prefetch(wanted)
        except SampanError as error:
            say(f"what starts of {printable(path)} read cannot be fetched before: {error.sentence}")
            return
        if wanted:
            say(f"{len(wanted) - missing} of {len(wanted)} recorded objects of {printable(path)} are here")

    def _status(self) -> dict[str, object]:
        client = self._serving.client
        web = client.contents.servers.web
        return {
            "repository": client.repository.name,
            "revision": client.repository.manifest.revision,
            "directory": self._serving.directory,
            "pid": os.getpid(),
            "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._begin)),
            "users": len(self._holders),
            "requests": web.requests,
            "fetched": web.received,
            "servers": list(client.contents.servers.urls),
        }

    def _is_idle(self) -> bool:
        """Whether nobody is connected, nobody has asked anything for a while, and no container of ours is seen that uses it."""
        now = time.monotonic()
        quiet = now - max(self._last, self._serving.server.last_request)
        if self._holders or quiet < self._linger:
            return False
        if now - self._searched < min(SEARCH_SECONDS, self._linger):
            return False
        self._searched = now
        return not is_used(os.path.basename(self._place), self._serving.directory, self._device)

    def _let_go(self, watcher: select.poll) -> None:
        """Unmount; who comes now starts another server, and whoever still uses this one keeps it."""
        if not self._serving.unmount(lazily=self._is_ending) and not self._is_ending:
            self._last = time.monotonic()  # somebody's files are open, or their current directory is in it
            return
        with suppress(KeyError, OSError):
            watcher.unregister(self._listener)
        self._listener.close()
        for client in self._clients.values():
            client.close()
        with suppress(OSError):
            os.unlink(os.path.join(self._place, "socket"))
        while not self._serving.wait(60.0):
            pass


def is_used(label: str, directory: str, device: int) -> bool:
    """Whether a process that we may look at has a mount of this device elsewhere, or one with this label, as a container's root has."""
    word, own = label.encode(), os.fsencode(directory)
    number = f" {os.major(device)}:{os.minor(device)} ".encode()
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/mountinfo", "rb") as stream:
                if any((number in line or word in line) and line.split(b" ")[4] != own for line in stream):
                    return True
    return False
