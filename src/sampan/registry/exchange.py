"""Asking a registry: the right scheme, the Authorization it wants, and its answer, or the error in words.

Which scheme: https, except for loopback and the registries that are said to be insecure, which are asked by plain http. If
one of those turns out to speak TLS all the same, TLS it is. (https is not tried first: with an open port that drops what it
does not understand this costs a time-out at every start.)

Over several routes: whatever a mirror fails with, the next one is asked, without waiting; the last route gets all its tries.
A mirror that cannot be reached or has a fault is not asked again by this client.
"""

from __future__ import annotations

import threading

from sampan.errors import NotAtRegistry, SampanError, Unauthorized, Unreachable
from sampan.registry.addresses import is_loopback
from sampan.registry.failures import Refusal
from sampan.registry.pacing import Transient
from sampan.registry.place import Place
from sampan.registry.tls import caused_by_certificate
from sampan.registry.transport import Request
from sampan.values import changed

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeVar

    from sampan.registry.auth import Authenticator
    from sampan.registry.routes import Route
    from sampan.registry.tls import TlsRules
    from sampan.registry.transport import Answer, Transport

    T = TypeVar("T")

_TLS_WORDS = (b"HTTPS server", b"HTTPS port", b"SSL-enabled", b"TLS")


class Exchange:
    """Requests to registries, authenticated; for many threads."""

    def __init__(
        self, transport: Transport, authenticator: Authenticator, insecure: tuple[str, ...] = (), *, foreign_layers: bool = False
    ) -> None:
        """`insecure`: registries that are reached by plain http; `foreign_layers`: whether layers may come from elsewhere."""
        self.transport = transport
        self.foreign_layers = foreign_layers
        self._authenticator = authenticator
        self._insecure = insecure
        self._lock = threading.Lock()
        self._bases: dict[Route, str] = {}
        self._base_locks: dict[Route, threading.Lock] = {}
        self._failed: set[Route] = set()

    def place(self, route: Route, *, patient: bool = True) -> Place:
        """Where to ask for an image. Asks the registry's root where scheme or login have to be known beforehand.

        Once if not `patient`, else as often as the limits allow. Raises as `ask`.
        """
        root = changed(route, path="", is_mirror=False)
        with self._lock:
            lock = self._base_locks.setdefault(root, threading.Lock())
        with lock:
            base = self._bases.get(root)
            if base is None:
                base = self._find_base(route, self.repeated if patient else _once)
                self._bases[root] = base
        return self._place(route, base)

    def ask(self, place: Place, request: Request) -> Answer:
        """One try: the answer, whatever its status, but for a 401 that a login can mend. Raises `Transient` and others."""
        answer, sent = self._ask(place, request)
        if answer.status != 403 or answer.strayed or sent is None or request.method not in ("GET", "HEAD"):
            return answer
        left_out = self._authenticator.leave_out(place)
        if left_out is None:
            return answer
        # GHCR denies what everybody may read to a token that is not for it.
        with answer:
            denied = Refusal(answer)
        try:
            answer, _ = self._ask(place, request)
        except Unauthorized as error:
            raise denied.failure(place.name, place.name, self.transport.clock.now()) from error
        if answer.status in (401, 403):
            answer.close()
            raise denied.failure(place.name, place.name, self.transport.clock.now())
        self.transport.notice.warn(
            f"{denied.host} denies {place.name} to the login of {left_out.origin} (403); going on without it"
        )
        return answer

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

    def over(self, routes: Sequence[Route], work: Callable[[Place], T]) -> T:
        """The result of `work` at the first place that has one. Raises what the last one raises."""
        for route in self.promising(routes)[:-1]:
            try:
                return work(self.place(route, patient=False))
            except (Transient, SampanError) as failure:
                self.passed_over(route, failure)
        place = self.place(routes[-1])
        return self.repeated(lambda: work(place))

    def promising(self, routes: Sequence[Route]) -> list[Route]:
        """The routes without those that have failed before; the last one always stays."""
        with self._lock:
            return [*(route for route in routes[:-1] if not {route, _anywhere(route)} & self._failed), routes[-1]]

    def passed_over(self, route: Route, failure: BaseException) -> None:
        """A route has failed, and another one is asked: said once. Raises `Unreachable` after `stop`."""
        self.transport.check_running()
        error = failure.error if isinstance(failure, Transient) else failure
        has_fault = isinstance(failure, Transient) or isinstance(error, Unreachable)
        failed = _anywhere(route) if has_fault else route
        with self._lock:
            is_known = failed in self._failed
            if not isinstance(error, NotAtRegistry):
                self._failed.add(failed)
        sentence = f"{route.host} does not help: {error}; asking the next one"
        if isinstance(error, NotAtRegistry):
            self.transport.notice.debug(sentence)
        elif not is_known:
            self.transport.notice.warn(sentence)

    def _ask(self, place: Place, request: Request) -> tuple[Answer, object]:
        """The answer, and the proof that was sent."""
        sent = self._authenticator.prepare(place)
        while True:
            headers = {**dict(place.headers), **request.headers}
            if sent is not None:
                headers["Authorization"] = sent.value
            answer = self.transport.send(changed(request, headers=headers, tls=place.tls))
            if answer.status != 401 or answer.strayed:
                return answer, sent
            answer.first_bytes()
            answer.close()
            sent = self._authenticator.after_refusal(place, answer.values("WWW-Authenticate"), sent)

    def _place(self, route: Route, base: str) -> Place:
        return Place(base, route.domain, route.path, route.root, route.namespace, route.headers, self._rules(route))

    def _rules(self, route: Route) -> TlsRules:
        rules = route.tls if route.tls is not None else self.transport.certificates.rules(route.host)
        return changed(rules, verify=False) if route.insecure else rules

    def _find_base(self, route: Route, repeated: Callable[[Callable[[], object]], object]) -> str:
        schemes = [route.scheme] if route.scheme else ["https"]
        if not route.scheme and (is_loopback(route.host) or route.insecure or route.domain in self._insecure):
            schemes = ["https" if repeated(lambda: self._speaks_tls(route)) else "http"]
        base = f"{schemes[0]}://{route.host}"
        place = self._place(route, base)
        if self._authenticator.credential(place) is not None:
            repeated(lambda: self._learn(place))
        return base

    def _learn(self, place: Place) -> None:
        with self.root(place) as answer:
            if answer.status == 401 and not answer.strayed:
                self._authenticator.learn(place, answer.values("WWW-Authenticate"))

    def root(self, place: Place) -> Answer:
        """What the registry's root answers to somebody who proves nothing."""
        headers = {**dict(place.headers), "Accept": "application/json"}
        return self.transport.send(Request("GET", f"{place.base}{place.root}/", headers, tls=place.tls))

    def _speaks_tls(self, route: Route) -> bool:
        """Whether a host that was asked by plain http wants TLS: it says so, or hangs up on http and not on TLS."""
        try:
            with self.transport.send(Request("GET", f"http://{route.host}/v2/", redirects=False)) as answer:
                return answer.status == 400 and any(word in answer.first_bytes() for word in _TLS_WORDS)
        except Transient as failure:
            if failure.is_cut and self._shakes_hands(route):
                return True
            raise

    def _shakes_hands(self, route: Route) -> bool:
        try:
            with self.transport.send(Request("GET", f"https://{route.host}/v2/", redirects=False, tls=self._rules(route))):
                return True
        except Transient:
            return False
        except Unreachable as error:
            return caused_by_certificate(error)


def _anywhere(route: Route) -> Route:
    """The same registry, whatever the image."""
    return changed(route, path="")


def _once(work: Callable[[], T]) -> T:
    return work()


def manifest_request(place: Place, method: str, selector: str, accepted: tuple[str, ...]) -> Request:
    """A request for a manifest by tag or digest."""
    return Request(method, place.url(f"manifests/{selector}"), {"Accept": ", ".join(accepted)})


def blob_request(place: Place, digest: str, headers: Mapping[str, str]) -> Request:
    """A request for a blob or a part of it."""
    return Request("GET", place.url(f"blobs/{digest}"), {"Accept": "*/*", **headers})
