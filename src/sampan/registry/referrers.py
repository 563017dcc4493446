"""Referrers: signatures, attestations and the like, manifests that have another one as their `subject` (distribution-spec).

Newer registries list them by an API of their own. Where there is none, an index under the tag `sha256-HEX` lists them, which
whoever sends a referrer brings up to date; nobody arbitrates between two who do that at once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from sampan.errors import NotAtRegistry
from sampan.oci.descriptor import descriptor_from
from sampan.oci.digest import sha256_of
from sampan.oci.document import map_of, maps_of, read_document, text_map_of, text_of
from sampan.oci.manifest import Index, parse_manifest
from sampan.oci.mediatypes import OCI_INDEX, base_type
from sampan.registry.listing import MAX_PAGE, pages
from sampan.registry.transport import Request
from sampan.registry.upload import send_manifest

if TYPE_CHECKING:
    from sampan.oci.descriptor import Descriptor
    from sampan.oci.digest import Digest
    from sampan.registry.exchange import Exchange
    from sampan.registry.place import Place
    from sampan.registry.transport import Answer


def listed(exchange: Exchange, place: Place, digest: Digest, artifact_type: str = "") -> list[Descriptor]:
    """The manifests that have this one as their subject, of one type or all. None is no failure.

    Raises `Unauthorized`, `Unreachable`, `ProtocolError`.
    """
    what = f"the referrers of {digest.short} of {place.name}"
    url = place.url(f"referrers/{digest}" + (f"?artifactType={quote(artifact_type, safe='')}" if artifact_type else ""))
    found: list[Descriptor] = []
    filtered = True
    try:
        for headers, body in pages(exchange, place, url, what, OCI_INDEX):
            filtered = filtered and "artifacttype" in headers.get("OCI-Filters-Applied", "").lower()
            found += _entries(body, what)
    except NotAtRegistry:
        filtered = False
        found = _entries(json.dumps(_by_tag(exchange, place, digest)).encode(), what)
    return [one for one in found if filtered or not artifact_type or one.artifact_type == artifact_type]


def note_subject(exchange: Exchange, place: Place, answer: Answer, content: bytes, media_type: str) -> None:
    """After a manifest was stored: if it has a subject and the registry has not noted it, bring the tag up to date."""
    what = f"the manifest for {place.name}"
    document = read_document(content, what)
    subject = map_of(document, "subject", what)
    if not subject or answer.headers.get("OCI-Subject"):
        return
    digest = descriptor_from(subject, f"the subject of {what}").digest
    own = sha256_of(content)
    index = _by_tag(exchange, place, digest)
    entries = maps_of(index, "manifests", what)
    if any(entry.get("digest") == str(own) for entry in entries):
        return
    artifact_type = text_of(document, "artifactType", what) or text_of(map_of(document, "config", what), "mediaType", what)
    entry: dict[str, object] = {"mediaType": base_type(media_type), "digest": str(own), "size": len(content)}
    if artifact_type:
        entry["artifactType"] = artifact_type
    annotations = text_map_of(document, "annotations", what)
    if annotations:
        entry["annotations"] = annotations
    index["manifests"] = [*entries, entry]
    send_manifest(exchange, place, tag_for(digest), json.dumps(index).encode(), OCI_INDEX)


def tag_for(digest: Digest) -> str:
    """The tag under which referrers are listed where there is no API for them (distribution-spec, "Referrers Tag Schema")."""
    return f"{digest.algorithm}-{digest.encoded}"[:128]


def _by_tag(exchange: Exchange, place: Place, digest: Digest) -> dict[str, object]:
    """The index under the tag; an empty one if there is none."""
    what = f"tag {tag_for(digest)} of {place.name}"
    request = Request("GET", place.url(f"manifests/{tag_for(digest)}"), {"Accept": OCI_INDEX})

    def ask() -> dict[str, object]:
        with exchange.ask(place, request) as answer:
            if answer.status == 404:
                return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
            if answer.status != 200:
                raise exchange.refused(answer, place, what)
            body = answer.read(MAX_PAGE, what)
        parse_manifest(body, what, expected=OCI_INDEX)
        return read_document(body, what)

    return exchange.repeated(ask)


def _entries(body: bytes, what: str) -> list[Descriptor]:
    document = parse_manifest(body, what, expected=OCI_INDEX)
    return list(document.manifests) if isinstance(document, Index) else []
