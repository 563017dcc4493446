"""A wish: one image, or all whose tag matches a pattern, as a list names it. Pure.

Two ways of writing are read. CERN's is a URL, `https://REGISTRY/NAME[:TAG][@DIGEST]`; OSG's leaves things out,
`[REGISTRY/][NAMESPACE/]NAME[:TAG]`, where the registry is Docker Hub under its old name, the namespace `library` and the tag `latest`.
`*`, `?` and `[...]` in a tag are a pattern over all tags that the registry has (fnmatch).
"""

from __future__ import annotations

from dataclasses import dataclass

from sampan.errors import BadReference, SampanError, UsageError, printable
from sampan.oci.digest import Digest
from sampan.oci.reference import DEFAULT_TAG, HUB, HUB_HOST, HUB_OLD, Reference

HUB_NAMES = ("registry.hub.docker.com", HUB_HOST, HUB_OLD)
"""Other names of Docker Hub: lists have them, and so have the links in repositories made from these lists."""
OSG_REGISTRY = HUB_NAMES[0]
PATTERN_SIGNS = "*?["
MAX_WISH = 1024


@dataclass(frozen=True)
class Wish:
    """One entry of a list.

    `name` is where the registry has it (without tag and digest), `shown` the registry as the list spells it, which names the
    links in the repository. `tag` may be a pattern. `plain`: the registry is reached without TLS. `place` is `LIST:LINE`.
    """

    text: str
    place: str
    shown: str
    name: Reference
    tag: str | None
    digest: Digest | None
    plain: bool = False

    @property
    def is_pattern(self) -> bool:
        """Whether the tag stands for several."""
        return self.tag is not None and any(sign in self.tag for sign in PATTERN_SIGNS)

    @property
    def key(self) -> tuple[str, str, str | None, str]:
        """Two wishes with the same key ask for the same."""
        return self.shown, self.name.path, self.tag, str(self.digest or "")

    def reference(self, tag: str | None = None) -> Reference:
        """What the registry is asked for; `tag` is one that a pattern has matched."""
        return Reference(self.name.domain, self.name.path, tag or self.tag, self.digest)


def parse_cern(text: str, place: str) -> Wish:
    """A wish as CERN's lists write it; without a scheme it is taken for https. Raises `UsageError` that names place and reason."""
    scheme, separator, rest = text.partition("://")
    if separator and scheme not in ("http", "https"):
        raise _bad(text, place, f"its scheme is {scheme!r}", "write https://REGISTRY/NAME:TAG")
    name = rest if separator else text
    registry, slash, path = name.partition("/")
    if not slash or not path:
        raise _bad(text, place, "the registry or the name is missing", "write https://REGISTRY/NAME:TAG")
    return _wish(text, place, registry, path, plain=scheme == "http" and bool(separator))


def parse_osg(text: str, place: str) -> Wish:
    """A wish as OSG's lists write it. Raises `UsageError` that names place and reason."""
    name = text.removeprefix("docker://")
    if "://" in name:
        raise _bad(text, place, "it has a scheme", "a text list has [REGISTRY/][NAMESPACE/]NAME[:TAG]; URLs are for YAML lists")
    first, slash, path = name.partition("/")
    is_registry = bool(slash) and (first == "localhost" or "." in first or ":" in first)
    registry, path = (first, path) if is_registry else (OSG_REGISTRY, name)
    if not is_registry and "/" not in path.partition(":")[0]:
        path = f"library/{path}"
    return _wish(text, place, registry, path)


def _wish(text: str, place: str, registry: str, path: str, *, plain: bool = False) -> Wish:
    if len(text) > MAX_WISH:
        raise _bad(text, place, f"it is longer than {MAX_WISH} letters")
    rest, at, digest_text = path.partition("@")
    path, colon, tag_text = rest.partition(":")
    tag = tag_text if colon else None
    if colon and not tag:
        raise _bad(text, place, "there is no tag behind the colon")
    try:
        digest = Digest.parse(digest_text) if at else None
        if tag is None and digest is None:
            tag = DEFAULT_TAG
        domain = HUB if registry in HUB_NAMES else registry
        name = Reference(domain, path if domain != HUB or "/" in path else f"library/{path}")
        found = Wish(text, place, registry, name, tag, digest, plain)
        if not found.is_pattern:
            found.reference()
        elif digest is not None:
            raise BadReference("a digest is one image, so its tag cannot be a pattern")
        else:
            _check_pattern(tag or "")
    except SampanError as error:
        reason = error.sentence.partition(" is not a reference to an image: ")[2] or error.sentence
        raise _bad(text, place, reason, error.hint) from error
    return found


def _check_pattern(pattern: str) -> None:
    letters = set(pattern) - set("*?[]!")
    if any(not (letter.isascii() and (letter.isalnum() or letter in "_.-")) for letter in letters):
        raise BadReference("the pattern of its tag has letters that no tag has")


def _bad(text: str, place: str, reason: str, hint: str | None = None) -> UsageError:
    return UsageError(f"{place}: {printable(text[:120])!r} is not an image to publish: {reason}", hint)
