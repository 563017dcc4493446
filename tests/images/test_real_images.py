"""Images made by real programs, pulled by sampan, against the trees that umoci and podman unpack: every name, every field.

In the test run: this machine's packages, what buildah and umoci make on top of them, and an index of several platforms.
`make test-peers` takes larger images too, the OCI layouts that SAMPAN_LARGE_IMAGES lists.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.images.entries import differences, of_directory, of_index
from tests.peers.certificates import needs
from tests.peers.docker_registry import seed

_NOT_CHANGED = 0xFFFFFFFF
LARGE = [Path(path) for path in os.environ.get("SAMPAN_LARGE_IMAGES", "").split(":") if path]


def run(*words: str | os.PathLike, **rest) -> str:
    done = subprocess.run([*map(os.fspath, words)], capture_output=True, text=True, stdin=subprocess.DEVNULL, **rest)
    assert done.returncode == 0, f"{words}: {done.stderr[-2000:]}"
    return done.stdout


def tag_of(layout: Path) -> str:
    entry = json.loads((layout / "index.json").read_text())["manifests"][0]
    return entry["annotations"]["org.opencontainers.image.ref.name"]


def pulled(sampan, registry, layout: Path, *options: str) -> Path:
    """Pull a layout's image by the registry; the directory of its tree."""
    name = f"real/{layout.parent.name.lower().replace('_', '-')}:{tag_of(layout)}"
    seed(registry, SimpleNamespace(path=layout), tag_of(layout), name)
    sampan.good("pull", *options, registry.reference(name), timeout=600)
    sampan.good("store", "fsck", "--contents", timeout=600)
    shown = json.loads(sampan.good("inspect", registry.reference(name)).text)
    return Path((shown[0] if isinstance(shown, list) else shown)["tree"]).parent


def by_umoci(layout: Path, place: Path) -> dict[bytes, dict]:
    """What umoci unpacks as an ordinary user; it notes owners in an attribute."""
    needs("umoci")
    run("umoci", "unpack", "--rootless", "--image", f"{layout}:{tag_of(layout)}", place)
    found = of_directory(place / "rootfs")
    for entry in found.values():
        note = bytes.fromhex(entry["xattrs"].pop("user.rootlesscontainers", ""))
        entry["uid"], entry["gid"] = owner_in(note)
    return found


