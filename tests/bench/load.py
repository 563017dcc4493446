"""Load the medium image from a docker-archive with uncompressed layers, in fresh directories. usage: load.py [ROUNDS]

`tar xf` unpacks the layers and checks nothing; the floor also hashes what a verified load has to hash: each layer for its diff_id,
and each file for the index. Both read the layers as files that lie there already, which a load of the archive need not make.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.measure import Work, fresh, have, rounds, table
from tests.bench.medium import LAYOUT, WORK, sampan
from tests.bench.pull import podman_places

TAR = 'cd "$1"; shift; for layer; do tar --exclude=dev/* --delay-directory-restore --no-same-owner -xf "$layer"; done'
FLOOR = (
    'cd "$1"; shift; for layer; do sha256sum "$layer" >/dev/null; tar --exclude=dev/* --delay-directory-restore --no-same-owner -xf "$layer"; '
    "done; find . -type f -readable -print0 | xargs -0 sha256sum >/dev/null"
)


def layers_of(archive: Path, place: Path) -> list[str]:
    """The layers of the archive as files, lowest first."""
    with tarfile.open(archive) as found:
        paths = json.loads(found.extractfile("manifest.json").read())[0]["Layers"]
    subprocess.run(["tar", "-xf", str(archive), "-C", str(place), *paths], check=True)
    return [str(place / path) for path in paths]


def works(archive: Path, layers: list[str]) -> list[Work]:
    found = []

    def add(name: str, make, environment: dict[str, str] | None = None) -> None:
        directory = WORK / "load" / name.replace(" ", "-").replace(",", "")
        found.append(
            Work(name, make(directory), before=lambda: fresh(directory) and None, after=lambda: fresh(directory) and None,
                 environment=environment or {}),
        )  # fmt: skip

    add("tar xf", lambda d: ["sh", "-c", TAR, "sh", str(d), *layers])
    add("floor", lambda d: ["sh", "-c", FLOOR, "sh", str(d), *layers])
    add("sampan load", lambda d: sampan(d / "store", "load", "-i", str(archive)))
    add("sampan load, no blobs kept", lambda d: sampan(d / "store", "load", "-i", str(archive)), {"SAMPAN_KEEP_BLOBS": "false"})
    if have("skopeo", "umoci"):
        script = 'skopeo copy -q --insecure-policy "docker-archive:$1" "oci:$2/oci:1" && umoci unpack --rootless --image "$2/oci:1" "$2/bundle"'
        add("skopeo + umoci", lambda d: ["sh", "-c", script, "sh", str(archive), str(d)])
    if have("podman"):
        xdg = {"XDG_RUNTIME_DIR": str(WORK / "xdg")}
        add("podman load", lambda d: ["podman", *podman_places(d), "load", "-q", "-i", str(archive)], xdg)
    return found


def main(count: int = 3) -> None:
    fresh(WORK / "xdg").chmod(0o700)
    fresh(WORK / "runtime").chmod(0o700)
    place = fresh(WORK / "archive")
    archive = place / "medium.tar"
    subprocess.run(
        ["skopeo", "copy", "-q", "--insecure-policy", f"oci:{LAYOUT}:1", f"docker-archive:{archive}:bench/medium:1"], check=True
    )
    found = rounds(works(archive, layers_of(archive, place)), count)
    print(table("Load of the medium image from a docker-archive", found, "tar xf", "s"))
    fresh(place)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
