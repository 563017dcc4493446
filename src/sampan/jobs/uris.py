"""URIs of inputs and outputs: what they may be, their parts, and how they are shown without what is secret in them."""

from __future__ import annotations

import os
import posixpath
from urllib.parse import unquote, urlsplit, urlunsplit

from sampan.errors import UsageError, printable

OF_INPUTS = ("file", "http", "https", "s3", "cvmfs")
OF_OUTPUTS = ("file", "http", "https", "s3")


def scheme_of(uri: str) -> str:
    """The scheme in lower case; empty for a path in the job's directory."""
    head, colon, _ = uri.partition(":")
    return head.lower() if colon and head.isascii() and head[:1].isalpha() and head.replace("+", "a").isalnum() else ""


def check(uri: str, schemes: tuple[str, ...], what: str) -> None:
    """Raises `UsageError` for a URI that cannot be meant; `what` names it."""
    scheme = scheme_of(uri)
    if "\0" in uri or not uri:
        raise UsageError(f"{what} is no URI: it is empty or holds a NUL byte")
    if not scheme:
        relative(uri, what)
        return
    if scheme not in schemes:
        raise UsageError(f"{what} has the scheme {printable(scheme)}:, which is not one of {', '.join(schemes)}")
    if scheme == "file":
        if not file_path(uri).startswith("/"):
            raise UsageError(f"{what}, {shown(uri)}, is not an absolute path", "write file:///PATH")
        return
    parts = _split(uri, what)
    if not parts.netloc or (scheme in ("s3", "cvmfs") and not parts.path.strip("/") and not uri.endswith("/")):
        raise UsageError(f"{what}, {shown(uri)}, is not complete", f"write {scheme}://PLACE/PATH")
    if scheme == "cvmfs" and ".." in unquote(parts.path).split("/"):
        raise UsageError(f"{what}, {shown(uri)}, leads out of its repository")


def _split(uri: str, what: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - urllib's own type, different in each Python
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError as error:
        raise UsageError(f"{what} is no URI: {error}") from None
    return parts


def relative(path: str, what: str) -> str:
    """A path that stays below its directory, in its shortest form. Raises `UsageError`."""
    normal = posixpath.normpath(path) if path else ""
    if not normal or normal == "." or normal.startswith("/") or normal.split("/")[0] == ".." or "\0" in path:
        raise UsageError(f"{what} must be a path that stays below the directory, not {printable(path)!r}")
    return normal


def file_path(uri: str) -> str:
    """The path of a `file:` URI: `file:/p`, `file:///p`, `file://localhost/p`; a plain absolute path behind `file:` is taken as it is."""
    rest = uri.partition(":")[2]
    if rest.startswith("//"):
        rest = rest[2:]
        rest = rest[len("localhost") :] if rest.startswith("localhost/") else rest
    return unquote(rest, errors="surrogateescape")


def cvmfs_path(uri: str, mounts: str) -> tuple[str, str]:
    """A `cvmfs://REPOSITORY/PATH` below the directory where repositories are mounted: the repository, and the path itself."""
    parts = urlsplit(uri)
    repository = os.path.join(mounts, parts.netloc)
    return repository, os.path.join(repository, unquote(parts.path, errors="surrogateescape").lstrip("/"))


def not_mounted(repository: str) -> tuple[str, str]:
    """What to say of a repository that is not where `cvmfs_path` has it: the sentence's end and a hint."""
    return (
        f"{repository} is not mounted on {os.uname().nodename}",
        "mount it, or let the setting cvmfs_mounts name the directory where it is",
    )


def object_of(uri: str) -> tuple[str, str]:
    """Bucket and key of an `s3:` URI. `?` and `#` belong to the key, as S3's own tools have it."""
    bucket, _, key = uri[len("s3://") :].partition("/")
    return bucket, key


def last_part(uri: str) -> str:
    """The name a file has by its URI."""
    scheme = scheme_of(uri)
    if scheme == "s3":
        path = object_of(uri)[1]
    elif scheme in ("", "file"):
        path = file_path(uri) if scheme else uri
    else:
        path = unquote(urlsplit(uri).path, errors="surrogateescape")
    return posixpath.basename(path.rstrip("/"))


def shown(uri: str) -> str:
    """A URI for messages and logs: without user, password and query, which may be what lets one in."""
    scheme = scheme_of(uri)
    if scheme not in ("http", "https"):
        return printable(uri)
    try:
        parts = urlsplit(uri)
    except ValueError:
        return f"{scheme}:..."
    host = parts.netloc.rpartition("@")[2]
    return printable(urlunsplit((parts.scheme, host, parts.path, "...", "")) if parts.query else f"{scheme}://{host}{parts.path}")


def of_path(path: str) -> str:
    """The `file:` URI of an absolute path."""
    from urllib.parse import quote

    return "file://" + quote(os.fsencode(path))
