"""The file into which `login` writes, and `logout` out of which it takes: auth.json, as podman has it.

Written under another name and renamed, 0600 from its first byte, everything else in it kept as it was. Two logins at once
wait for each other where the directory can be locked. If the file leaves the registry's password to a helper program, that
program gets it.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sampan.errors import BadSetting, HostError, ProtocolError
from sampan.oci.document import map_of, read_document, text_map_of, text_of
from sampan.oci.reference import HUB
from sampan.registry import credential_helper
from sampan.registry.certificates import configuration_directory
from sampan.registry.credentials import HUB_KEY, MAX_FILE, is_config, normal_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FLAT = (".dockercfg", "keystore")


def place(environ: Mapping[str, str], authfile: str) -> str:
    """The file that is written: the setting, REGISTRY_AUTH_FILE, or auth.json in the runtime directory, else below ~/.config.

    podman's own default without XDG_RUNTIME_DIR, below /run/containers, is nothing that an ordinary user can make.
    """
    chosen = authfile or environ.get("REGISTRY_AUTH_FILE")
    if chosen:
        return os.path.abspath(chosen)
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if runtime and os.path.isdir(runtime) and os.access(runtime, os.W_OK | os.X_OK):
        return f"{runtime}/containers/auth.json"
    return f"{configuration_directory(environ)}/containers/auth.json"


def is_lost_at_logout(path: str, environ: Mapping[str, str]) -> bool:
    """Whether the file lies in the directory that the system clears when its user logs out."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    return bool(runtime) and path.startswith(f"{runtime}/")


def put(path: str, key: str, user: str, password: str, environ: Mapping[str, str]) -> str:
    """Store a password under `host` or `host/path`; where it is now. Raises `BadSetting`, `HostError`."""
    with _held(path) as target:
        document = _read(target)
        helper = _helper_of(document, key, path)
        if helper:
            credential_helper.store(helper, _server(key), user, password, environ)
            return credential_helper.PREFIX + helper
        entries = {name: entry for name, entry in _entries(document, path).items() if normal_key(name) != key}
        written = HUB_KEY if key == HUB and os.path.basename(path) == "config.json" else key
        entries[written] = {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}
        _write(target, entries if _is_flat(document, path) else {**document, "auths": entries})
        return path


def remove(path: str, key: str, environ: Mapping[str, str]) -> bool:
    """Take the password of a key out; whether there was one. Raises `BadSetting`, `HostError`."""
    if not os.path.exists(path):
        return False
    with _held(path) as target:
        document = _read(target)
        helper = _helper_of(document, key, path)
        if helper and credential_helper.get(helper, _server(key), environ) is not None:
            credential_helper.erase(helper, _server(key), environ)
            return True
        before = _entries(document, path)
        entries = {name: entry for name, entry in before.items() if normal_key(name) != key}
        if len(entries) < len(before):
            _write(target, entries if _is_flat(document, path) else {**document, "auths": entries})
        return len(entries) < len(before)


def keys(path: str) -> list[str]:
    """What the file has passwords for, as `host` or `host/path`; helpers are not asked. Raises `BadSetting`."""
    return [normal_key(name) for name in _entries(_read(path), path)]


def _is_flat(document: dict[str, object], path: str) -> bool:
    """Whether the hosts are at the top, as in ~/.dockercfg and udocker's keystore."""
    return not is_config(document) and os.path.basename(path) in _FLAT


def _entries(document: dict[str, object], path: str) -> dict[str, object]:
    return document if _is_flat(document, path) else map_of(document, "auths", path)


def _server(key: str) -> str:
    """What a helper calls it."""
    return HUB_KEY if key == HUB else key.partition("/")[0]


def _helper_of(document: dict[str, object], key: str, path: str) -> str:
    """The helper that the file names for this registry, or for all; empty if it keeps passwords itself."""
    if not is_config(document):
        return ""
    host = key.partition("/")[0]
    for name, helper in text_map_of(document, "credHelpers", path).items():
        if normal_key(name) == host and helper:
            return helper
    return text_of(document, "credsStore", path)


@contextmanager
def _held(path: str) -> Iterator[str]:
    """The file itself, behind symbolic links, with its directory made and locked."""
    target = os.path.realpath(path)
    directory = os.path.dirname(target)
    try:
        os.makedirs(directory, 0o700, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError:
                pass  # a file system without locks: then the last one wins, with a whole file
            try:
                yield target
            except ProtocolError as error:
                raise BadSetting(f"the file of passwords {error.sentence}", "mend or remove it") from error
        finally:
            os.close(descriptor)
    except OSError as error:
        raise HostError(f"cannot write the passwords to {path}: {error.strerror}", "name another file with --authfile") from error


def _read(path: str) -> dict[str, object]:
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_FILE + 1)
    except FileNotFoundError:
        return {}
    return read_document(data, path, MAX_FILE) if data.strip() else {}


def _write(path: str, document: dict[str, object]) -> None:
    temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(json.dumps(document, indent="\t").encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
