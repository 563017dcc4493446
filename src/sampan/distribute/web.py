"""The objects of a repository at a web server: a stratum 0 that a gateway publishes into, the source of a mirror."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sampan.errors import NotInRepository, Unreachable
from sampan.registry.pacing import Transient
from sampan.registry.transport import Request, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sampan.cvmfs.hashing import Hash
    from sampan.events import Notice
    from sampan.registry.transport import Answer

MAX_OBJECT = 1 << 30
Out = TypeVar("Out")


class WebObjects:
    """`cvmfs.objects.Objects` below a URL; for many threads."""

    def __init__(self, url: str, notice: Notice, environ: Mapping[str, str], parallel: int = 8) -> None:
        self.name = url.rstrip("/")
        self._transport = Transport(notice, environ, parallel=parallel)

    def get(self, hash: Hash, suffix: str = "") -> bytes:
        """The stored bytes. Raises `NotInRepository`, `Unreachable`."""
        return self._fetch(hash.path(suffix))

    def has(self, hash: Hash, suffix: str = "") -> bool:
        """Whether the server has it. Raises `Unreachable`."""
        path = hash.path(suffix)
        return self._asked("HEAD", path, lambda answer: self._is_there(answer, path))

    def get_root_file(self, name: str) -> bytes:
        """A file beside `data`, from the server itself, not from a cache on the way. Raises `NotInRepository`, `Unreachable`."""
        return self._fetch(name, {"Cache-Control": "no-cache"})

    def _fetch(self, path: str, headers: Mapping[str, str] | None = None) -> bytes:
        def whole(answer: Answer) -> bytes:
            if not self._is_there(answer, path):
                raise NotInRepository(f"{self.name} has no {path}")
            return answer.read(MAX_OBJECT, f"{path} of {self.name}")

        return self._asked("GET", path, whole, headers)

    def _is_there(self, answer: Answer, path: str) -> bool:
        if answer.status not in (200, 404):
            refused = Unreachable(f"{self.name} answered {answer.status} for {path}")
            raise Transient(refused) if answer.status >= 500 or answer.status == 429 else refused
        return answer.status == 200

    def _asked(self, method: str, path: str, use: Callable[[Answer], Out], headers: Mapping[str, str] | None = None) -> Out:
        tries = self._transport.tries()
        while True:
            try:
                with self._transport.send(Request(method, f"{self.name}/{path}", headers or {})) as answer:
                    return use(answer)
            except Transient as failure:
                tries.wait(failure)
