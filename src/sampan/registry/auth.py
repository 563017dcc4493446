"""Authentication: from a registry's challenge to the Authorization header that answers it.

Theory of operation
-------------------
`prepare` gives the header to send at once, by what is known of the registry; `after_refusal` reads the challenges of a 401
and gives the next header, or raises `Unauthorized` when there is nothing better to send. A caller asks at most three
times: without anything, with a token that another thread has obtained, with one that was fetched because of the 401.

What is known comes from challenges: of the image's own earlier 401 (realm, service and scope are the registry's words), or
of the registry's root, which is asked first if there are credentials; it names no scope, so `pull` is asked for.

Tokens are shared by all threads under (registry, realm, service, scope), fetched by one thread while others wait, and
replaced a little before they expire. The clock that counts is ours, from the moment the token arrived: the server's
`issued_at` would bring in its clock.
"""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from sampan.errors import ProtocolError, Unauthorized, printable
from sampan.oci.document import read_document, text_of
from sampan.registry.addresses import addresses_of, check_realm, origin_of
from sampan.registry.challenge import Challenge, parse_challenges
from sampan.registry.failures import Refusal
from sampan.registry.pacing import Transient
from sampan.registry.transport import Request, Transport

if TYPE_CHECKING:
    from sampan.registry.credentials import Credential, Credentials

DEFAULT_LIFE = 60.0
"""Seconds that a token lives if the server does not say (distribution-spec, "token")."""
MARGIN = 10.0
MAX_TOKEN_ANSWER = 1024 * 1024


@dataclass(frozen=True)
class Place:
    """Where an image is asked for: the registry's URL (`https://host:port`), and the names credentials are kept under."""

    base: str
    domain: str
    path: str

    @property
    def name(self) -> str:
        """The image's name, for sentences."""
        return f"{self.domain}/{self.path}"


@dataclass(frozen=True)
class Authorization:
    """A value for the Authorization header; `fetched`: it was obtained in answer to a 401 of this very request."""

    value: str = field(repr=False)
    fetched: bool = False


@dataclass(frozen=True)
class _Token:
    text: str = field(repr=False)
    expires: float
    """When to get a new one, some time before the server stops taking it."""


