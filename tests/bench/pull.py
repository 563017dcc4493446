"""Pull and unpack the medium image from a registry on loopback, in fresh directories. usage: pull.py [ROUNDS]

The floor does the same work with the fastest tools there are: curl, sha256sum of blobs and tars, igzip, GNU tar.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.measure import Work, fresh, have, rounds, table
from tests.bench.medium import WORK, registries, sampan

FLOOR = """set -e
cd "$1"; shift
base=$1; shift
for digest; do curl -s "$base/blobs/$digest" -o "${digest#sha256:}" & done; wait
mkdir root
for digest; do file=${digest#sha256:}
    sha256sum "$file" >/dev/null
    igzip -d -c "$file" >"$file.tar"
    sha256sum "$file.tar" >/dev/null
    tar --delay-directory-restore --exclude=dev/* --no-same-owner -xf "$file.tar" -C root
    rm "$file.tar"
done
"""


def layers(reference: str) -> tuple[str, list[str]]:
    """The registry's address of the image's name, and the digests of its layers."""
    host, _, rest = reference.partition("/")
    name, _, tag = rest.rpartition(":")
    base = f"http://{host}/v2/{name}"
    accept = "application/vnd.oci.image.manifest.v1+json"
    done = subprocess.run(["curl", "-s", "-H", f"Accept: {accept}", f"{base}/manifests/{tag}"], capture_output=True, check=True)
    return base, [layer["digest"] for layer in json.loads(done.stdout)["layers"]]


def podman_places(directory: Path) -> list[str]:
    return [
        "--storage-driver",
        "overlay",
        "--root",
        f"{directory}/root",
        "--runroot",
        f"/tmp/sampan-bench-{os.getuid()}",
        "--cgroup-manager",
        "cgroupfs",
        "--events-backend",
        "file",
    ]


def works(plain: str, secure: str, authority: Path) -> list[Work]:
    found = []

    def add(name: str, make, environment: dict[str, str] | None = None) -> None:
        directory = WORK / "pull" / name.replace(" ", "-").replace("+", "-")
        words = make(directory)
        found.append(
            Work(
                name,
                words,
                before=lambda: fresh(directory) and None,
                after=lambda: fresh(directory) and None,
                environment=environment or {},
            )
        )

    base, digests = layers(plain)
    if have("curl", "igzip"):
        add("floor", lambda d: ["sh", "-c", FLOOR, "sh", str(d), base, *digests])
    add("sampan pull (isal)", lambda d: sampan(d / "store", "pull", plain))
    if os.environ.get("BENCH_SAMPAN_PLAIN"):
        add("sampan pull (zlib)", lambda d: sampan(d / "store", "pull", plain, program=os.environ["BENCH_SAMPAN_PLAIN"]))
    if have("skopeo", "umoci"):
        add(
            "skopeo + umoci",
            lambda d: [
                "sh",
                "-c",
                'skopeo copy -q --insecure-policy --src-tls-verify=false "docker://$1" "oci:$2/oci:1" && umoci unpack --rootless --image "$2/oci:1" "$2/bundle"',
                "sh",
                plain,
                str(d),
            ],
        )
    if have("podman"):
        add(
            "podman pull",
            lambda d: ["podman", *podman_places(d), "pull", "-q", "--tls-verify=false", plain],
            {"XDG_RUNTIME_DIR": str(WORK / "xdg")},
        )
    if have("ch-image"):
        add(
            "ch-image pull",
            lambda d: ["ch-image", "--no-cache", "-s", f"{d}/storage", "pull", secure],
            {"REQUESTS_CA_BUNDLE": str(authority)},
        )
    udocker = os.environ.get("BENCH_UDOCKER")
    if udocker:
        host, _, name = plain.partition("/")
        script = '"$1" --allow-root pull --registry="http://$2" "$3" && "$1" --allow-root create "$3"'
        add(
            "udocker pull + create",
            lambda d: [
                "env",
                f"UDOCKER_DIR={d}/udocker",
                "UDOCKER_TARBALL=",
                f"HOME={d}",
                "sh",
                "-c",
                script,
                "sh",
                udocker,
                host,
                name,
            ],
        )
    return found


def main(count: int = 3) -> None:
    fresh(WORK / "xdg").chmod(0o700)
    fresh(WORK / "runtime").chmod(0o700)
    with registries() as (plain, secure, authority):
        found = rounds(works(plain, secure, authority), count)
    print(table("Pull and unpack of the medium image", found, "floor" if "floor" in found else "skopeo + umoci", "s"))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
