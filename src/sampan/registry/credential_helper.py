"""Credential helpers: programs `docker-credential-NAME` that keep passwords (docker/docker-credential-helpers).

They are given a verb as argument, take the registry or a JSON object on standard input and answer with one. A helper that
is missing, fails or does not end costs a warning by whoever asked: most images need no password.
"""

from __future__ import annotations

import json
import subprocess
from shutil import which
from typing import TYPE_CHECKING

from sampan.errors import HostError, ProtocolError, printable
from sampan.oci.document import read_document, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "docker-credential-"
TIMEOUT = 30.0
"""Seconds: some helpers ask a cloud service first."""
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
_NONE = ("credentials not found", "no credentials", "not found in")


def get(helper: str, server: str, environ: Mapping[str, str], timeout: float = TIMEOUT) -> tuple[str, str] | None:
    """User and secret for a registry; `None` if the helper has none. A user `<token>` has an identity token as secret.

    Raises `HostError` in one sentence that names the helper.
    """
    done = _run(helper, "get", server.encode(), environ, timeout)
    if done.returncode:
        words = (done.stdout or done.stderr).decode("utf-8", "replace").strip()
        if any(text in words.lower() for text in _NONE):
            return None
        raise HostError(f"{PREFIX}{helper} failed: {printable(words[:200]) or f'status {done.returncode}'}")
    try:
        document = read_document(done.stdout, f"the answer of {PREFIX}{helper}")
        user, secret = (text_of(document, key, f"the answer of {PREFIX}{helper}") for key in ("Username", "Secret"))
    except ProtocolError as error:
        raise HostError(error.sentence) from error
    return (user, secret) if secret else None


def store(helper: str, server: str, user: str, secret: str, environ: Mapping[str, str]) -> None:
    """Let the helper keep a password. Raises `HostError`."""
    document = json.dumps({"ServerURL": server, "Username": user, "Secret": secret})
    _check(helper, _run(helper, "store", document.encode(), environ, TIMEOUT))


def erase(helper: str, server: str, environ: Mapping[str, str]) -> None:
    """Let the helper forget a password. Raises `HostError`."""
    _check(helper, _run(helper, "erase", server.encode(), environ, TIMEOUT))


def _check(helper: str, done: subprocess.CompletedProcess[bytes]) -> None:
    if done.returncode:
        words = (done.stdout or done.stderr).decode("utf-8", "replace").strip()
        raise HostError(f"{PREFIX}{helper} failed: {printable(words[:200]) or f'status {done.returncode}'}")


def _run(helper: str, verb: str, data: bytes, environ: Mapping[str, str], timeout: float) -> subprocess.CompletedProcess[bytes]:
    # The name comes from a file and becomes part of a program's name: no path, no option.
    if not helper or set(helper) - _LETTERS:
        raise HostError(f"{printable(helper[:80])!r} is no name of a credential helper")
    program = which(PREFIX + helper, path=environ.get("PATH"))
    if program is None:
        raise HostError(f"{PREFIX}{helper} is not installed", "install it, or log in with `sampan login --authfile FILE`")
    try:
        return subprocess.run([program, verb], input=data, capture_output=True, timeout=timeout, env=dict(environ), check=False)
    except subprocess.TimeoutExpired as error:
        raise HostError(f"{PREFIX}{helper} did not answer within {timeout:.0f} s") from error
    except OSError as error:
        raise HostError(f"{PREFIX}{helper} cannot be started: {error.strerror}") from error
