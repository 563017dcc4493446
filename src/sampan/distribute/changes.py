"""What has changed: one HEAD request an image, over several connections, against what is noted as published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sampan.distribute.crowd import each
from sampan.distribute.expand import Failure
from sampan.errors import SampanError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.distribute.expand import Item
    from sampan.distribute.state import Record, State
    from sampan.registry.client import Client

SAME, NOTE, FETCH = "same", "note", "fetch"


@dataclass(frozen=True)
class Change:
    """What has to be done for an image: nothing, only links and notes, or fetch it. `told` is the registry's digest for it."""

    item: Item
    told: str
    what: str


def told(client: Client, items: Sequence[Item], parallel: int) -> tuple[dict[Item, str], list[Failure]]:
    """The digest that the registry tells for each image; those that it does not tell are failures.

    A reference with a digest is that digest, and nobody is asked. Images for several platforms are asked for once.
    """
    references = list(dict.fromkeys(item.reference for item in items if item.reference.digest is None))
    answers = dict(zip(references, each(lambda one: str(client.head_manifest(one).digest), references, parallel)))
    found: dict[Item, str] = {}
    failures: list[Failure] = []
    for item in items:
        answer = str(item.reference.digest) if item.reference.digest is not None else answers[item.reference]
        if isinstance(answer, SampanError):
            failures.append(Failure(item.link, str(item.platform), answer))
        else:
            found[item] = answer
    return found, failures


def changes(digests: dict[Item, str], state: State, label: str) -> list[Change]:
    """What has to be done, by what is noted. Pure."""
    return [Change(item, digest, _what(item, digest, state.records.get(item.key), label)) for item, digest in digests.items()]


def _what(item: Item, digest: str, record: Record | None, label: str) -> str:
    if record is None or record.told != digest:
        return FETCH
    return SAME if label in record.lists and set(item.links) <= set(record.links) else NOTE
