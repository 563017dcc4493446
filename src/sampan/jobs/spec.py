"""What a job is: values, and the document `job.json` that holds them (docs/design/jobs.md).

Everything that can be wrong whatever the node is, is refused here, with its place in the document.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sampan.container import request as requests
from sampan.container.limits import parse_seconds
from sampan.errors import SampanError, UsageError, printable
from sampan.jobs import uris
from sampan.oci.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.container.request import Request

FORMAT = 1
HOW = ("auto", "bind", "copy")
STREAMS = (":stdout", ":stderr")
WORK = "/work"
MAX_NAME = 255


@dataclass(frozen=True)
class Input:
    """A file or directory that the payload finds at `path`, relative to its directory.

    `digest` and `size` (bytes), where known, are checked. `how`: `bind` read-only, `copy`, or `auto`.
    """

    name: str
    uri: str
    path: str = ""
    digest: str = ""
    size: int = -1
    how: str = "auto"

    def __post_init__(self) -> None:
        what = f"the input {printable(self.name)!r}"
        _check_name(self.name, what)
        uris.check(self.uri, uris.OF_INPUTS, f"the URI of {what}")
        if not self.path:
            object.__setattr__(self, "path", uris.last_part(self.uri))
        object.__setattr__(self, "path", uris.relative(self.path, f"the path of {what}"))
        if self.digest:
            _check_digest(self.digest, what)
        if self.how not in HOW:
            raise UsageError(f"{what} cannot be brought by {self.how!r}", f"it is one of {', '.join(HOW)}")
        if self.how == "bind" and uris.scheme_of(self.uri) not in ("file", "cvmfs", ""):
            raise UsageError(f"{what} cannot be bound: {uris.shown(self.uri)} is not a file of the node", "leave `how` out")


@dataclass(frozen=True)
class Output:
    """What the payload leaves at `path`, a pattern relative to its directory, or `:stdout`, `:stderr`.

    `many`: any number may match, else exactly one. `destination`: a URI, with `/` at its end a place under which it keeps its
    path; empty: the job's own `outputs/`.
    """

    name: str
    path: str
    many: bool = False
    optional: bool = False
    destination: str = ""

    def __post_init__(self) -> None:
        what = f"the output {printable(self.name)!r}"
        _check_name(self.name, what)
        if self.path not in STREAMS:
            object.__setattr__(self, "path", uris.relative(self.path, f"the path of {what}"))
        if self.destination:
            uris.check(self.destination, uris.OF_OUTPUTS, f"the destination of {what}")
            if self.many and not self.destination.endswith("/"):
                raise UsageError(f"{what} may be many files, and its destination is one", "let the destination end with /")

    @property
    def is_pattern(self) -> bool:
        """Whether the path has to be looked for."""
        return any(sign in self.path for sign in "*?[")


@dataclass(frozen=True)
class Limits:
    """Seconds, bytes and numbers; 0: none stated (one processor)."""

    time: float = 0.0
    memory: int = 0
    cpus: int = 1
    gpus: int = 0
    disk: int = 0

    def __post_init__(self) -> None:
        for name in ("time", "memory", "gpus", "disk"):
            if getattr(self, name) < 0:
                raise UsageError(f"the limit {name} is below 0")
        if self.cpus < 1:
            raise UsageError("a job needs one processor at least")


@dataclass(frozen=True)
class Job:
    """A request with all that travels with it. Raises `UsageError` for what no node could do."""

    request: Request
    name: str = ""
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    limits: Limits = field(default_factory=Limits)
    digest: str = ""
    source: str = ""
    directory: str = WORK
    scratch: str = ""
    stdin: str = ""
    tries: int = 3
    heartbeat: float = 30.0
    checksums: bool = True

    def __post_init__(self) -> None:
        if self.digest:
            _check_digest(self.digest, "the image")
        if self.source:
            object.__setattr__(self, "source", uris.relative(self.source, "the archive of the image"))
        if not self.directory.startswith("/") or posixpath.normpath(self.directory) != self.directory or self.directory == "/":
            raise UsageError(f"the directory of a job must be an absolute path inside, not {printable(self.directory)!r}")
        if self.scratch and not self.scratch.startswith(("/", "$")):
            raise UsageError(f"scratch must be an absolute path or a variable of the node, not {printable(self.scratch)!r}")
        if self.stdin:
            object.__setattr__(self, "stdin", uris.relative(self.stdin, "stdin"))
        if self.tries < 1 or self.heartbeat <= 0:
            raise UsageError("a job has one try at least, and its heartbeat a time above 0")
        _check_paths(self.inputs)
        _check_request(self.request)

    def remote(self, *schemes: str) -> list[str]:
        """The URIs of inputs, and the destinations of outputs, with one of `schemes`."""
        uris_ = [*(one.uri for one in self.inputs), *(one.destination for one in self.outputs)]
        return [uri for uri in uris_ if uris.scheme_of(uri) in schemes]

    def document(self) -> dict[str, object]:
        """What `job.json` holds."""
        limits = {name: getattr(self.limits, name) for name in ("time", "memory", "cpus", "gpus", "disk")}
        return {
            "format": FORMAT,
            "name": self.name,
            "request": self.request.document(),
            "image": {"digest": self.digest, "source": self.source},
            "directory": self.directory,
            "scratch": self.scratch,
            "stdin": self.stdin,
            "inputs": [vars(one) for one in self.inputs],
            "outputs": [vars(one) for one in self.outputs],
            "limits": limits,
            "tries": self.tries,
            "heartbeat": self.heartbeat,
            "checksums": self.checksums,
        }


def from_document(document: Mapping[str, Any], place: str) -> Job:
    """A job out of `job.json`; `place` is its path. Raises `UsageError` that names the place in it."""
    reader = _Reader(place)
    if document.get("format") != FORMAT:
        raise UsageError(f"{place} is a job of format {document.get('format')!r}, and this sampan reads format {FORMAT}")
    image = reader.map(document, "image")
    fields: dict[str, Any] = {
        "request": reader.about("request", lambda: requests.from_document(dict(reader.map(document, "request")))),
        "digest": reader.one(image, "digest", str, "", "image.digest"),
        "source": reader.one(image, "source", str, "", "image.source"),
        "inputs": tuple(reader.values(document, "inputs", Input)),
        "outputs": tuple(reader.values(document, "outputs", Output)),
        "limits": reader.value(reader.map(document, "limits"), Limits, "limits"),
    }
    for name, kind, default in (
        ("name", str, ""), ("directory", str, WORK), ("scratch", str, ""), ("stdin", str, ""), ("tries", int, 3), ("heartbeat", float, 30.0),
        ("checksums", bool, True),
    ):  # fmt: skip
        fields[name] = reader.one(document, name, kind, default, name)
    return reader.about("it", lambda: Job(**fields))  # type: ignore[no-any-return]


class _Reader:
    """Reads parts of a document; every complaint begins with the file and the place in it."""

    def __init__(self, place: str) -> None:
        self._place = place

    def about(self, where: str, make: Any) -> Any:
        try:
            return make()
        except SampanError as error:
            raise UsageError(f"{self._place}: {where}: {error.sentence}", error.hint) from error
        except TypeError as error:
            raise UsageError(f"{self._place}: {where}: {error}") from error

    def map(self, document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        found = document.get(name) or {}
        if not isinstance(found, dict):
            raise UsageError(f"{self._place}: {name} is not an object")
        return found

    def one(self, document: Mapping[str, Any], name: str, kind: type, default: Any, where: str) -> Any:
        found = document.get(name)
        if found is None:
            return default
        if kind is float and isinstance(found, int) and not isinstance(found, bool):
            return float(found)
        if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
            raise UsageError(f"{self._place}: {where} is not a {_WORDS[kind]}")
        return found

    def values(self, document: Mapping[str, Any], name: str, cls: type) -> list[Any]:
        found = document.get(name) or []
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise UsageError(f"{self._place}: {name} is not a list of objects")
        return [self.value(one, cls, f"{name}[{number}]") for number, one in enumerate(found)]

    def value(self, document: Mapping[str, Any], cls: Any, where: str) -> Any:
        known = cls.__dataclass_fields__
        unknown = [name for name in document if name not in known]
        if unknown:
            raise UsageError(
                f"{self._place}: {where} has an unknown part {printable(unknown[0])!r}", f"there are {', '.join(known)}"
            )
        fields = {
            name: self.one(document, name, _TYPES[one.type], None, f"{where}.{name}")
            for name, one in known.items()
            if document.get(name) is not None
        }
        return self.about(where, lambda: cls(**fields))


_TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
_WORDS: dict[type, str] = {str: "text", int: "whole number", float: "number", bool: "truth value"}


def _check_name(name: str, what: str) -> None:
    if not name or len(name) > MAX_NAME or not name.isprintable() or "/" in name:
        raise UsageError(f"{what} has a name that is empty, too long or not printable")


def _check_digest(text: str, what: str) -> None:
    try:
        if Digest.parse(text).algorithm != "sha256":
            raise UsageError(f"the digest of {what} must be a sha256, not {printable(text[:80])!r}")
    except SampanError as error:
        raise UsageError(f"the digest of {what} is wrong: {error.sentence}") from error


def _check_paths(inputs: tuple[Input, ...]) -> None:
    """No two inputs at one place, and none inside another."""
    taken: dict[str, str] = {}
    for one in sorted(inputs, key=lambda found: found.path.count("/")):
        parts = one.path.split("/")
        for end in range(1, len(parts) + 1):
            other = taken.get("/".join(parts[:end]))
            if other is not None:
                raise UsageError(
                    f"the inputs {printable(other)!r} and {printable(one.name)!r} would lie at one place, {printable(one.path)}",
                    "give them different paths",
                )
        taken[one.path] = one.name


def _check_request(request: Request) -> None:
    """What a job decides itself cannot be asked for in its request."""
    for name in ("tty", "scratch", "subids"):
        if getattr(request, name):
            raise UsageError(f"a job cannot have {name} in its request: nobody sits before it, and nothing of it is kept")
    if request.stop_timeout is not None:
        parse_seconds(request.stop_timeout, "stop_timeout")
    if request.volumes_from:
        raise UsageError("a job cannot take the mounts of another container", "name the volumes themselves")
