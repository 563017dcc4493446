"""References: how people name images. On the start-up path.

The grammar is the one of distribution/reference, which Docker, podman and the registries share::

    [domain[:port]/]path[:tag][@digest]

The first component is a domain if it is `localhost`, has `.` or `:`, or has an upper-case letter; otherwise the
image lies at Docker Hub, where a path of one component is below `library/`. Parsed by hand: `re` costs 4 ms of a
start that has 10.
"""

from __future__ import annotations

from sampan.errors import BadReference, ProtocolError, printable
from sampan.oci.digest import HEX_LENGTHS, Digest, only

HUB = "docker.io"
HUB_HOST = "registry-1.docker.io"
HUB_OLD = "index.docker.io"
DEFAULT_TAG = "latest"
MAX_PATH = 255
MAX_DOMAIN = 261
"""A DNS name (255), a colon and a port."""
MAX_TAG = 128

_LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"
_LETTERS = _LOWER + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SCHEME = "docker://"


class Reference:
    """Where an image lies and which one it is: `domain`, `path`, `tag` and `digest` (either of the last may be `None`).

    Has been checked whenever it exists, so its parts go into URLs and file names as they are. With tag and digest
    the digest decides.
    """

    __slots__ = ("digest", "domain", "path", "tag")
    domain: str
    path: str
    tag: str | None
    digest: Digest | None

    def __init__(self, domain: str, path: str, tag: str | None = None, digest: Digest | None = None) -> None:
        """Raises `BadReference`. Without tag and digest it names the repository as a whole."""
        reason = _domain_fault(domain) or _path_fault(domain, path) or _tag_fault(tag) or _digest_fault(digest)
        if reason:
            raise BadReference(f"{printable(f'{domain}/{path}'[:MAX_PATH])!r} is not a reference to an image: {reason}")
        object.__setattr__(self, "domain", domain)
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "tag", tag)
        object.__setattr__(self, "digest", digest)

    @classmethod
    def parse(cls, text: str) -> Reference:
        """The reference in `text`, as a person writes it; `docker://` in front is allowed.

        Neither tag nor digest means `latest`. Raises `BadReference`.
        """
        named = text.removeprefix(_SCHEME)
        name, tag, digest_text = _split(named)
        reason, hint = _text_fault(named, name, tag, digest_text)
        if reason:
            raise _bad(text, reason, hint)
        domain, path = _split_domain(name)
        try:
            digest = None if digest_text is None else Digest.parse(digest_text)
            return cls(domain, path, DEFAULT_TAG if tag is None and digest is None else tag, digest)
        except ProtocolError as error:
            raise _bad(text, error.sentence, None) from error
        except BadReference as error:
            raise _bad(text, error.sentence.partition(" is not a reference to an image: ")[2], error.hint) from error

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a reference does not change: {name}")

    def __str__(self) -> str:
        return self.name + self._selectors()

    def __repr__(self) -> str:
        return f"Reference.parse({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    @property
    def name(self) -> str:
        """The part before tag and digest, in full: `docker.io/library/debian`."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar(self) -> str:
        """As short as a person would write it, `debian:12`; parsed, it gives the same reference."""
        return self.familiar_name + self._selectors()

    @property
    def familiar_name(self) -> str:
        """`familiar` without tag and digest."""
        for short in (self.path[len("library/") :] if self.path.startswith("library/") else "", self.path):
            if short and _split_domain(short) == (self.domain, self.path):
                return short
        return self.name

    @property
    def host(self) -> str:
        """The host (and port) whose registry API has it."""
        return HUB_HOST if self.domain == HUB else self.domain

    @property
    def selector(self) -> str:
        """What the registry API calls `reference`: the digest, else the tag, else `latest`."""
        return str(self.digest or self.tag or DEFAULT_TAG)

    def with_tag(self, tag: str) -> Reference:
        """The same name with this tag and no digest. Raises `BadReference`."""
        return Reference(self.domain, self.path, tag)

    def with_digest(self, digest: Digest) -> Reference:
        """The same name and tag, settled by this digest."""
        return Reference(self.domain, self.path, self.tag, digest)

    def _selectors(self) -> str:
        return ("" if self.tag is None else f":{self.tag}") + ("" if self.digest is None else f"@{self.digest}")


def _bad(text: str, reason: str, hint: str | None) -> BadReference:
    return BadReference(f"{printable(text[:MAX_PATH])!r} is not a reference to an image: {reason}", hint)


def _split(text: str) -> tuple[str, str | None, str | None]:
    """Name, tag and digest; `None` for a part that is not there at all."""
    rest, at, digest = text.partition("@")
    head, slash, last = rest.rpartition("/")
    last, colon, tag = last.partition(":")
    if last.startswith("[") and not slash:  # a bare IPv6 address: leave its colons to the checks of the name
        last, colon, tag = rest, "", ""
    return head + slash + last, tag if colon else None, digest if at else None


def _split_domain(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    is_domain = first == "localhost" or "." in first or ":" in first or first.lower() != first
    domain, path = (first, rest) if slash and is_domain else (HUB, name)
    if domain == HUB_OLD:
        domain = HUB
    if domain == HUB and path and "/" not in path:
        path = "library/" + path
    return domain, path


def _text_fault(text: str, name: str, tag: str | None, digest: str | None) -> tuple[str | None, str | None]:
    """Why `text` cannot be a reference, and a hint: what the checks of the parts would tell less well."""
    if not text:
        return "it is empty", "an image is named like debian:12 or quay.io/biocontainers/samtools:1.9"
    if "://" in text:
        scheme, _, rest = text.partition("://")
        return f"a reference has no {printable(scheme)}:// in front", f"try {printable(rest)}"
    if len(name) == HEX_LENGTHS["sha256"] and tag is None and digest is None and only(name, "0123456789abcdef"):
        return "64 hexadecimal digits name an image in the store, not at a registry", "write NAME@sha256:DIGITS"
    if not name:
        return "the name is missing", "an image is named like debian:12 or quay.io/biocontainers/samtools:1.9"
    return None, None


def _domain_fault(domain: str) -> str | None:
    if len(domain) > MAX_DOMAIN:
        return f"the domain is longer than {MAX_DOMAIN} letters"
    if domain.startswith("["):
        address, bracket, rest = domain[1:].partition("]")
        host_is_good = bool(bracket) and ":" in address and only(address, "0123456789abcdefABCDEF:")
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = domain.partition(":")
        host_is_good = all(_is_label(label) for label in host.split("."))
    if not host_is_good:
        return f"{printable(domain)!r} is not the name of a registry"
    if colon and (colon != ":" or not only(port, "0123456789") or not 0 < int(port[:6]) < 65536):
        return f"{printable(domain)!r} has no port number behind the colon"
    return None


def _is_label(text: str) -> bool:
    return only(text, _LETTERS + "-") and text[0] != "-" and text[-1] != "-"


def _path_fault(domain: str, path: str) -> str | None:
    if not path:
        return "the name of the image is missing behind the registry"
    if len(path) > MAX_PATH:
        return f"the name is longer than {MAX_PATH} letters"
    if domain == HUB and "/" not in path:
        return "at Docker Hub a name has at least two components"
    for component in path.split("/"):
        if not _is_component(component):
            if component.lower() != component and _is_component(component.lower()):
                return f"names of images are lower case, unlike {printable(component)!r}"
            return f"{printable(component)!r} cannot be part of a name"
    return None


def _is_component(text: str) -> bool:
    """Runs of a-z and 0-9, joined by one dot, one or two underscores or any number of dashes."""
    if not text or text[0] not in _LOWER or text[-1] not in _LOWER:
        return False
    joint = ""
    for letter in text:
        if letter not in _LOWER:
            joint += letter
        elif joint:
            if joint not in (".", "_", "__") and joint.strip("-"):
                return False
            joint = ""
    return True


def _tag_fault(tag: str | None) -> str | None:
    if tag is None:
        return None
    if not only(tag, _LETTERS + "_.-") or tag[0] in ".-" or len(tag) > MAX_TAG:
        return f"a tag has up to {MAX_TAG} letters of A-Z a-z 0-9 _ . -, unlike {printable(tag[:MAX_TAG])!r}"
    return None


def _digest_fault(digest: Digest | None) -> str | None:
    if digest is not None and digest.algorithm not in HEX_LENGTHS:
        return f"{digest.algorithm!r} is not a registered digest algorithm"
    return None
