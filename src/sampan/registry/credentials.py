"""Credentials: the files of docker, podman and udocker, read in the order in which those programs look.

The first file that has something for the image wins; before all files comes the variable `DOCKER_AUTH_CONFIG`, which holds the text of
one (Docker, GitLab). Inside a file a helper for the registry (`credHelpers`) comes before the
helper for all (`credsStore`), and that before `auths`, where the longest key counts (`host/ns/name`, `host/ns`, `host`;
helpers know hosts only). Keys of docker may be URLs (`https://host/v1/`), of which only the host counts. Files are read when
a registry is first asked; a broken one, or a helper that fails, costs a warning and is passed over, because most images need
no password.
"""

from __future__ import annotations

import base64
import os
import threading

from sampan.errors import BadSetting, HostError, ProtocolError, printable
from sampan.oci.document import map_of, read_document, text_map_of, text_of
from sampan.oci.reference import HUB, HUB_HOST, HUB_OLD
from sampan.registry.certificates import configuration_directory
from sampan.values import field, frozen

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.events import Notice

MAX_FILE = 1024 * 1024
HUB_KEY = f"https://{HUB_OLD}/v1/"
"""What docker calls Docker Hub in its files and to helpers."""
AUTH_VARIABLE = "DOCKER_AUTH_CONFIG"
_TOKEN_USER = "<token>"  # noqa: S105 - the word by which a helper says that its secret is an identity token


@frozen
class Credential:
    """A user name with a password or an identity token, and where they come from."""

    user: str
    password: str = field(repr=False)
    origin: str
    identity: str = field(default="", repr=False)


@frozen
class _File:
    """What one file says: credentials by key, helpers by host (name, and the host as the file spells it), the one for all."""

    path: str
    credentials: Mapping[str, Credential]
    helpers: Mapping[str, tuple[str, str]]
    helper_for_all: str


class Credentials:
    """The credentials of this user, for many threads."""

    def __init__(self, environ: Mapping[str, str], authfile: str, notice: Notice) -> None:
        """`authfile`: the setting, which replaces all other places; empty for the usual ones."""
        self._environ = environ
        self._authfile = authfile
        self._notice = notice
        self._lock = threading.RLock()
        self._files: list[_File] | None = None
        self._found: dict[tuple[str, str], Credential | None] = {}
        self._helped: dict[tuple[str, str], Credential | None] = {}
        self._hindrances: dict[str, str] = {}

    def find(self, domain: str, path: str) -> Credential | None:
        """The credentials for an image of this domain and path. Raises `BadSetting` if `authfile` cannot be read."""
        with self._lock:
            if (domain, path) not in self._found:
                self._found[domain, path] = next(
                    (found for file in self._read() for found in [self._in_file(file, domain, path)] if found is not None), None
                )
            return self._found[domain, path]

    def hindrance(self, domain: str) -> str | None:
        """Why a helper gave nothing for this registry, in words; `None` if none failed."""
        with self._lock:
            return self._hindrances.get(domain)

    def _in_file(self, file: _File, domain: str, path: str) -> Credential | None:
        helper = file.helpers.get(domain)
        if helper is not None:
            found = self._by_helper(file, helper[0], helper[1], domain)
            if found is not None:
                return found
        if file.helper_for_all:
            found = self._by_helper(file, file.helper_for_all, HUB_KEY if domain == HUB else domain, domain)
            if found is not None:
                return found
        return next((file.credentials[key] for key in _keys(domain, path) if key in file.credentials), None)

    def _by_helper(self, file: _File, helper: str, server: str, domain: str) -> Credential | None:
        """Each helper is asked once for a registry."""
        if (helper, server) not in self._helped:
            from sampan.registry import credential_helper  # few have one, and starting programs costs 7 ms to import

            found = None
            try:
                pair = credential_helper.get(helper, server, self._environ)
            except HostError as error:
                self._hindrances[domain] = f"{file.path} leaves passwords to a program: {error.sentence}"
                self._notice.warn(f"no password from {error.sentence} (named in {file.path})", error.hint)
                pair = None
            if pair is not None:
                user, secret = pair
                origin = credential_helper.PREFIX + helper
                is_token = user == _TOKEN_USER
                found = Credential("", "", origin, secret) if is_token else Credential(user, secret, origin)
            self._helped[helper, server] = found
        return self._helped[helper, server]

    def _read(self) -> list[_File]:
        if self._files is None:
            places = [self._authfile] if self._authfile else usual_places(self._environ)
            found = [] if self._authfile else [self._read_variable()]
            self._files = [file for file in (*found, *map(self._read_file, places)) if file is not None]
        return self._files

    def _read_variable(self) -> _File | None:
        text = self._environ.get(AUTH_VARIABLE)
        if not text:
            return None
        try:
            document = read_document(text.encode("utf-8", "surrogateescape"), AUTH_VARIABLE, MAX_FILE)
            return self._parse(AUTH_VARIABLE, document, entries_of(document, AUTH_VARIABLE))
        except ProtocolError:  # its sentence could show a part of what is secret
            self._notice.warn(f"the variable {AUTH_VARIABLE} is not the JSON of a docker configuration; it is not used")
            return None

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
            return self._parse(path, document, entries_of(document, path))
        except ProtocolError as error:
            if path == self._authfile:
                raise BadSetting(f"the authfile {error.sentence}") from error
            self._notice.warn(f"the credentials in {error.sentence}; they are not used")
            return None

    def _parse(self, path: str, document: dict[str, object], entries: dict[str, object]) -> _File:
        credentials: dict[str, Credential] = {}
        for key, entry in entries.items():
            credential = self._credential(path, key, entry) if isinstance(entry, dict) else None
            if credential is not None:
                credentials.setdefault(normal_key(key), credential)
        if not is_config(document):
            return _File(path, credentials, {}, "")
        helpers = {normal_key(key): (helper, key) for key, helper in text_map_of(document, "credHelpers", path).items() if helper}
        return _File(path, credentials, helpers, text_of(document, "credsStore", path))

    def _credential(self, path: str, key: str, entry: dict[str, object]) -> Credential | None:
        user, password = text_of(entry, "username", path), text_of(entry, "password", path)
        identity = text_of(entry, "identitytoken", path)
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
        return Credential(user, password, path, identity) if identity or (user and password) else None


def is_config(document: dict[str, object]) -> bool:
    """Whether this is a file of docker or podman; ~/.dockercfg and udocker's keystore have the hosts at the top."""
    return any(key in document for key in ("auths", "credHelpers", "credsStore"))


def entries_of(document: dict[str, object], path: str) -> dict[str, object]:
    """The object that has an entry for each registry. Raises `ProtocolError`."""
    return map_of(document, "auths", path) if is_config(document) else document


def usual_places(environ: Mapping[str, str]) -> list[str]:
    """The files in which credentials may be, first to last."""
    if environ.get("REGISTRY_AUTH_FILE"):
        return [environ["REGISTRY_AUTH_FILE"]]
    home = environ.get("HOME") or os.path.expanduser("~")
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/containers/{os.getuid()}"
    return [
        f"{runtime}/containers/auth.json" if environ.get("XDG_RUNTIME_DIR") else f"{runtime}/auth.json",
        f"{configuration_directory(environ)}/containers/auth.json",
        f"{environ.get('DOCKER_CONFIG') or f'{home}/.docker'}/config.json",
        f"{home}/.dockercfg",
        f"{home}/.udocker/keystore",
    ]


def normal_key(key: str) -> str:
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
    parts = [domain, *(path.split("/") if path else ())]
    return ["/".join(parts[:end]) for end in range(len(parts), 0, -1)]
