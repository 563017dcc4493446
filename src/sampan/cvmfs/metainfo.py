"""The metainfo: what operators say of a repository, and what sampan records of how it publishes into it. Pure.

The format has a place for additions, `custom`; ours is `custom.sampan` with the compressor and the hash of its sample (compression.py).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from sampan.errors import RepositoryError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 1 << 20
_TEXTS = ("administrator", "email", "organisation", "description", "url", "recommended-stratum0")


class Metainfo(NamedTuple):
    """The document, which is kept whole, and the two things that are ours in it."""

    document: Mapping[str, Any]

    @property
    def compressor(self) -> str | None:
        """The recorded compressor, as `zlib-6`; `None` in a repository of other tools."""
        return self._own("compressor")

    @property
    def sample(self) -> str | None:
        """What that compressor made of the sample."""
        return self._own("sample")

    def _own(self, key: str) -> str | None:
        custom = self.document.get("custom")
        own = custom.get("sampan") if isinstance(custom, dict) else None
        value = own.get(key) if isinstance(own, dict) else None
        return value if isinstance(value, str) else None

    def recording(self, compressor: str, sample: str) -> Metainfo:
        """The same with this compressor."""
        custom = self.document.get("custom")
        kept = custom if isinstance(custom, dict) else {}
        return Metainfo({**self.document, "custom": {**kept, "sampan": {"compressor": compressor, "sample": sample}}})

    def written(self) -> bytes:
        """The stored document."""
        return (json.dumps(self.document, indent=1, sort_keys=True) + "\n").encode()


def described(words: Mapping[str, str]) -> Metainfo:
    """A new document with the operators' words: `administrator`, `email`, `organisation`, `description`, `url`, ..."""
    return Metainfo({**{key: words.get(key, "") for key in _TEXTS}, "recommended-stratum1s": [], "custom": {}})


def parse(data: bytes) -> Metainfo:
    """Raises `RepositoryError`."""
    try:
        document = json.loads(data.decode("utf-8")) if len(data) <= MAX_BYTES else None
    except (ValueError, RecursionError) as error:
        raise RepositoryError("the metainfo of the repository is not JSON") from error
    if not isinstance(document, dict):
        raise RepositoryError("the metainfo of the repository is no JSON object, or too large")
    return Metainfo(document)
