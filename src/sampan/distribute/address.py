"""Where a repository is, as operators write it: a directory, `s3://BUCKET/PREFIX`, or the URL of a web server; and its keys.

The last part of an address is the repository's name (FQRN), as everywhere with CVMFS: `/srv/cvmfs/images.example.org`,
`s3://cvmfs/images.example.org`, `https://stratum0.example.org/cvmfs/images.example.org`. Keys lie in one directory as FQRN.pub,
FQRN.key, FQRN.crt and FQRN.masterkey; a reader needs the first, a publisher all but the last, which signs whitelists alone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sampan.cvmfs.directory import DirectoryStore
from sampan.cvmfs.keys import Signer, public_keys
from sampan.cvmfs.reader import Repository
from sampan.distribute.web import WebObjects
from sampan.errors import UsageError, printable
from sampan.registry.certificates import configuration_directory
from sampan.registry.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from sampan.cvmfs.gateway import Key
    from sampan.cvmfs.keys import PublicKey
    from sampan.cvmfs.objects import Objects, Store
    from sampan.cvmfs.publish import Publication
    from sampan.events import Notice
    from sampan.settings import Settings

OFFICIAL_KEYS = "/etc/cvmfs/keys"
GATEWAY_KEY = "SAMPAN_GATEWAY_KEY"
GATEWAY_PATIENCE = 3600.0
"""Seconds that `--wait` waits for a lease at most."""


class Where:
    """What the command line says of a repository: its address, and options for what the address does not say."""

    def __init__(self, address: str, settings: Settings, notice: Notice, environ: Mapping[str, str]) -> None:
        self.address = address
        self.settings = settings
        self.notice = notice
        self.environ = environ
        self.keys = ""
        self.name = ""
        self.endpoint = ""

    @property
    def fqrn(self) -> str:
        """The repository's name. Raises `UsageError`."""
        found = self.name or self.address.partition("?")[0].rstrip("/").rpartition("/")[2]
        if (
            not found
            or "." not in found
            or not all(letter.isascii() and (letter.isalnum() or letter in ".-_") for letter in found)
        ):
            raise UsageError(
                f"{printable(self.address[:200])!r} does not end in the name of a repository, such as images.example.org",
                "give the name with --name",
            )
        return found

    @property
    def key_directory(self) -> str:
        """The directory of keys that this user has, or shall have."""
        return self.keys or self.settings.text("repo_keys") or f"{configuration_directory(self.environ)}/sampan/keys"

    def public_keys(self) -> tuple[PublicKey, ...]:
        """The master keys that may have signed. Raises `UsageError`, `HostError`."""
        if not self.keys and not os.path.exists(f"{self.key_directory}/{self.fqrn}.pub") and os.path.isdir(OFFICIAL_KEYS):
            return public_keys(OFFICIAL_KEYS, self.fqrn)
        return public_keys(self.key_directory, self.fqrn)

    def signer(self) -> Signer:
        """The keys of a publisher. Raises `UsageError`, `HostError`."""
        return Signer.load(self.key_directory, self.fqrn)

    def objects(self) -> Objects:
        """The objects, to be read. Raises `UsageError`."""
        parts = urlsplit(self.address)
        if parts.scheme in ("http", "https"):
            return WebObjects(self.address, self.notice, self.environ)
        return self.store()

    def store(self) -> Store:
        """The objects, to be written. Raises `UsageError` for what can only be read, `ProgramMissing` without the library for S3."""
        parts = urlsplit(self.address)
        if parts.scheme == "s3" and parts.netloc:
            from sampan.cvmfs.s3 import S3Store

            return S3Store(
                parts.netloc, parts.path.strip("/"), endpoint=self.endpoint or self.environ.get("AWS_ENDPOINT_URL") or None
            )
        if parts.scheme:
            raise UsageError(
                f"{printable(self.address[:200])} cannot be written to",
                "name a directory or s3://BUCKET/PREFIX; through a gateway: --gateway URL",
            )
        return DirectoryStore(self.address)

    def new_store(self) -> Store:
        """As `store`, made if it is a directory that there is not. Raises `HostError` besides."""
        found = self.store()
        if isinstance(found, DirectoryStore):
            found.prepare()
        return found

    def open(self) -> Repository:
        """Read it, verified down from the master key. Raises what `Repository.open` raises."""
        return Repository.open(self.objects(), self.public_keys(), fqrn=self.fqrn)


class StorePlace:
    """A repository whose signing keys are here."""

    def __init__(self, where: Where) -> None:
        self._where = where
        self.store = where.store()
        self.objects: Objects = self.store

    def open(self) -> Repository:
        """The current state."""
        return Repository.open(self.objects, self._where.public_keys(), fqrn=self._where.fqrn)

    def begin(self, path: bytes, notice: Notice, *, wait: bool) -> AbstractContextManager[Publication]:  # noqa: ARG002 - the contract
        """Lock it and carry on its current state."""
        from sampan.cvmfs import publish  # most runs find nothing to publish, and this is half of what they would import

        return publish.begin(self.store, self._where.signer(), wait=wait, notice=notice)


class GatewayPlace:
    """A repository that a gateway signs; `where` says where it is read."""

    def __init__(self, where: Where, url: str, key_file: str | None) -> None:
        """`key_file` holds the API key, else the variable `SAMPAN_GATEWAY_KEY` does. Raises `UsageError`."""
        from sampan.cvmfs.gateway import Gateway

        self._where = where
        url = url.rstrip("/")
        self._gateway = Gateway(
            url if "/api/" in url else f"{url}/api/v1",
            _gateway_key(key_file, where.environ),
            Transport(where.notice, where.environ),
        )
        self.objects = where.objects()

    def open(self) -> Repository:
        """The current state."""
        return Repository.open(self.objects, self._where.public_keys(), fqrn=self._where.fqrn)

    def begin(self, path: bytes, notice: Notice, *, wait: bool) -> AbstractContextManager[Publication]:
        """Lease the path and carry on the current state."""
        from sampan.cvmfs import gateway

        seconds = GATEWAY_PATIENCE if wait else 0.0
        return gateway.begin(self._gateway, self.objects, self._where.public_keys(), path, wait=seconds, notice=notice)


def _gateway_key(path: str | None, environ: Mapping[str, str]) -> Key:
    from sampan.cvmfs.gateway import Key

    if path is None:
        text = environ.get(GATEWAY_KEY)
        if not text:
            raise UsageError(f"a gateway needs a key: --gateway-key FILE, or its text in {GATEWAY_KEY}", "plain_text ID SECRET")
        return Key.parse(text.encode(), GATEWAY_KEY)
    try:
        with open(path, "rb") as stream:
            return Key.parse(stream.read(4096), path)
    except OSError as error:
        raise UsageError(f"cannot read the gateway's key {path}: {error.strerror}") from error