def owner_in(note: bytes) -> tuple[int, int]:
    """The two numbers of rootlesscontainers' message (protobuf: fields 1 and 2 as varints)."""
    numbers = {1: 0, 2: 0}
    at = 0
    while at < len(note):
        field, at = note[at] >> 3, at + 1
        value = shift = 0
        while True:
            value |= (note[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if not note[at - 1] & 0x80:
                break
        numbers[field] = 0 if value == _NOT_CHANGED else value
    return numbers[1], numbers[2]


def by_podman(podman, registry, layout: Path) -> dict[bytes, dict]:
    """What podman unpacks with all the ids that the user has."""
    name = f"real/{layout.parent.name.lower().replace('_', '-')}:{tag_of(layout)}"
    seed(registry, SimpleNamespace(path=layout), tag_of(layout), name)
    reference = registry.reference(name)
    podman("pull", "-q", "--tls-verify=false", reference)
    try:
        # The shell gets: the reference, then `python3 -c WALK` and an empty path, in whose place the mount comes.
        words = 'm=$(podman image mount "$1") && "$2" "$3" "$4" "$m"; status=$?; podman image unmount -a >/dev/null; exit $status'
        prefix = ("podman", "unshare", "sh", "-c", words, "sh", reference)
        return of_directory("", prefix, env=podman.environment(), cwd=podman.directory)
    finally:
        podman("rmi", "-f", reference)


def umoci_cannot(path: bytes, entry: dict) -> tuple[str, ...]:
    """An ordinary user's umoci makes no devices and sets no capabilities; it loses times of directories to whiteouts."""
    if entry["type"] in ("char", "block"):
        return tuple(entry)
    return ("xattrs", "mode") if entry["type"] == "link" else ("xattrs", "time") if entry["type"] == "dir" else ("xattrs",)


def podman_cannot(path: bytes, entry: dict) -> tuple[str, ...]:
    """Podman makes /dev, /proc and the like in what it mounts; capabilities carry the namespace's root."""
    if entry["type"] in ("char", "block"):
        return tuple(entry)
    return ("xattrs", "mode") if entry["type"] == "link" else ("xattrs", "time") if entry["type"] == "dir" else ("xattrs",)


@pytest.fixture(scope="module")
def built(tmp_path_factory, podman, machine_layout):
    """A layout by buildah: real changes of a real storage driver on top of the machine image, as two layers."""
    needs("buildah")
    place = tmp_path_factory.mktemp("by-buildah")
    podman.buildah("pull", "-q", f"oci:{machine_layout.path}:1")
    image = podman.buildah("images", "-q").decode().split()[0]
    script = """
        set -e
        m=$(buildah mount "$1")
        rm -rf "$m/usr/share/terminfo" "$m/usr/lib/python3.11/email"
        mkdir "$m/usr/lib/python3.11/email"; echo new >"$m/usr/lib/python3.11/email/again"
        rm "$m/etc/nsswitch.conf"; mkdir "$m/etc/nsswitch.conf"; echo x >"$m/etc/nsswitch.conf/inside"
        mkdir -p "$m/opt/a/b"; echo one >"$m/opt/a/b/f"; ln "$m/opt/a/b/f" "$m/opt/g"; ln -s ../opt/g "$m/opt/a/l"; mkfifo "$m/opt/p"
        chown 1234:5678 "$m/opt/a"; chown 42:0 "$m/opt/a/b/f"; chmod 4755 "$m/opt/g"; chmod 1777 "$m/opt/a/b"; chmod 2700 "$m/opt/a"
        touch -d 2001-02-03T04:05:06 "$m/opt/p" "$m/opt/a/b/f"; touch -h -d 1999-01-01 "$m/opt/a/l"; chmod 0 "$m/opt/p"
        printf 'x' >"$m/opt/$(printf 'n\\nl \\351')"
        setfattr -n user.note -v hello "$m/opt/a/b/f" 2>/dev/null || true
        truncate -s 10M "$m/opt/sparse"; printf end >>"$m/opt/sparse"
        buildah umount "$1" >/dev/null
    """
    container = podman.buildah("from", "--pull-never", image).decode().strip()
    done = subprocess.run(
        ["buildah", "unshare", "sh", "-c", script, "sh", container],
        capture_output=True,
        text=True,
        env=podman.environment(),
        cwd=podman.directory,
    )
    if done.returncode:
        pytest.skip(f"buildah cannot change a container here: {done.stderr[-300:]}")
    podman.buildah("commit", "-q", container, f"oci:{place}/layout:built")
    podman.buildah("rm", container)
    podman.buildah("rmi", "-f", image)
    return place / "layout"


@pytest.fixture(scope="module")
def inserted(tmp_path_factory, machine_layout):
    """A layout by umoci: directories inserted, one of them opaque, and a repacked bundle with removals."""
    needs("umoci")
    place = tmp_path_factory.mktemp("by-umoci")
    run("cp", "-r", machine_layout.path, place / "layout")
    (place / "tree/sub").mkdir(parents=True)
    (place / "tree/sub/f").write_text("opaque")
    (place / "tree/g").write_text("g")
    image = f"{place}/layout:1"
    run("umoci", "insert", "--rootless", "--opaque", "--image", image, place / "tree", "/usr/lib/python3.11/json")
    run("umoci", "insert", "--rootless", "--image", image, place / "tree", "/usr/share")
    run("umoci", "insert", "--rootless", "--whiteout", "--image", image, "/usr/bin/env")
    run("umoci", "unpack", "--rootless", "--image", image, place / "bundle")
    root = place / "bundle/rootfs"
    run("rm", "-rf", root / "usr/lib/python3.11/json", root / "usr/bin/awk")
    (root / "usr/lib/python3.11/json").symlink_to("email")
    run("umoci", "repack", "--image", image, place / "bundle")
    run("umoci", "gc", "--layout", place / "layout")
    run("chmod", "-R", "u+rwX", place / "bundle")
    return place / "layout"


def test_this_machine_s_packages(sampan, registry, machine_layout, tmp_path):
    copy = tmp_path / "machine/layout"
    copy.parent.mkdir()
    run("cp", "-r", machine_layout.path, copy)
    tree = pulled(sampan, registry, copy)
    ours = of_index(tree / "index")
    assert len(ours) > 1000
    assert differences(ours, by_umoci(copy, tmp_path / "bundle"), umoci_cannot) == []


@pytest.mark.parametrize("peer", ["umoci", "podman"])
def test_by_buildah(sampan, registry, podman, built, tmp_path, peer):
    ours = of_index(pulled(sampan, registry, built) / "index")
    assert ours[b"opt/a"]["uid"] == 1234
    assert len(ours[b"opt/g"]["links"]) == 2
    if peer == "umoci":
        found = differences(ours, by_umoci(built, tmp_path / "bundle"), umoci_cannot)
    else:
        found = differences(ours, by_podman(podman, registry, built), podman_cannot)
    assert found == []


@pytest.mark.parametrize("peer", ["umoci", "podman"])
def test_by_umoci(sampan, registry, podman, inserted, tmp_path, peer):
    ours = of_index(pulled(sampan, registry, inserted) / "index")
    assert ours[b"usr/lib/python3.11/json"]["type"] == "link"
    assert b"usr/bin/env" not in ours
    if peer == "umoci":
        found = differences(ours, by_umoci(inserted, tmp_path / "bundle"), umoci_cannot)
    else:
        found = differences(ours, by_podman(podman, registry, inserted), podman_cannot)
    assert found == []


def test_an_index_of_several_platforms(sampan, registry, tmp_path):
    """Made by skopeo out of two images; each platform's tree is the one that umoci unpacks for it."""
    from tests.images.build import Layout, file, layer

    layout = Layout(tmp_path / "many/layout")
    entries = [
        layout.image([layer([file("which", platform.encode())])], platform=platform)
        for platform in ("linux/amd64", "linux/arm64/v8", "linux/s390x")
    ]
    layout.tag("many", layout.index(entries))
    for platform in ("linux/amd64", "linux/arm64", "linux/s390x"):
        tree = pulled(sampan, registry, layout.path, "--platform", platform)
        assert (tree / "rootfs/which").read_text().startswith(platform)


@pytest.mark.parametrize("layout", LARGE or [None], ids=lambda path: f"{path.parent.name}-{path.name}" if path else "none")
@pytest.mark.parametrize("peer", ["umoci", "podman"])
def test_large(sampan, registry, podman, layout, tmp_path, peer):
    if layout is None:
        pytest.skip("a test of `make test-peers`")
    ours = of_index(pulled(sampan, registry, layout) / "index")
    theirs = by_umoci(layout, tmp_path / "bundle") if peer == "umoci" else by_podman(podman, registry, layout)
    found = differences(ours, theirs, umoci_cannot if peer == "umoci" else podman_cannot)
    assert found == []
