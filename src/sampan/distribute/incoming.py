"""Webhooks in: what registries say was pushed, kept as lines of a file until the next publish takes them.

Docker's registry, Harbor and GitLab send `{"events": [{"action": "push", "target": {"repository": ..., "tag": ...}, "request": {"host":
...}}]}`, Docker Hub and Quay documents of their own; DUCC's listener reads lines `...|push|IMAGE`. All of them only name images that *may*
have changed: what is published is decided by the list and by asking the registry. So a false notification costs a request.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from sampan.errors import HostError
from sampan.oci.document import map_of, maps_of, read_document, text_of, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BODY = 1 << 20
MAX_FILE = 64 << 20


def names_in(body: bytes) -> list[str]:
    """The images that a notification says were pushed, as patterns for `--only`. Raises `ProtocolError`."""
    what = "the notification"
    document = read_document(body, what, MAX_BODY)
    found = list(_events(document, what)) or list(_hub(document, what)) or list(_quay(document, what))
    return [name for name in dict.fromkeys(found) if _is_name(name)]


def _events(document: dict[str, object], what: str) -> Iterator[str]:
    for event in maps_of(document, "events", what):
        target = map_of(event, "target", what)
        path, tag = text_of(target, "repository", what), text_of(target, "tag", what)
        if text_of(event, "action", what) == "push" and path and tag:
            yield f"*/{path}:{tag}"


def _hub(document: dict[str, object], what: str) -> Iterator[str]:
    path = (
        text_of(map_of(document, "repository", what), "repo_name", what) if isinstance(document.get("repository"), dict) else ""
    )
    tag = text_of(map_of(document, "push_data", what), "tag", what)
    if path and tag:
        yield f"*/{path}:{tag}"


def _quay(document: dict[str, object], what: str) -> Iterator[str]:
    url = text_of(document, "docker_url", what)
    if url:
        for tag in texts_of(document, "updated_tags", what):
            yield f"{url}:{tag}"


def _is_name(name: str) -> bool:
    return len(name) < 1024 and name.isprintable() and not any(sign in name for sign in "[]?|\n") and name.count("*") <= 1


def add(path: str, names: list[str]) -> None:
    """Keep names until they are taken, a line each, as DUCC's listener writes them. Raises `HostError`."""
    if names:
        with _locked(path) as stream:
            stream.seek(0, os.SEEK_END)
            stream.write("".join(f"|push|{name}\n" for name in names).encode())


def chosen(path: str) -> tuple[str, ...]:
    """Take the names that are kept in a file, and empty it. What is no line of a push is passed over. Raises `HostError`."""
    with _locked(path) as stream:
        text = stream.read(MAX_FILE).decode("utf-8", "replace")
        stream.truncate(0)
    words = [line.split("|") for line in text.splitlines()]
    pushed = [parts[-1].strip() for parts in words if len(parts) >= 2 and parts[-2].strip() == "push"]
    names = (name.partition("://")[2] or name for name in pushed)
    return tuple(dict.fromkeys(name for name in names if name and _is_name(name)))


@contextmanager
def _locked(path: str) -> Iterator[IO[bytes]]:
    """The open file, which nobody else changes meanwhile."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as stream:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield stream
    except OSError as error:
        raise HostError(f"cannot use the file of notifications {path}: {error.strerror}") from error
