"""Debian's docker-registry on loopback: open, with a password, with TLS, with tokens. All serve one directory.

Started once a session (and worker), by whoever runs the tests; ended with it. `seed` puts an image of an OCI layout in by
skopeo. A missing program skips with its name.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.images.build import Layout
from tests.peers.certificates import make_authority, needs
from tests.peers.tokens import TokenServer

USER, PASSWORD = "ana", "s3cret:with colon"


@dataclass(frozen=True)
class Registry:
    """Where it listens, and what a client needs to know."""

    host: str
    authority: Path | None = None
    tokens: TokenServer | None = None

    def reference(self, name: str) -> str:
        return f"{self.host}/{name}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(directory: Path, root: Path, *, auth: str = "", tls: tuple[Path, Path] | None = None):
    """A registry over the directory `root`; yields its host and port."""
    needs("docker-registry")
    directory.mkdir()
    port = free_port()
    lines = [
        'version: "0.1"',
        "log: {level: error}",
        f"storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}",
        f"http: {{addr: '127.0.0.1:{port}'{f', tls: {{certificate: {tls[0]}, key: {tls[1]}}}' if tls else ''}}}",
        f"auth: {{{auth}}}" if auth else "",
    ]
    (directory / "config.yml").write_text("\n".join(lines) + "\n")
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "OTEL_TRACES_EXPORTER": "none"}
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(
            ["docker-registry", "serve", str(directory / "config.yml")], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=environment,
        )  # fmt: skip
        try:
            _wait_until_ready(server, port, tls is not None, directory / "log")
            yield f"127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(10)


def _wait_until_ready(server: subprocess.Popen, port: int, tls: bool, log: Path) -> None:
    context = ssl._create_unverified_context()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        options = {"context": context} if tls else {}
        connection = (http.client.HTTPSConnection if tls else http.client.HTTPConnection)("127.0.0.1", port, timeout=5, **options)
        try:
            connection.request("GET", "/v2/")
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.02)
        finally:
            connection.close()
    raise RuntimeError(f"docker-registry did not start: {log.read_text(errors='replace')[-2000:]}")


def seed(registry: Registry, layout: Layout, tag: str, name: str, *, docker: bool = False) -> None:
    """Copy a tagged image of a layout, with all platforms, to `name` (`NAME:TAG`) of an open registry.

    Digests stay as they are, except with `docker`, which turns the image into Docker's types.
    """
    needs("skopeo")
    form = ["--format", "v2s2"] if docker else ["--preserve-digests"]
    done = subprocess.run(
        ["skopeo", "copy", "--all", *form, "--dest-tls-verify=false", "--dest-no-creds", "--insecure-policy", f"oci:{layout.path}:{tag}",
         f"docker://{registry.host}/{name}"],
        capture_output=True, text=True, env={**os.environ, "HOME": str(layout.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def registry_root(tmp_path_factory):
    """The directory that all registries of the session serve."""
    return tmp_path_factory.mktemp("registry-root")


@pytest.fixture(scope="session")
def registry(tmp_path_factory, registry_root):
    """An open registry, plain http."""
    with serving(tmp_path_factory.mktemp("registry") / "plain", registry_root) as host:
        yield Registry(host)


@pytest.fixture(scope="session")
def basic_registry(tmp_path_factory, registry_root):
    """The same images behind a password (`USER`, `PASSWORD`), plain http."""
    needs("htpasswd")
    directory = tmp_path_factory.mktemp("basic")
    hashed = subprocess.run(["htpasswd", "-Bbn", USER, PASSWORD], check=True, capture_output=True).stdout
    (directory / "htpasswd").write_bytes(hashed)
    auth = f"htpasswd: {{realm: test, path: {directory / 'htpasswd'}}}"
    with serving(directory / "registry", registry_root, auth=auth) as host:
        yield Registry(host)


@pytest.fixture(scope="session")
def tls_registry(tmp_path_factory, registry_root):
    """The same images over TLS, by an authority of our own."""
    directory = tmp_path_factory.mktemp("tls")
    authority, certificate, key = make_authority(directory)
    with serving(directory / "registry", registry_root, tls=(certificate, key)) as host:
        yield Registry(host, authority=authority)


@pytest.fixture(scope="session")
def token_registry(tmp_path_factory, registry_root):
    """The same images behind tokens; names below `private/` need `USER` and `PASSWORD`."""
    needs("openssl")
    directory = tmp_path_factory.mktemp("tokens")
    with TokenServer(directory, {USER: PASSWORD}) as tokens:
        auth = (
            f"token: {{realm: '{tokens.url}', service: {tokens.service}, issuer: {tokens.issuer}, "
            f"rootcertbundle: {tokens.certificate}}}"
        )
        with serving(directory / "registry", registry_root, auth=auth) as host:
            yield Registry(host, tokens=tokens)
