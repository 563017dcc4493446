"""Authentication: from a registry's challenge to the Authorization header that answers it.

Theory of operation
-------------------
`prepare` gives the header to send at once, by what is known of the registry; `after_refusal` reads the challenges of a 401
and gives the next header, or raises `Unauthorized` when there is nothing better to send. A caller asks at most three
times: without anything, with a token that another thread has obtained, with one that was fetched because of the 401.

What is known comes from challenges: of the image's own earlier 401 (realm, service and scope are the registry's words), or
of the registry's root, which is asked first if there are credentials; it names no scope, so what the work needs is asked for.

Tokens are shared by all threads under (registry, realm, service, scope, credentials), fetched by one thread while others
wait, and replaced a little before they expire. The clock that counts is ours, from the moment the token arrived: the
server's `issued_at` would bring in its clock.

Credentials that are refused are said once and left out, because most images need none; never where something is to be
changed, or to log in.
"""

from __future__ import annotations

import threading

from sampan.errors import Unauthorized, printable
from sampan.registry import tokens
from sampan.registry.challenge import Challenge, parse_challenges
from sampan.values import field, frozen

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from typing import Protocol

    from sampan.registry.credentials import Credential
    from sampan.registry.place import Place
    from sampan.registry.tokens import Token
    from sampan.registry.transport import Transport

    class Finder(Protocol):
        """Who knows credentials."""

        def find(self, domain: str, path: str) -> Credential | None:
            """Those for an image."""

        def hindrance(self, domain: str) -> str | None:
            """Why there may be none, in words."""


@frozen
class Authorization:
    """A value for the Authorization header; `fetched`: it was obtained in answer to a 401 of this very request."""

    value: str = field(repr=False)
    fetched: bool = False


