"""Credentials: the files of docker, podman and udocker, read in the order in which those programs look.

The first file that has a key for the image wins; inside a file the longest key does (`host/ns/name`, `host/ns`, `host`).
Keys of docker may be URLs (`https://host/v1/`), of which only the host counts. Files are read when a registry is first
asked; a broken one costs a warning and is passed over, because most images need no password.

A file can say that a helper program has the password (`credHelpers`, `credsStore`), or hold an identity token. Neither is
used here; what was found is remembered, so that a refusal can tell why the credentials were not sent.
"""

from __future__ import annotations

import base64
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sampan.errors import BadSetting, ProtocolError, printable
from sampan.oci.document import map_of, read_document, text_of
from sampan.oci.reference import HUB, HUB_HOST, HUB_OLD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.events import Notice

MAX_FILE = 1024 * 1024


@dataclass(frozen=True)
class Credential:
    """A user name and password, and the file they come from."""

    user: str
    password: str = field(repr=False)
    origin: str


@dataclass(frozen=True)
class _File:
    """What one file says: credentials by key, and keys whose credentials are kept elsewhere, with words for where."""

    credentials: Mapping[str, Credential]
    elsewhere: Mapping[str, str]
    helper_for_all: str


class Credentials:
    """The credentials of this user, for many threads."""

    def __init__(self, environ: Mapping[str, str], authfile: str, notice: Notice) -> None:
        """`authfile`: the setting, which replaces all other places; empty for the usual ones."""
        self._environ = environ
        self._authfile = authfile
        self._notice = notice
        self._lock = threading.Lock()
        self._files: list[_File] | None = None

    def find(self, domain: str, path: str) -> Credential | None:
        """The credentials for an image of this domain and path. Raises `BadSetting` if `authfile` cannot be read."""
        for file in self._read():
            for key in _keys(domain, path):
                if key in file.credentials:
                    return file.credentials[key]
        return None

    def kept_elsewhere(self, domain: str, path: str) -> str | None:
        """Where the credentials for this image are kept that `find` does not read, in words; `None` if nowhere."""
        for file in self._read():
            for key in _keys(domain, path):
                if key in file.elsewhere:
                    return file.elsewhere[key]
            if file.helper_for_all:
                return file.helper_for_all
        return None

    def _read(self) -> list[_File]:
        with self._lock:
            if self._files is None:
                places = [self._authfile] if self._authfile else _usual_places(self._environ)
                self._files = [found for found in map(self._read_file, places) if found is not None]
            return self._files

    def _read_file(self, path: str) -> _File | None:
        try:
            with open(path, "rb") as stream:
                data = stream.read(MAX_FILE + 1)
        except (FileNotFoundError, NotADirectoryError) as error:
            if path == self._authfile:
                raise BadSetting(
                    f"the authfile {path} does not exist", "log in with `sampan login`, or name another file"
                ) from error
            return None
        except OSError as error:
            if path == self._authfile:
                raise BadSetting(f"cannot read the authfile {path}: {error.strerror}") from error
            self._notice.warn(f"cannot read the credentials in {path}: {error.strerror}")
            return None
        try:
            document = read_document(data, path, MAX_FILE)
            # ~/.dockercfg and udocker's keystore have the hosts at the top.
            entries = map_of(document, "auths", path) if _is_config(document) else document
            return self._parse(path, document, entries)
        except ProtocolError as error:
            if path == self._authfile:
                raise BadSetting(f"the authfile {error.sentence}") from error
            self._notice.warn(f"the credentials in {error.sentence}; they are not used")
            return None

    def _parse(self, path: str, document: dict[str, object], entries: dict[str, object]) -> _File:
        credentials: dict[str, Credential] = {}
        elsewhere: dict[str, str] = {}
        for key, entry in entries.items():
            if not isinstance(entry, dict):
                continue
            name = _normal_key(key)
            if text_of(entry, "identitytoken", path):
                elsewhere[name] = f"{path} has an identity token for it, which sampan does not use yet"
                continue
            credential = self._credential(path, key, entry)
            if credential is not None:
                credentials.setdefault(name, credential)
        if _is_config(document):
            for key, helper in map_of(document, "credHelpers", path).items():
                elsewhere[_normal_key(key)] = _kept_by(path, helper)
        store = text_of(document, "credsStore", path) if _is_config(document) else ""
        return _File(credentials, elsewhere, _kept_by(path, store) if store else "")

    def _credential(self, path: str, key: str, entry: dict[str, object]) -> Credential | None:
        user, password = text_of(entry, "username", path), text_of(entry, "password", path)
        encoded = text_of(entry, "auth", path)
        if encoded:
            try:
                user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
            except ValueError:  # not base64, not UTF-8
                colon = ""
            if not colon:
                self._notice.warn(f"the credentials for {printable(key)} in {path} are damaged; they are not used")
                return None
        # Old Dockers padded the password with NUL.
        password = password.rstrip("\0")
        return Credential(user, password, path) if user and password else None


def _is_config(document: dict[str, object]) -> bool:
    return any(key in document for key in ("auths", "credHelpers", "credsStore"))


def _kept_by(path: str, helper: object) -> str:
    return f"{path} leaves passwords to docker-credential-{printable(str(helper)[:80])}, which sampan does not ask yet"


def _usual_places(environ: Mapping[str, str]) -> list[str]:
    """The files in which credentials may be, first to last."""
    if environ.get("REGISTRY_AUTH_FILE"):
        return [environ["REGISTRY_AUTH_FILE"]]
    home = environ.get("HOME") or os.path.expanduser("~")
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/containers/{os.getuid()}"
    return [
        f"{runtime}/containers/auth.json" if environ.get("XDG_RUNTIME_DIR") else f"{runtime}/auth.json",
        f"{environ.get('XDG_CONFIG_HOME') or f'{home}/.config'}/containers/auth.json",
        f"{environ.get('DOCKER_CONFIG') or f'{home}/.docker'}/config.json",
        f"{home}/.dockercfg",
        f"{home}/.udocker/keystore",
    ]


def _normal_key(key: str) -> str:
    """A key as `host` or `host/path`; the many spellings of Docker Hub are one."""
    scheme, separator, rest = key.partition("://")
    name = rest if separator and scheme in ("http", "https") else key
    host, _, path = name.strip("/").partition("/")
    if separator or path in ("v1", "v2"):
        path = ""
    host = HUB if host in (HUB_OLD, HUB_HOST) else host
    return f"{host}/{path}" if path else host


def _keys(domain: str, path: str) -> list[str]:
    """The keys that fit an image, longest first."""
    parts = [domain, *path.split("/")]
    return ["/".join(parts[:end]) for end in range(len(parts), 0, -1)]
