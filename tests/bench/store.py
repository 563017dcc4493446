"""The store with a large image: pull, load, a pull above a base that is there, fsck. usage: store.py [ROUNDS [PART...]]

PARTs are pull, load, base, fsck. BENCH_LARGE is an OCI layout with one tag (some 450 MB of gzip, 1.2 to 1.4 GB, 30,000 files or more); without
one the medium image has to do. Floors are the fastest programs for the same work.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench import load, pull
from tests.bench.measure import Work, fresh, rounds, table
from tests.bench.medium import LAYOUT, NAME, WORK, registries, sampan
from tests.images.build import Layout, directory, file, layer
from tests.peers.docker_registry import Registry, seed

LARGE = Path(os.environ.get("BENCH_LARGE", "/var/tmp/sampan-images/large/oci"))


def image() -> tuple[Path, str]:
    """The layout to measure with, and its tag."""
    layout = LARGE if (LARGE / "index.json").exists() else LAYOUT
    entry = json.loads((layout / "index.json").read_text())["manifests"][0]
    return layout, entry["annotations"]["org.opencontainers.image.ref.name"]


def above(layout: Path, place: Path, number: int) -> Layout:
    """The same image with a small layer of its own on top: its own documents, the layers by links."""
    made = Layout(place)
    blobs = {path.name: path for path in (layout / "blobs/sha256").iterdir()}
    read = lambda digest: json.loads(blobs[digest.partition(":")[2]].read_bytes())  # noqa: E731
    manifest = read(next(entry["digest"] for entry in json.loads((layout / "index.json").read_text())["manifests"]))
    config = read(manifest["config"]["digest"])
    top = layer([directory("opt/top"), *[file(f"opt/top/{name}", b"%d" % number * 1000) for name in range(20)]])
    for entry in manifest["layers"]:
        name = entry["digest"].partition(":")[2]
        try:
            os.link(blobs[name], place / "blobs/sha256" / name)
        except OSError:
            shutil.copyfile(blobs[name], place / "blobs/sha256" / name)
    config["rootfs"]["diff_ids"].append(top.diff_id)
    config.pop("history", None)
    manifest["config"] = made.document(config, manifest["config"]["mediaType"])
    manifest["layers"].append(made.blob(top.data, manifest["layers"][0]["mediaType"]))
    made.tag("top", made.document(manifest, manifest.get("mediaType", "application/vnd.oci.image.manifest.v1+json")))
    return made


def measure_pull(layout: Path, tag: str, count: int) -> None:
    with registries(layout, tag) as (plain, secure, authority):
        found = rounds(pull.works(plain, secure, authority), count)
    print(table("Pull and unpack of the large image", found, "floor" if "floor" in found else "skopeo + umoci", "s"))


def measure_load(layout: Path, tag: str, count: int) -> None:
    place = fresh(WORK / "archive")
    archive = place / "large.tar"
    words = ["skopeo", "copy", "-q", "--insecure-policy", f"oci:{layout}:{tag}", f"docker-archive:{archive}:bench/large:1"]
    subprocess.run(words, check=True)
    found = rounds(load.works(archive, load.layers_of(archive, place)), count)
    print(table("Load of the large image from a docker-archive", found, "tar xf", "s"))
    fresh(place)


def measure_base(layout: Path, tag: str, count: int) -> None:
    """Nothing is removed between the rounds: ext4 avoids inodes that were just freed, and a directory then costs ten times as much."""
    store = fresh(WORK / "base") / "store"
    with registries(layout, tag) as (plain, _, _):
        host = plain.partition("/")[0]
        subprocess.run(sampan(store, "pull", plain), check=True, stdout=subprocess.DEVNULL)
        (tree,) = (store / "trees").iterdir()
        copies = iter(range(1000))
        tops = iter(range(1000))
        copy = Work("cp -al", [])
        above_it = Work("sampan pull above it", [])

        def next_copy() -> None:
            copy.words = ["cp", "-al", str(tree / "rootfs"), str(WORK / f"base/copy{next(copies)}")]

        def next_top() -> None:
            number = next(tops)
            seed(Registry(host), above(layout, WORK / f"base/layout{number}", number), "top", f"bench/top:{number}")
            above_it.words = sampan(store, "pull", f"{host}/bench/top:{number}")

        copy.before, above_it.before = next_copy, next_top
        found = rounds([copy, above_it, Work("sampan pull, nothing to do", sampan(store, "pull", plain))], count)
    print(table("Pull of an image whose base is there", found, "cp -al"))
    fresh(WORK / "base")


def measure_fsck(layout: Path, tag: str, count: int) -> None:
    store = fresh(WORK / "fsck") / "store"
    with registries(layout, tag) as (plain, _, _):
        subprocess.run(
            sampan(store, "pull", plain), env={**os.environ, "SAMPAN_KEEP_BLOBS": "false"}, check=True, stdout=subprocess.DEVNULL
        )
    (tree,) = (store / "trees").iterdir()
    root = str(tree / "rootfs")
    found = rounds(
        [
            Work("find -ls", ["find", root, "-ls"]),
            Work("find -printf", ["find", root, "-printf", r"%p %y %s %m %T@ %l\n"]),
            Work("sampan store fsck", sampan(store, "store", "fsck")),
            Work("sampan --version", sampan(store, "--version")),
        ],
        count,
    )
    print(table("Check of the large image without contents", found, "find -ls"))
    found = rounds(
        [
            Work("sha256sum of the files", ["sh", "-c", 'find "$1" -type f -print0 | xargs -0 sha256sum', "sh", root]),
            Work("sampan store fsck --contents", sampan(store, "store", "fsck", "--contents")),
        ],
        count,
    )
    print(table("Check of the large image with contents", found, "sha256sum of the files", "s"))
    fresh(WORK / "fsck")


MEASURES = {"pull": measure_pull, "load": measure_load, "base": measure_base, "fsck": measure_fsck}


def main(count: int = 3, *parts: str) -> None:
    for name in ("xdg", "runtime"):
        fresh(WORK / name).chmod(0o700)
    layout, tag = image()
    print(f"{layout.parent.name} image, {NAME}: {sum(path.stat().st_size for path in layout.rglob('*')) / 1e6:.0f} MB in blobs\n")
    for part in parts or MEASURES:
        MEASURES[part](layout, tag, count)


if __name__ == "__main__":
    main(*[int(word) for word in sys.argv[1:2]], *sys.argv[2:])
