"""Passwords for registries from the environment, as CI jobs have them, in the form in which the registry client reads them. Pure.

`DOCKER_AUTH_CONFIG` (what GitLab's and Docker's own programs read: the text of docker's config.json) is left as it is. DUCC's variables
(`DUCC_AUTH_REGISTRIES=a,b`, then `DUCC_a_IDENT`, `_USER`, `_PASS`) and sampan's own (`SAMPAN_REGISTRY_AUTH`, lines
`HOST=USER:PASSWORD`) are added to it. A password is never in a list, a log or on a command line.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from sampan.distribute.wish import HUB_NAMES
from sampan.errors import BadSetting, ProtocolError, printable
from sampan.oci.document import map_of, read_document
from sampan.oci.reference import HUB
from sampan.registry.credentials import AUTH_VARIABLE, HUB_KEY, is_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OWN, DUCC = "SAMPAN_REGISTRY_AUTH", "DUCC_AUTH_REGISTRIES"


def with_credentials(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with all its passwords in `DOCKER_AUTH_CONFIG`. Raises `BadSetting` that names the variable, never its value."""
    found = {**dict(_own(environ)), **dict(_ducc(environ))}
    if not found:
        return dict(environ)
    document: dict[str, object] = {}
    if environ.get(AUTH_VARIABLE):
        try:
            document = read_document(environ[AUTH_VARIABLE].encode(), AUTH_VARIABLE)
            document = document if is_config(document) else {"auths": document}
            before = map_of(document, "auths", AUTH_VARIABLE)
        except ProtocolError as error:
            raise BadSetting(f"the variable {AUTH_VARIABLE} is not the JSON of a docker configuration") from error
    else:
        before = {}
    added = {key: {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()} for key, (user, password) in found.items()}
    return {**environ, AUTH_VARIABLE: json.dumps({**document, "auths": {**before, **added}})}


def _own(environ: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, str]]]:
    for line in filter(str.strip, environ.get(OWN, "").splitlines()):
        host, equals, secret = line.partition("=")
        user, colon, password = secret.partition(":")
        if not equals or not colon or not host.strip() or not user:
            raise BadSetting(f"the variable {OWN} has a line that is not HOST=USER:PASSWORD", "one line for each registry")
        yield _key(host.strip()), (user, password)


def _ducc(environ: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, str]]]:
    for name in filter(None, environ.get(DUCC, "").split(",")):
        ident, user, password = (environ.get(f"DUCC_{name}_{what}", "") for what in ("IDENT", "USER", "PASS"))
        if not ident:
            raise BadSetting(
                f"the variable {DUCC} names {printable(name[:80])!r}, but DUCC_{printable(name[:80])}_IDENT is not set"
            )
        if user and password:
            yield _key(ident), (user, password)


def _key(ident: str) -> str:
    host = ident.partition("://")[2] or ident
    host = host.strip("/")
    return HUB_KEY if host in (*HUB_NAMES, HUB) else host
