"""Asking a registry: the right scheme, the Authorization it wants, and its answer, or the error in words.

Which scheme: https, except for loopback and the registries of the setting `insecure_registries`, which are asked by
plain http. If one of those turns out to speak TLS all the same, TLS it is. (https is not tried first: with an open port
that drops what it does not understand this costs a time-out at every start.)
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from sampan.errors import Unreachable
from sampan.registry.addresses import is_loopback
from sampan.registry.auth import Authenticator, Place
from sampan.registry.failures import Refusal, caused_by_certificate
from sampan.registry.pacing import Transient
from sampan.registry.transport import Answer, Request, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from sampan.oci.reference import Reference

    T = TypeVar("T")

_TLS_WORDS = (b"HTTPS server", b"HTTPS port", b"SSL-enabled", b"TLS")


class Exchange:
    """Requests to registries, authenticated; for many threads."""

    def __init__(self, transport: Transport, authenticator: Authenticator, insecure: tuple[str, ...]) -> None:
        self.transport = transport
        self._authenticator = authenticator
        self._insecure = insecure
        self._lock = threading.Lock()
        self._bases: dict[str, str] = {}
        self._base_locks: dict[str, threading.Lock] = {}

    def place(self, reference: Reference) -> Place:
        """Where to ask for an image. Asks the registry's root where scheme or login have to be known beforehand."""
        host = reference.host
        with self._lock:
            lock = self._base_locks.setdefault(host, threading.Lock())
        with lock:
            base = self._bases.get(host)
            if base is None:
                base = self._bases[host] = self._find_base(host, reference)
        return Place(base, reference.domain, reference.path)

    def ask(self, place: Place, request: Request) -> Answer:
        """One try: the answer, whatever its status, but for a 401 that a login can mend. Raises `Transient` and others."""
        sent = self._authenticator.prepare(place)
        while True:
            headers = dict(request.headers)
            if sent is not None:
                headers["Authorization"] = sent.value
            answer = self.transport.send(Request(request.method, request.url, headers))
            if answer.status != 401 or answer.strayed:
                return answer
            answer.first_bytes()
            answer.close()
            sent = self._authenticator.after_refusal(place, answer.values("WWW-Authenticate"), sent)

    def refused(self, answer: Answer, place: Place, wanted: str) -> Exception:
        """The exception for an answer of the wrong status."""
        return Refusal(answer).failure(place.name, wanted, self.transport.clock.now())

    def repeated(self, work: Callable[[], T]) -> T:
        """The result of `work`, which is done again when it raises `Transient`, as often as the limits allow."""
        tries = self.transport.tries()
        while True:
            try:
                return work()
            except Transient as failure:
                tries.wait(failure)

    def _find_base(self, host: str, reference: Reference) -> str:
        place = Place(f"https://{host}", reference.domain, reference.path)
        plain = is_loopback(host) or reference.domain in self._insecure
        if plain and not self.repeated(lambda: self._speaks_tls(host)):
            place = Place(f"http://{host}", reference.domain, reference.path)
        if self._authenticator.credential(place) is not None:
            self.repeated(lambda: self._learn(place))
        return place.base

    def _learn(self, place: Place) -> None:
        with self.transport.send(Request("GET", f"{place.base}/v2/", {"Accept": "application/json"})) as answer:
            if answer.status == 401 and not answer.strayed:
                self._authenticator.learn(place, answer.values("WWW-Authenticate"))

    def _speaks_tls(self, host: str) -> bool:
        """Whether a host that was asked by plain http wants TLS: it says so, or hangs up on http and not on TLS."""
        try:
            with self.transport.send(Request("GET", f"http://{host}/v2/", redirects=False)) as answer:
                return answer.status == 400 and any(word in answer.first_bytes() for word in _TLS_WORDS)
        except Transient as failure:
            if failure.is_cut and self._shakes_hands(host):
                return True
            raise

    def _shakes_hands(self, host: str) -> bool:
        try:
            with self.transport.send(Request("GET", f"https://{host}/v2/", redirects=False)):
                return True
        except Transient:
            return False
        except Unreachable as error:
            return caused_by_certificate(error)


def manifest_request(place: Place, method: str, selector: str, accepted: tuple[str, ...]) -> Request:
    """A request for a manifest by tag or digest."""
    return Request(method, f"{place.base}/v2/{place.path}/manifests/{selector}", {"Accept": ", ".join(accepted)})


def blob_request(place: Place, digest: str, headers: Mapping[str, str]) -> Request:
    """A request for a blob or a part of it."""
    return Request("GET", f"{place.base}/v2/{place.path}/blobs/{digest}", {"Accept": "*/*", **headers})