class Authenticator:
    """Knows for each registry and image how to authenticate; for many threads."""

    def __init__(self, transport: Transport, credentials: Finder, *, insists: bool = False) -> None:
        """`insists`: never go on without the credentials."""
        self._transport = transport
        self._credentials = credentials
        self._insists = insists
        self._notice = transport.notice
        self._lock = threading.Lock()
        self._known: dict[tuple[str, ...], Challenge] = {}
        self._tokens: dict[tuple[object, ...], Token] = {}
        self._token_locks: dict[tuple[object, ...], threading.Lock] = {}
        self._refused: set[Credential] = set()
        self._left_out: set[tuple[Credential, str, str]] = set()

    def credential(self, place: Place) -> Credential | None:
        """What the user has for this place, unless it has been refused."""
        found = self._credentials.find(place.domain, place.path)
        with self._lock:
            return None if found is None or found in self._refused or (found, place.base, place.path) in self._left_out else found

    def leave_out(self, place: Place) -> Credential | None:
        """Go on without the credentials for this image, which were denied it; what was left out, `None` if there was nothing."""
        found = None if place.is_for_push or self._insists else self.credential(place)
        if found is not None:
            with self._lock:
                self._left_out.add((found, place.base, place.path))
        return found

    def learn(self, place: Place, headers: list[str]) -> None:
        """Remember what the registry's root asks for, to answer it at once."""
        challenge = _best(parse_challenges(headers))
        if challenge is not None:
            with self._lock:
                self._known.setdefault((place.base,), challenge)

    def prepare(self, place: Place) -> Authorization | None:
        """What to send without being asked. Raises as `after_refusal` does."""
        with self._lock:
            own, root = self._known.get(_key(place)), self._known.get((place.base,))
        credential = self.credential(place)
        if own is not None:
            return self._answer(place, own, credential, None)
        return self._answer(place, root, credential, None) if root is not None and credential is not None else None

    def after_refusal(self, place: Place, headers: list[str], refused: Authorization | None) -> Authorization:
        """What to send after a 401 with these challenges. Raises `Unauthorized`, `ProtocolError`, `Transient`."""
        challenges = parse_challenges(headers)
        challenge = _best(challenges)
        credential = self.credential(place)
        if challenge is None:
            schemes = sorted({printable(one.scheme) for one in challenges})
            asked = f"asks for {' or '.join(schemes)}, which sampan does not do" if schemes else "does not say how to log in"
            raise Unauthorized(f"the registry wants a login (401), but {asked}")
        with self._lock:
            self._known[_key(place)] = challenge
        if refused is not None and (refused.fetched or challenge.scheme == "basic"):
            if challenge.parameters.get("error") == "invalid_token":
                raise _token_refused(place)
            raise self.refusal(place, credential)
        answer = self._answer(place, challenge, credential, refused)
        if answer is None:
            raise self.refusal(place, None)
        return Authorization(answer.value, fetched=True)

    def refusal(self, place: Place, credential: Credential | None) -> Unauthorized:
        """The error for a login that is missing or not enough."""
        host = place.domain
        hint = self._credentials.hindrance(host) or f"sampan login {host}"
        found = self._credentials.find(host, place.path)
        with self._lock:
            known = self._known.get(_key(place)) or self._known.get((place.base,))
            refused = found if found in self._refused else None
        is_basic = known is not None and known.scheme == "basic"
        if refused is not None:
            return refused_credential(refused, host)
        if credential is None:
            if is_basic:
                return Unauthorized(f"the registry {host} wants a login (401)", hint)
            if place.is_for_push:
                return Unauthorized(f"the registry {host} takes nothing for {place.name} without a login (401)", hint)
            return Unauthorized(f"there is no image {place.name}, or it is private (401)", f"check the spelling, or {hint}")
        if is_basic:
            return refused_credential(credential, host)
        user = repr(printable(credential.user)) if credential.user else "this login"
        if place.is_for_push:
            return Unauthorized(f"{user} may not push to {place.name} (401)", f"check the name, or {hint}")
        return Unauthorized(f"there is no image {place.name}, or {user} may not read it (401)", "check the spelling")

    def _answer(
        self, place: Place, challenge: Challenge, credential: Credential | None, refused: Authorization | None
    ) -> Authorization | None:
        if challenge.scheme == "basic":
            if credential is None:
                return None
            return Authorization(tokens.basic(credential.user, credential.identity or credential.password))
        return Authorization(f"Bearer {self._token(place, challenge, refused).text}")

    def _token(self, place: Place, challenge: Challenge, refused: Authorization | None) -> Token:
        scope = tokens.scope_of(challenge, place)
        realm, service = challenge.parameters["realm"], challenge.parameters.get("service", "")
        key = (place.base, realm, service, scope, self.credential(place))
        with self._lock:
            lock = self._token_locks.setdefault(key, threading.Lock())
        with lock:
            token = self._tokens.get(key)
            is_refused = token is not None and refused is not None and refused.value == f"Bearer {token.text}"
            if token is None or is_refused or token.expires <= self._transport.clock.now():
                token = self._tokens[key] = self._obtain(place, challenge, scope)
                self._tokens[(*key[:-1], self.credential(place))] = token  # it may have been got without them
            return token

    def _obtain(self, place: Place, challenge: Challenge, scope: str) -> Token:
        """A new token, without credentials if the user's are refused: many images need none."""
        credential = self.credential(place)
        if credential is not None:
            token = tokens.ask(self._transport, place, challenge, scope, credential)
            if token is not None:
                return token
            if place.source:  # the other image may be what is refused
                raise self.refusal(place, credential)
            if self._insists:
                raise refused_credential(credential, place.domain)
            if place.is_for_push:
                user = repr(printable(credential.user)) if credential.user else "this login"
                raise Unauthorized(
                    f"{user} may not push to {place.name}, or the password from {credential.origin} is wrong (401)",
                    f"sampan login {place.domain}",
                )
            with self._lock:
                first = credential not in self._refused
                self._refused.add(credential)
            if first:
                error = refused_credential(credential, place.domain)
                self._notice.warn(f"{error.sentence}; going on without it", error.hint)
        token = tokens.ask(self._transport, place, challenge, scope, None)
        if token is None:
            raise self.refusal(place, None)
        return token


def refused_credential(credential: Credential, host: str) -> Unauthorized:
    """The error for a password or identity token that is not taken."""
    what = "identity token" if credential.identity else "password"
    whose = f' of "{printable(credential.user)}"' if credential.user else ""
    return Unauthorized(
        f"the registry refused the {what}{whose} (401)",
        f"sampan login {host} (the {what} came from {credential.origin})" if credential.origin else None,
    )


def _token_refused(place: Place) -> Unauthorized:
    return Unauthorized(
        f"the registry {place.domain} does not take the token that its token server has just given (401 invalid_token)",
        "the clocks of the two may differ, or the registry does not trust that server: its administrator has to mend it",
    )


def _key(place: Place) -> tuple[str, ...]:
    return (place.base, place.path, place.actions, place.source)


def _best(challenges: list[Challenge]) -> Challenge | None:
    """Bearer before Basic: it sends the password to fewer places. Anything else is not for us."""
    for scheme in ("bearer", "basic"):
        for challenge in challenges:
            if challenge.scheme == scheme and (scheme == "basic" or challenge.parameters.get("realm")):
                return challenge
    return None
