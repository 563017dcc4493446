#!/usr/bin/env python3
"""Make a container image from the packages that are installed on this Debian machine, as an OCI layout.

usage: machine_image.py DIRECTORY [PACKAGE[,PACKAGE...] ...]

Each argument is a layer: the files that dpkg lists for the packages. A package written as `NAME/` comes with
the installed packages that it depends on. No network, no root; files that the caller cannot read are left out. The demo
and the tests use it as their embedded image.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile

BASE = (
    "base-files libc6 libc-bin bash dash coreutils sed grep mawk findutils tar gzip libtinfo6 libselinux1 libpcre2-8-0 libacl1 libattr1 libgmp10"
    " debianutils hostname util-linux libgcc-s1 ncurses-base libmount1 libblkid1 libsmartcols1"
)
PYTHON = (
    "python3-minimal python3.11-minimal libpython3.11-minimal libexpat1 zlib1g libssl3 libcrypt1 libstdc++6 libpython3.11-stdlib media-types"
    " libbz2-1.0 liblzma5 libffi8 libsqlite3-0 libreadline8 libuuid1 libncursesw6 libdb5.3"
)
DEFAULT_LAYERS = (BASE.replace(" ", ","), PYTHON.replace(" ", ","))
ETC = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nguest:x:1234:1234::/home/guest:/bin/bash\n",
    "etc/group": "root:x:0:\ndaemon:x:1:\nguest:x:1234:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
SKELETON = ("bin", "sbin", "lib", "lib64")
DIRECTORIES = (
    ("tmp", 0o1777),
    ("var/tmp", 0o1777),
    ("root", 0o700),
    ("proc", 0o755),
    ("sys", 0o755),
    ("dev", 0o755),
    ("run", 0o755),
    ("home", 0o755),
)


def package_files(packages: list[str]) -> list[str]:
    """The files of installed packages, parents first; packages that are not installed have none."""
    # One call a package: dpkg-query stops at the first that is not installed.
    listed = [subprocess.run(["dpkg-query", "-L", name], capture_output=True, text=True, check=False).stdout for name in packages]
    paths = {line for text in listed for line in text.splitlines() if line.startswith("/") and line != "/."}
    return sorted(path for path in paths if not path.startswith(("/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/")))


def with_dependencies(packages: list[str]) -> list[str]:
    """The packages; for one written as `NAME/` also the installed ones that it depends on, directly or not."""
    form = "${Package}\t${Provides}\t${Pre-Depends}, ${Depends}\n"
    rows = subprocess.run(["dpkg-query", "-W", "-f", form], capture_output=True, text=True, check=True).stdout.splitlines()
    needs: dict[str, list[str]] = {}
    provided: dict[str, str] = {}
    for name, provides, depends in (row.split("\t") for row in rows):
        # Of `a | b` each that is installed is taken: which of them a package works with is not said anywhere.
        needs[name] = [word.split()[0].split(":")[0] for word in re.split("[,|]", depends) if word.strip()]
        provided.update((word.split()[0], name) for word in provides.split(",") if word.strip())
    found: dict[str, None] = {}
    waiting = [(name.rstrip("/"), name.endswith("/")) for name in reversed(packages)]
    while waiting:
        name, wholly = waiting.pop()
        name = name if name in needs else provided.get(name, name)
        if name not in found and name not in BASE.split():
            found[name] = None
            waiting.extend((needed, True) for needed in needs.get(name, ()) if wholly)
    return list(found)


def layer(packages: list[str], first: bool) -> bytes:
    """One layer as tar bytes. Merged-/usr as Debian has it: /bin, /sbin and /lib are links."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        if first:
            _skeleton(tar)
        # Each name once: podman refuses a layer that has one twice.
        seen = {"etc", "var", *(f"usr/{part}" for part in SKELETON)} if first else set()
        for path in package_files(packages):
            head = path.lstrip("/").split("/")[0]
            name = f"usr/{path.lstrip('/')}" if head in SKELETON else path.lstrip("/")
            real = "/" + name
            if name in seen or name in ETC or name in ("usr", *SKELETON, *(d for d, _ in DIRECTORIES)):
                continue
            seen.add(name)
            _add(tar, real, name)
    return buffer.getvalue()


def _skeleton(tar: tarfile.TarFile) -> None:
    for name, mode in (
        ("usr", 0o755),
        *((f"usr/{part}", 0o755) for part in SKELETON),
        *DIRECTORIES,
        ("etc", 0o755),
        ("var", 0o755),
    ):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.mtime = tarfile.DIRTYPE, mode, 1700000000
        tar.addfile(info)
    for name in SKELETON:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.mtime, info.mode = tarfile.SYMTYPE, f"usr/{name}", 1700000000, 0o777
        tar.addfile(info)
    for name, text in ETC.items():
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = len(text), 1700000000, 0o644
        tar.addfile(info, io.BytesIO(text.encode()))


def _add(tar: tarfile.TarFile, real: str, name: str) -> None:
    try:
        info = tar.gettarinfo(real, name)
        info.uid = info.gid = 0
        info.uname = info.gname = "root"
        if info.isreg():
            with open(real, "rb") as stream:
                tar.addfile(info, stream)
        elif info.isdir() or info.issym():
            tar.addfile(info)
    except OSError:  # not readable for this user, or listed and removed since
        return


def add_blob(directory: str, data: bytes) -> dict[str, object]:
    """Write a blob; digest and size for a descriptor."""
    name = hashlib.sha256(data).hexdigest()
    with open(os.path.join(directory, "blobs/sha256", name), "wb") as stream:
        stream.write(data)
    return {"digest": f"sha256:{name}", "size": len(data)}


def build(directory: str, layers: tuple[str, ...], tag: str = "1") -> None:
    """The OCI layout (image-spec, image-layout.md)."""
    os.makedirs(os.path.join(directory, "blobs/sha256"), exist_ok=True)
    listed = [packages.split(",") for packages in layers]
    tars = [layer(packages if at == 0 else with_dependencies(packages), first=at == 0) for at, packages in enumerate(listed)]
    tars.append(_note())
    descriptors = [
        {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **add_blob(directory, gzip.compress(tar, 6, mtime=0))}
        for tar in tars
    ]
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "MADE_BY=machine_image"],
            "Cmd": ["bash"],
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in tars]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **add_blob(directory, json.dumps(config).encode())},
        "layers": descriptors,
    }
    entry = {
        "mediaType": manifest["mediaType"],
        **add_blob(directory, json.dumps(manifest).encode()),
        "annotations": {"org.opencontainers.image.ref.name": tag},
    }
    for name, document in (
        ("oci-layout", {"imageLayoutVersion": "1.0.0"}),
        ("index.json", {"schemaVersion": 2, "manifests": [entry]}),
    ):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as stream:
            json.dump(document, stream)


def _note() -> bytes:
    """A last, small layer: a script of the image's own, and a whiteout of a file of the first."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text, mode in (
            ("usr/bin/hello", '#!/bin/sh\necho "hello from $SAMPAN_IMAGE on $(uname -s)"\n', 0o755),
            ("etc/.wh.issue", "", 0o644),
        ):
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(text), mode, 1700000000
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


if __name__ == "__main__":
    build(sys.argv[1], tuple(sys.argv[2:]) or DEFAULT_LAYERS)
