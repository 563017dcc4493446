"""Publishing into a CVMFS repository, against pulls, bare requests and the bare work on the same bytes. usage: publish.py [ROUNDS] [large]

- two small images of a list, against their pull; again with nothing changed, against one HEAD request an image
- a list of 500 wishes unchanged, against 500 HEAD requests over 8 connections
- `large`: the large image (BENCH_LARGE), once, against gunzip + compression + SHA-1 of the same bytes in one process each
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.measure import Work, fresh, once, rounds, table
from tests.bench.medium import SAMPAN, WORK, sampan
from tests.images.build import Layout, directory, file, layer
from tests.peers.docker_registry import Registry, seed, serving

FQRN = "bench.sampan.test"
LARGE = Path(os.environ.get("BENCH_LARGE", "/var/tmp/sampan-images/large/oci"))
HEADS = """
import http.client, sys, threading
host, names = sys.argv[1], sys.argv[2].split(",")
lock, waiting = threading.Lock(), list(names)
accept = ", ".join(f"application/vnd.{kind}" for kind in (
    "oci.image.index.v1+json", "oci.image.manifest.v1+json", "docker.distribution.manifest.list.v2+json", "docker.distribution.manifest.v2+json"))
def work():
    connection = http.client.HTTPConnection(host)
    while True:
        with lock:
            if not waiting:
                return
            name, tag = waiting.pop().split(":")
        connection.request("HEAD", f"/v2/{name}/manifests/{tag}", headers={"Accept": accept})
        answer = connection.getresponse(); answer.read()
        assert answer.status == 200 and answer.headers["Docker-Content-Digest"]
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
"""
BARE = """
import hashlib, json, sys, zlib
layout, level = sys.argv[1], int(sys.argv[2])
index = json.load(open(f"{layout}/index.json"))
blob = lambda one: f"{layout}/blobs/" + one["digest"].replace(":", "/")
total = 0
for one in json.load(open(blob(index["manifests"][0])))["layers"]:
    inflater = zlib.decompressobj(31)
    with open(blob(one), "rb") as stream:
        while piece := stream.read(1 << 17):
            while piece:
                plain = inflater.decompress(piece, 8 << 20)
                piece = inflater.unconsumed_tail
                total += len(plain)
                hashlib.sha1(zlib.compress(plain, level)).digest()
print(total)
"""


def small(path: Path, tags: int) -> Layout:
    """Images of a few files, a layer each."""
    layout = Layout(path)
    for tag in range(tags):
        names = [file(f"usr/f{number}", os.urandom(2000) * 4) for number in range(50)]
        layout.tag(f"t{tag}", layout.image([layer([directory("usr"), *names])]))
    return layout


def repository(path: Path) -> Path:
    """An empty one with its keys beside it."""
    fresh(path)
    once(Work("init", [SAMPAN, "repo", "init", "--keys", str(path / "keys"), str(path / FQRN)]))
    return path / FQRN


def publish(place: Path, wishes: Path) -> list[str]:
    return [SAMPAN, "--quiet", "repo", "publish", "--keys", str(place.parent / "keys"), "--list", str(wishes), str(place)]


def two_small(registry: Registry, count: int) -> None:
    seed(registry, SimpleNamespace(path=small(fresh(WORK / "two"), 2).path), "t0", "bench/two:t0")
    seed(registry, SimpleNamespace(path=WORK / "two"), "t1", "bench/two:t1")
    names = [registry.reference(f"bench/two:t{tag}") for tag in (0, 1)]
    wishes = WORK / "two.txt"
    wishes.write_text("\n".join(names))
    place, store = WORK / "repo" / FQRN, WORK / "store"
    found = rounds([
        Work("sampan pull", sampan(store, "pull", *names), before=lambda: fresh(store) and None),
        Work("sampan repo publish", publish(place, wishes), before=lambda: repository(place.parent) and None),
    ], count)  # fmt: skip
    print(table("Two small images of a list", found, "sampan pull"))
    again = rounds([
        Work("two HEAD requests", [sys.executable, "-c", HEADS, registry.host, "bench/two:t0,bench/two:t1"]),
        Work("sampan repo publish", publish(place, wishes)),
    ], count)  # fmt: skip
    print(table("Again, nothing changed", again, "two HEAD requests"))


def five_hundred(registry: Registry, count: int) -> None:
    layout = small(fresh(WORK / "many"), 20)
    # 25 names with the same 20 images.
    names = [f"bench/many{number}:t{tag}" for number in range(25) for tag in range(20)]
    for number in range(25):
        for tag in range(20):
            seed(registry, SimpleNamespace(path=layout.path), f"t{tag}", f"bench/many{number}:t{tag}")
    wishes = WORK / "many.txt"
    wishes.write_text("\n".join(registry.reference(name) for name in names))
    place = repository(WORK / "repo500")
    figures = once(Work("publish", publish(place, wishes)))
    print(f"500 wishes for the first time: {figures.wall:.1f} s, {figures.cpu:.1f} s of CPU\n")
    found = rounds([
        Work("500 HEAD requests", [sys.executable, "-c", HEADS, registry.host, ",".join(names)]),
        Work("sampan repo publish", publish(place, wishes)),
    ], count)  # fmt: skip
    print(table("500 wishes, nothing changed", found, "500 HEAD requests"))


def large(registry: Registry) -> None:
    seed(
        registry,
        SimpleNamespace(path=LARGE),
        json.loads((LARGE / "index.json").read_text())["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"],
        "bench/large:1",
    )
    wishes = WORK / "large.txt"
    wishes.write_text(registry.reference("bench/large:1"))
    place = repository(WORK / "repo-large")
    bare = once(Work("bare", [sys.executable, "-c", BARE, str(LARGE), "6"]))
    begin = time.time()
    ours = once(Work("publish", publish(place, wishes)))
    print(
        f"### The large image, zlib 6 of {sys.version.split()[0]}\n\n| | CPU s | wall s | peak MB |\n|---|---|---|---|\n"
        f"| gunzip + compress + SHA-1, one thread | {bare.cpu:.1f} | {bare.wall:.1f} | {bare.memory / 1000:.0f} |\n"
        f"| sampan repo publish, with its verification | {ours.cpu:.1f} | {ours.wall:.1f} | {ours.memory / 1000:.0f} |\n\n"
        f"CPU ratio {ours.cpu / bare.cpu:.2f}, wall / CPU {ours.wall / ours.cpu:.2f} (begun {time.strftime('%H:%M', time.gmtime(begin))})\n"
    )


def main(*words: str) -> None:
    count = int(words[0]) if words and words[0].isdigit() else 10
    fresh(WORK / "runtime").chmod(0o700)
    fresh(WORK / "registry").rmdir()
    with serving(WORK / "registry", WORK / "registry-root") as host:
        registry = Registry(host)
        if "large" in words:
            large(registry)
            return
        two_small(registry, count)
        five_hundred(registry, count)


if __name__ == "__main__":
    main(*sys.argv[1:])
