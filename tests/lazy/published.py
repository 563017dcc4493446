"""A repository made of directories of this machine, by the project's own writer; served by nginx, with squid between if wanted."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from sampan.cvmfs.directory import DirectoryStore
from sampan.cvmfs.entry import Entry
from sampan.cvmfs.keys import Signer
from sampan.cvmfs.newkeys import new_keys
from sampan.cvmfs.publish import Options, begin, create

FQRN = "lazy.example.org"


def tree_entries(directory: Path, bodies):
    """Entries of a directory, parents first; hard links within one directory are one."""
    groups: dict[tuple[int, str], int] = {}
    for here, directories, files in os.walk(directory):
        directories.sort()
        below = os.fsencode(os.path.relpath(here, directory))
        below = b"" if below == b"." else below
        if not below:
            yield b"", _entry(here, b"", bodies, groups)
        for name in sorted([*directories, *files], key=os.fsencode):
            yield (
                (below + b"/" if below else b"") + os.fsencode(name),
                _entry(os.path.join(here, name), os.fsencode(name), bodies, groups),
            )


def _entry(path: str, name: bytes, bodies, groups) -> Entry:
    found = os.lstat(path)
    body, target, group = None, b"", 0
    if stat.S_ISREG(found.st_mode):
        with open(path, "rb") as stream:
            body = bodies.add(stream)
        if found.st_nlink > 1:
            group = groups.setdefault((found.st_ino, os.path.dirname(path)), len(groups) + 1)
    if stat.S_ISLNK(found.st_mode):
        target = os.readlink(os.fsencode(path))
    xattrs = (
        []
        if stat.S_ISLNK(found.st_mode)
        else [(os.fsencode(k), os.getxattr(path, k)) for k in os.listxattr(path) if k.startswith("user.")]
    )
    return Entry(
        name, found.st_mode, found.st_uid, found.st_gid, 4096 if stat.S_ISDIR(found.st_mode) else found.st_size, found.st_mtime_ns,
        target, found.st_rdev, tuple(sorted(xattrs)), 1, group, body,
    )  # fmt: skip


class Published:
    """The files of a repository: `place/data`, `.cvmfspublished`, and its keys."""

    def __init__(self, base: Path, fqrn: str = FQRN, ttl: int = 240) -> None:
        self.fqrn = fqrn
        self.place = base / "srv" / "cvmfs" / fqrn
        self.keys = base / "keys"
        self.place.mkdir(parents=True)
        new_keys(str(self.keys), fqrn)
        self.store = DirectoryStore(str(self.place))
        self.store.prepare()
        self.signer = Signer.load(str(self.keys), fqrn)
        create(self.store, self.signer, Options(ttl=ttl))
        os.chmod(self.place.parent.parent, 0o755)

    @property
    def key(self) -> str:
        return str(self.keys / f"{self.fqrn}.pub")

    @contextmanager
    def publication(self):
        with begin(self.store, self.signer) as publication:
            yield publication
            publication.commit()

    def graft(self, path: str, directory: Path) -> None:
        with self.publication() as publication:
            publication.graft(path.encode(), tree_entries(directory, publication.bodies))

    def object_path(self, hash, suffix: str = "") -> Path:
        return self.place / hash.path(suffix)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


NGINX = """
daemon off; worker_processes 1; pid {work}/nginx.pid; error_log {work}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log {work}/access.log; default_type application/octet-stream; sendfile on; keepalive_timeout 30;
  client_body_temp_path {work}/t1; proxy_temp_path {work}/t2; fastcgi_temp_path {work}/t3; uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5;
  server {{ listen 127.0.0.1:{port}; root {root}; location ~ /data/ {{ expires 3d; }} }}
}}
"""
SQUID = """
http_port 127.0.0.1:{port}
pid_filename {work}/squid.pid
cache_log {work}/cache.log
access_log stdio:{work}/access.log
pinger_enable off
shutdown_lifetime 0 seconds
acl all_of_them src all
http_access allow all_of_them
cache_mem 64 MB
maximum_object_size_in_memory 16 MB
coredump_dir {work}
"""


class Program:
    """A server of Debian's that runs in the foreground; `restart` and `stop` for tests that kill it."""

    def __init__(self, words: list[str], port: int, work: Path) -> None:
        self.words, self.port, self.work = words, port, work
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        with (self.work / "out").open("ab") as out:
            self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self.process.poll() is None, (self.work / "out").read_text()
                assert time.monotonic() < end
                time.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def requests(self) -> int:
        return len((self.work / "access.log").read_text().splitlines())


@contextmanager
def nginx(root: Path, work: Path):
    """Nginx over a directory."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    work.mkdir()
    port = free_port()
    (work / "nginx.conf").write_text(NGINX.format(work=work, port=port, root=root))
    server = Program([program, "-p", str(work), "-c", str(work / "nginx.conf"), "-e", str(work / "error.log")], port, work)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def squid(work: Path):
    """squid, in memory."""
    program = shutil.which("squid") or shutil.which("squid", path="/usr/sbin")
    if program is None:
        pytest.skip("squid is not installed")
    work.mkdir()
    port = free_port()
    (work / "squid.conf").write_text(SQUID.format(work=work, port=port))
    server = Program([program, "-N", "-f", str(work / "squid.conf")], port, work)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()
