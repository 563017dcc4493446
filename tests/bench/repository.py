"""Publishing, checking and listing a CVMFS repository, against the same bytes compressed and hashed alone.

usage: repository.py [--source DIRECTORY] [--megabytes N] [--rounds N]

The source's regular files become one layer (tar, gzip); `alone` gunzips, compresses and hashes its bytes in pieces of 8 MiB in one
thread; `publish` makes a whole repository of it with every entry. `sha1` hashes the stored objects; `check` verifies all; `ls -R` walks
by catalogs that are at hand.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import stat
import sys
import tarfile
import tempfile
import time
import zlib
from pathlib import Path

from sampan.cvmfs import compression, newkeys, publish
from sampan.cvmfs.check import check
from sampan.cvmfs.directory import DirectoryStore
from sampan.cvmfs.entry import DIRECTORY_SIZE, Entry
from sampan.cvmfs.keys import Signer
from sampan.cvmfs.reader import Repository
from tests.bench.measure import Work, rounds, table

FQRN = "bench.example.org"
PIECE = 8 << 20


def make_layer(source: str, megabytes: int, path: Path) -> None:
    left = megabytes * 1_000_000
    with gzip.open(path, "wb", 6) as packed, tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT) as archive:
        for directory, folders, files in os.walk(source):
            folders.sort()
            archive.add(directory, recursive=False)
            for name in sorted(files):
                file = os.path.join(directory, name)
                status = os.lstat(file)
                if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
                    archive.add(file, recursive=False)
                    left -= status.st_size
            if left < 0:
                return


def alone(layer: Path, compressor: str) -> None:
    compress = compression.compressor(compressor).compress
    inflater = zlib.decompressobj(31)
    waiting = b""
    with open(layer, "rb") as stream:
        while data := stream.read(1 << 20):
            waiting += inflater.decompress(data)
            while len(waiting) >= PIECE:
                hashlib.sha1(compress(waiting[:PIECE])).digest()
                waiting = waiting[PIECE:]
    hashlib.sha1(compress(waiting)).digest()


def publish_layer(layer: Path, place: Path, compressor: str) -> None:
    signer = Signer.load(str(place.parent / "keys"), FQRN)
    store = DirectoryStore(str(place))
    store.prepare()
    publish.create(store, signer, publish.Options(compressor=compressor))
    with publish.begin(store, signer) as publication:
        pending, seen = [], {}
        with tarfile.open(layer, "r|gz") as archive:
            for member in archive:
                archive.members = []  # tarfile keeps them all
                path = member.name.encode("utf-8", "surrogateescape")
                mode = member.mode | (stat.S_IFDIR if member.isdir() else stat.S_IFLNK if member.issym() else stat.S_IFREG)
                mtime = int(member.mtime * 10**9)
                one = Entry(
                    b"", mode, member.uid, member.gid, member.size, mtime, member.linkname.encode() if member.issym() else b""
                )
                if member.isdir():
                    pending.append((path, one._replace(size=DIRECTORY_SIZE), None))
                elif member.isreg():
                    seen[path] = publication.bodies.submit(archive.extractfile(member))
                    pending.append((path, one, seen[path]))
                elif member.islnk():
                    pending.append((path, one, seen[member.linkname.encode()]))
                else:
                    pending.append((path, one, None))
        top = pending[0][0]
        entries = ((path[len(top) + 1 :], one._replace(body=body.result()) if body else one) for path, one, body in pending)
        publication.graft(b"/images/one", entries)
        publication.commit()


def hash_objects(place: Path) -> None:
    for directory, _, files in os.walk(place / "data"):
        for name in files:
            with open(os.path.join(directory, name), "rb", buffering=0) as stream:
                hashlib.sha1(stream.readall()).digest()


def opened(place: Path) -> Repository:
    return Repository.open(DirectoryStore(str(place)), (Signer.load(str(place.parent / "keys"), FQRN).public,))


def check_all(place: Path) -> None:
    found = check(opened(place), DirectoryStore(str(place)))
    assert found.faults == (), found.faults[:3]


def walk_speed(place: Path) -> str:
    repository = opened(place)
    entries = sum(1 for _ in repository.walk())
    best = 1e9
    for _ in range(5):
        begin = time.process_time()
        assert sum(1 for _ in repository.walk()) == entries
        best = min(best, time.process_time() - begin)
    return f"ls -R through the reader, catalogs cached: {entries} entries, {entries / best:,.0f} a CPU second"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", default="/usr/lib/python3")
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--role", nargs="+")
    words = parser.parse_args()
    if words.role:
        role, *rest = words.role
        {"alone": alone, "publish": publish_layer, "sha1": hash_objects, "check": check_all}[role](
            *(Path(word) if "/" in word else word for word in rest)
        )
        return
    with tempfile.TemporaryDirectory() as name:
        place, layer = Path(name), Path(name) / "layer.tar.gz"
        newkeys.new_keys(str(place / "keys"), FQRN)
        make_layer(words.source, words.megabytes, layer)
        call = [sys.executable, "-m", "tests.bench.repository", "--role"]

        def empty(target: Path):
            def remove() -> None:
                import shutil

                shutil.rmtree(target, ignore_errors=True)

            return remove

        for compressor in ("zlib-6", "libdeflate-6"):
            target = place / compressor
            works = [
                Work("alone", [*call, "alone", str(layer), compressor]),
                Work("publish", [*call, "publish", str(layer), str(target), compressor], before=empty(target)),
            ]
            print(table(f"publish of {words.megabytes} MB, {compressor}", rounds(works, words.rounds), "alone", "s"))
        works = [Work("sha1", [*call, "sha1", str(target)]), Work("check", [*call, "check", str(target)])]
        print(table("check", rounds(works, words.rounds + 1), "sha1", "s"))
        print(walk_speed(target))


if __name__ == "__main__":
    main()
