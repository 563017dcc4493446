"""Debian trees to run programs in, made once per machine and user: `SAMPAN_TEST_IMAGES`/intercept/UID/NAME-HASH.

The hash is that of the recipe, so a changed recipe makes a new tree. A tree belongs to the user who runs the tests, as one that
sampan unpacks does. mmdebstrap makes it, as root or in a user namespace.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from pathlib import Path

SUITE = "bookworm"
SHORT = ("python3", "libpython3.11-testsuite", "perl", "git", "busybox-static", "procps")
FULL = (
    *SHORT, "ca-certificates", "gcc", "libc6-dev", "make", "golang-1.19-go", "golang-1.19-src", "default-jdk-headless", "nodejs", "openmpi-bin",
    "libopenmpi-dev", "strace", "gdb", "iproute2", "file", "xz-utils", "bzip2", "zstd", "attr", "acl", "sqlite3", "fakechroot", "rpm", "adduser",
)  # fmt: skip
RECIPES = {"short": SHORT, "full": FULL}


def place(name: str) -> Path:
    """Where the tree of this recipe is, or will be."""
    digest = hashlib.sha256("\n".join((SUITE, *RECIPES[name], finish.__doc__ or "")).encode()).hexdigest()[:12]
    images = Path(os.environ.get("SAMPAN_TEST_IMAGES", "/var/tmp/sampan-images"))
    return images / "intercept" / str(os.getuid()) / f"{name}-{digest}"


def make(name: str) -> Path:
    """The tree, made if it is missing."""
    tree = place(name)
    tree.parent.mkdir(parents=True, exist_ok=True)
    with open(tree.parent / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tree.exists():
            unpack(name, tree)
    return tree


def unpack(name: str, tree: Path) -> None:
    archive, partial = tree.with_suffix(".tar"), tree.with_suffix(".partial")
    subprocess.run(["rm", "-rf", partial], check=True)
    mode = "root" if os.getuid() == 0 else "unshare"
    subprocess.run(
        ["mmdebstrap", f"--mode={mode}", "--variant=minbase", f"--include={','.join(RECIPES[name])}", SUITE, archive],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    partial.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", partial, "--no-same-owner", "--exclude=./dev/*"], check=True)
    archive.unlink()
    finish(partial)
    partial.rename(tree)


def finish(tree: Path) -> None:
    """Version 2: the caller has an entry in passwd and group, localhost a name; the places of the tests' binds exist; everything can be removed."""
    for name in ("work", "tools"):
        (tree / name).mkdir()
    subprocess.run(["chmod", "-R", "u+rwX", tree], check=True)
    with open(tree / "etc/passwd", "a") as stream:
        stream.write(f"tester:x:{os.getuid()}:{os.getgid()}:tester:/tmp:/bin/sh\n" if os.getuid() else "")
    with open(tree / "etc/group", "a") as stream:
        stream.write(f"tester:x:{os.getgid()}:\n" if os.getgid() else "")
    (tree / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost ip6-localhost\n")