class Authenticator:
    """Knows for each registry and image how to authenticate; for many threads."""

    def __init__(self, transport: Transport, credentials: Credentials) -> None:
        self._transport = transport
        self._credentials = credentials
        self._notice = transport.notice
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], Challenge] = {}
        self._tokens: dict[tuple[str, ...], _Token] = {}
        self._token_locks: dict[tuple[str, ...], threading.Lock] = {}
        self._refused: set[Credential] = set()

    def credential(self, place: Place) -> Credential | None:
        """What the user has for this place, unless its password has been refused."""
        found = self._credentials.find(place.domain, place.path)
        with self._lock:
            return None if found in self._refused else found

    def learn(self, place: Place, headers: list[str]) -> None:
        """Remember what the registry's root asks for, to answer it at once."""
        challenge = _best(parse_challenges(headers))
        if challenge is not None:
            with self._lock:
                self._known.setdefault((place.base, ""), challenge)

    def prepare(self, place: Place) -> Authorization | None:
        """What to send without being asked. Raises as `after_refusal` does."""
        with self._lock:
            own, root = self._known.get((place.base, place.path)), self._known.get((place.base, ""))
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
            self._known[place.base, place.path] = challenge
        if refused is not None and (refused.fetched or challenge.scheme == "basic"):
            raise self.refusal(place, credential)
        answer = self._answer(place, challenge, credential, refused)
        if answer is None:
            raise self.refusal(place, None)
        return Authorization(answer.value, fetched=True)

    def refusal(self, place: Place, credential: Credential | None) -> Unauthorized:
        """The error for a login that is missing or not enough."""
        host = place.domain
        hint = self._credentials.kept_elsewhere(place.domain, place.path) or f"sampan login {host}"
        with self._lock:
            known = self._known.get((place.base, place.path)) or self._known.get((place.base, ""))
            rejected = self._credentials.find(place.domain, place.path)
            refused = rejected if rejected in self._refused else None
        if refused is not None:
            return _password_refused(refused, host)
        if credential is None:
            if known is not None and known.scheme == "basic":
                return Unauthorized(f"the registry {host} wants a login (401)", hint)
            return Unauthorized(f"there is no image {place.name}, or it is private (401)", f"check the spelling, or {hint}")
        if known is not None and known.scheme == "basic":
            return _password_refused(credential, host)
        return Unauthorized(f"there is no image {place.name}, or {credential.user!r} may not read it (401)", "check the spelling")

    def _answer(
        self, place: Place, challenge: Challenge, credential: Credential | None, refused: Authorization | None
    ) -> Authorization | None:
        if challenge.scheme == "basic":
            return None if credential is None else Authorization(_basic(credential))
        return Authorization(f"Bearer {self._token(place, challenge, refused).text}")

    def _token(self, place: Place, challenge: Challenge, refused: Authorization | None) -> _Token:
        scope = challenge.parameters.get("scope") or f"repository:{place.path}:pull"
        key = (place.base, challenge.parameters["realm"], challenge.parameters.get("service", ""), scope)
        with self._lock:
            lock = self._token_locks.setdefault(key, threading.Lock())
        with lock:
            token = self._tokens.get(key)
            is_refused = token is not None and refused is not None and refused.value == f"Bearer {token.text}"
            if token is None or is_refused or token.expires <= self._transport.clock.now():
                token = self._tokens[key] = self._obtain(place, challenge, scope)
            return token

    def _obtain(self, place: Place, challenge: Challenge, scope: str) -> _Token:
        """A new token, without credentials if the user's are refused: many images need none."""
        credential = self.credential(place)
        if credential is not None:
            token = self._ask(place, challenge, scope, credential)
            if token is not None:
                return token
            with self._lock:
                first = credential not in self._refused
                self._refused.add(credential)
            if first:
                error = _password_refused(credential, place.domain)
                self._notice.warn(f"{error.sentence}; going on without it", error.hint)
        token = self._ask(place, challenge, scope, None)
        if token is None:
            raise self.refusal(place, None)
        return token

    def _ask(self, place: Place, challenge: Challenge, scope: str, credential: Credential | None) -> _Token | None:
        """A token of the token server; `None` if it refuses the credentials, or to give one without."""
        url = self._token_url(place, challenge, scope, credential)
        headers = {"Accept": "application/json"}
        if credential is not None:
            headers["Authorization"] = _basic(credential)
        tries = self._transport.tries()
        while True:
            try:
                with self._transport.send(Request("GET", url, headers, redirects=False)) as answer:
                    if answer.status == 200:
                        return self._read_token(answer.read(MAX_TOKEN_ANSWER, "the token"))
                    if answer.status in (401, 403):
                        return None
                    raise Refusal(answer).failure(place.name, f"a token for {place.name}", self._transport.clock.now())
            except Transient as failure:
                tries.wait(failure)

    def _token_url(self, place: Place, challenge: Challenge, scope: str, credential: Credential | None) -> str:
        realm = challenge.parameters["realm"]
        resolve = addresses_of if self._transport.is_direct(realm) else lambda _: []
        check_realm(realm, place.base, resolve)
        if origin_of(realm)[1] != origin_of(place.base)[1]:
            self._notice.debug(f"{place.domain} sends us to {urlsplit(realm).netloc} for a token")
        parts = urlsplit(realm)
        query = parse_qsl(parts.query, keep_blank_values=True)
        if "service" in challenge.parameters:
            query.append(("service", challenge.parameters["service"]))
        query += [("scope", one) for one in scope.split()]
        if credential is not None:
            query.append(("account", credential.user))
        return parts._replace(query=urlencode(query), fragment="").geturl()

    def _read_token(self, body: bytes) -> _Token:
        document = read_document(body, "the token server's answer", MAX_TOKEN_ANSWER)
        text = text_of(document, "token", "the token") or text_of(document, "access_token", "the token")
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise ProtocolError("the token server's answer has no usable token")
        life = document.get("expires_in")
        seconds = float(life) if isinstance(life, (int, float)) and not isinstance(life, bool) and life > 0 else DEFAULT_LIFE
        return _Token(text, self._transport.clock.now() + seconds - min(MARGIN, seconds / 5))


def _password_refused(credential: Credential, host: str) -> Unauthorized:
    return Unauthorized(
        f'the registry refused the password of "{printable(credential.user)}" (401)',
        f"sampan login {host} (the password came from {credential.origin})",
    )


def _basic(credential: Credential) -> str:
    return "Basic " + base64.b64encode(f"{credential.user}:{credential.password}".encode()).decode()


def _best(challenges: list[Challenge]) -> Challenge | None:
    """Bearer before Basic: it sends the password to fewer places. Anything else is not for us."""
    for scheme in ("bearer", "basic"):
        for challenge in challenges:
            if challenge.scheme == scheme and (scheme == "basic" or challenge.parameters.get("realm")):
                return challenge
    return None
