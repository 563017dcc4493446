"""Tokens: what is asked of a token server, and what it answers (distribution, "Token Authentication"; OAuth 2 for identity tokens)."""

from __future__ import annotations

import base64
from urllib.parse import parse_qsl, urlencode, urlsplit

from sampan.errors import ProtocolError
from sampan.oci.document import read_document, text_of
from sampan.registry.addresses import addresses_of, check_realm, origin_of
from sampan.registry.failures import Refusal
from sampan.registry.pacing import Transient
from sampan.registry.transport import Body, Request
from sampan.values import field, frozen

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from sampan.registry.challenge import Challenge
    from sampan.registry.credentials import Credential
    from sampan.registry.place import Place
    from sampan.registry.transport import Answer, Transport

DEFAULT_LIFE = 60.0
"""Seconds that a token lives if the server does not say (distribution-spec, "token")."""
MARGIN = 10.0
MAX_ANSWER = 1024 * 1024
_REFUSALS = (400, 401, 403)
_NO_POST = (404, 405)


@frozen
class Token:
    """`expires` is when to get a new one, some time before the server stops taking it."""

    text: str = field(repr=False)
    expires: float


def basic(user: str, password: str) -> str:
    """The proof of the scheme Basic."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def scope_of(challenge: Challenge, place: Place) -> str:
    """What the token is to allow: the registry's words, with what the work needs beyond them. Parted by spaces.

    For reading the registry's words alone count: some want other actions than `pull` (ACR: `metadata_read`).
    """
    told = challenge.parameters.get("scope", "").split()
    if told and not place.is_for_push:
        return " ".join(told)
    actions: dict[str, list[str]] = {}
    for scope in (*told, *place.scopes()):
        resource, _, wanted = scope.rpartition(":")
        known = actions.setdefault(resource, [])
        known += [action for action in wanted.split(",") if action not in known]
    return " ".join(f"{resource}:{','.join(wanted)}" for resource, wanted in actions.items())


def ask(transport: Transport, place: Place, challenge: Challenge, scope: str, credential: Credential | None) -> Token | None:
    """A token of the token server; `None` if it refuses the credentials, or to give one without.

    Raises `Unreachable`, `RemoteError`, `ProtocolError`.
    """
    realm = _checked_realm(transport, place, challenge)
    if credential is not None and credential.identity:
        request = _by_identity(realm, challenge, scope, credential)
        refusals: tuple[int, ...] = _REFUSALS
    else:
        request = _by_password(realm, challenge, scope, credential)
        refusals = (401, 403)
    rules = place.tls if urlsplit(realm).hostname == urlsplit(place.base).hostname else None
    tries = transport.tries()
    while True:
        try:
            with transport.send(Request(request.method, request.url, request.headers, False, request.body, rules)) as answer:
                if answer.status == 200:
                    return _read(answer, transport.clock.now())
                if answer.status in refusals:
                    return None
                if answer.status not in _NO_POST or request.method != "POST" or credential is None:
                    raise Refusal(answer).failure(place.name, f"a token for {place.name}", transport.clock.now())
            # Some token servers know GET only; there the identity token is the password.
            request = _by_password(realm, challenge, scope, credential)
        except Transient as failure:
            tries.wait(failure)


def _checked_realm(transport: Transport, place: Place, challenge: Challenge) -> str:
    realm = challenge.parameters["realm"]
    check_realm(realm, place.base, addresses_of if transport.is_direct(realm) else lambda _: [])
    if origin_of(realm)[1] != origin_of(place.base)[1]:
        transport.notice.debug(f"{place.domain} sends us to {urlsplit(realm).netloc} for a token")
    return realm


def _by_password(realm: str, challenge: Challenge, scope: str, credential: Credential | None) -> Request:
    parts = urlsplit(realm)
    query = parse_qsl(parts.query, keep_blank_values=True)
    if "service" in challenge.parameters:
        query.append(("service", challenge.parameters["service"]))
    query += [("scope", one) for one in scope.split()]
    headers = {"Accept": "application/json"}
    if credential is not None:
        if credential.user:
            query.append(("account", credential.user))
        headers["Authorization"] = basic(credential.user, credential.identity or credential.password)
    return Request("GET", parts._replace(query=urlencode(query), fragment="").geturl(), headers)


def _by_identity(realm: str, challenge: Challenge, scope: str, credential: Credential) -> Request:
    form = {"grant_type": "refresh_token", "service": challenge.parameters.get("service", ""), "client_id": "sampan"}
    if scope:
        form["scope"] = scope
    form["refresh_token"] = credential.identity
    headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
    return Request("POST", urlsplit(realm)._replace(fragment="").geturl(), headers, body=Body.of(urlencode(form).encode()))


def _read(answer: Answer, now: float) -> Token:
    document = read_document(answer.read(MAX_ANSWER, "the token"), "the token server's answer", MAX_ANSWER)
    text = text_of(document, "token", "the token") or text_of(document, "access_token", "the token")
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ProtocolError("the token server's answer has no usable token")
    life = document.get("expires_in")
    seconds = float(life) if isinstance(life, (int, float)) and not isinstance(life, bool) and life > 0 else DEFAULT_LIFE
    return Token(text, now + seconds - min(MARGIN, seconds / 5))
