"""Small images made of what a test writes down: entries -> layers -> images -> indexes -> an OCI layout on disk.

    layout = Layout(tmp_path / "layout")
    layout.tag("1", layout.image([layer([directory("etc"), file("etc/motd", b"hello")])], config={"Cmd": ["cat", "/etc/motd"]}))
    # skopeo: oci:DIR:1

Everything is deterministic: the same call gives the same digests. Layers that a tar library would never write are made
byte by byte elsewhere and come in through `layer_of(data)`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"
TYPES = {
    "oci": {
        "index": f"{OCI}.index.v1+json",
        "manifest": f"{OCI}.manifest.v1+json",
        "config": f"{OCI}.config.v1+json",
        "none": f"{OCI}.layer.v1.tar",
        "gzip": f"{OCI}.layer.v1.tar+gzip",
        "zstd": f"{OCI}.layer.v1.tar+zstd",
    },
    "docker": {
        "index": f"{DOCKER}.distribution.manifest.list.v2+json",
        "manifest": f"{DOCKER}.distribution.manifest.v2+json",
        "config": f"{DOCKER}.container.image.v1+json",
        "none": f"{DOCKER}.image.rootfs.diff.tar",
        "gzip": f"{DOCKER}.image.rootfs.diff.tar.gzip",
        "zstd": f"{DOCKER}.image.rootfs.diff.tar.zstd",
    },
}
MTIME = 1_700_000_000


@dataclass(frozen=True)
class Entry:
    """One member of a layer, as tar has it."""

    name: str
    type: bytes = tarfile.REGTYPE
    content: bytes = b""
    mode: int = 0o644
    link: str = ""
    uid: int = 0
    gid: int = 0
    mtime: float = MTIME
    device: tuple[int, int] = (0, 0)
    pax: dict[str, str] = field(default_factory=dict)


def file(name: str, content: bytes = b"", mode: int = 0o644, **more) -> Entry:
    return Entry(name, content=content, mode=mode, **more)


def directory(name: str, mode: int = 0o755, **more) -> Entry:
    return Entry(name, tarfile.DIRTYPE, mode=mode, **more)


def symlink(name: str, target: str, **more) -> Entry:
    return Entry(name, tarfile.SYMTYPE, link=target, mode=0o777, **more)


def hardlink(name: str, target: str, **more) -> Entry:
    return Entry(name, tarfile.LNKTYPE, link=target, **more)


def device(name: str, kind: str, major: int, minor: int, **more) -> Entry:
    return Entry(name, tarfile.CHRTYPE if kind == "char" else tarfile.BLKTYPE, device=(major, minor), **more)


def fifo(name: str, **more) -> Entry:
    return Entry(name, tarfile.FIFOTYPE, **more)


def whiteout(name: str) -> Entry:
    """Removes `name` of the layers below."""
    parent, _, last = name.rpartition("/")
    return file(f"{parent}/.wh.{last}" if parent else f".wh.{last}")


def opaque(name: str) -> Entry:
    """Hides everything that the layers below have in the directory `name`."""
    return file(f"{name}/.wh..wh..opq")


def tar(entries: list[Entry], form: str = "pax") -> bytes:
    """The entries as an archive in the `pax`, `gnu` or `ustar` form."""
    out = io.BytesIO()
    forms = {"pax": tarfile.PAX_FORMAT, "gnu": tarfile.GNU_FORMAT, "ustar": tarfile.USTAR_FORMAT}
    with tarfile.open(fileobj=out, mode="w", format=forms[form], errors="surrogateescape") as archive:
        for entry in entries:
            member = tarfile.TarInfo(entry.name)
            member.type, member.mode, member.linkname = entry.type, entry.mode, entry.link
            member.uid, member.gid, member.mtime = entry.uid, entry.gid, entry.mtime
            member.devmajor, member.devminor = entry.device
            member.pax_headers = dict(entry.pax)
            member.size = len(entry.content) if entry.type == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(entry.content) if member.size else None)
    return out.getvalue()


def compress(data: bytes, compression: str) -> bytes:
    """`none`, `gzip` or `zstd`; the last by the library or the program that is there."""
    if compression == "none":
        return data
    if compression == "gzip":
        return gzip.compress(data, 6, mtime=0)
    return _zstd(data)


def has_zstd() -> bool:
    """Whether layers can be compressed with zstd here."""
    return _zstd_library() is not None or shutil.which("zstd") is not None


def _zstd_library():
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return __import__(name, fromlist=["compress"])
        except ImportError:
            continue
    return None


def _zstd(data: bytes) -> bytes:
    library = _zstd_library()
    if library is not None:
        return library.compress(data)
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


@dataclass(frozen=True)
class Layer:
    """A blob, what its type calls it, and the digest of the archive inside."""

    data: bytes
    compression: str
    diff_id: str
    media_type: str = ""


def layer(entries: list[Entry], compression: str = "gzip", form: str = "pax") -> Layer:
    """A layer of entries."""
    return layer_of(tar(entries, form), compression)


def layer_of(archive: bytes, compression: str = "gzip", media_type: str = "") -> Layer:
    """A layer of an archive that was made elsewhere; `media_type` replaces the right one."""
    return Layer(compress(archive, compression), compression, digest_of(archive), media_type)


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layout:
    """An OCI image layout that grows. Descriptors are plain JSON objects, so that a test can spoil them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tags: dict[str, dict] = {}
        (path / "blobs/sha256").mkdir(parents=True, exist_ok=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self._write_index()

    def blob(self, data: bytes, media_type: str, **more) -> dict:
        """Store a blob; its descriptor."""
        digest = digest_of(data)
        (self.path / "blobs" / digest.replace(":", "/")).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data), **more}

    def document(self, document: object, media_type: str, **more) -> dict:
        """Store a JSON document; its descriptor."""
        return self.blob(json.dumps(document).encode(), media_type, **more)

    def read(self, descriptor: dict) -> bytes:
        """The bytes of a blob."""
        return (self.path / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()

    def image(
        self, layers: list[Layer], config: dict | None = None, platform: str = "linux/amd64", kind: str = "oci", **manifest
    ) -> dict:
        """Store an image; the descriptor of its manifest. `config` is what runs (Env, Cmd, ...), `kind` oci or docker."""
        types = TYPES[kind]
        parts = dict(zip(("os", "architecture", "variant"), platform.split("/")))
        rootfs = {"type": "layers", "diff_ids": [one.diff_id for one in layers]}
        configuration = {**parts, "created": "2023-11-14T22:13:20Z", "config": config or {}, "rootfs": rootfs}
        document = {
            "schemaVersion": 2,
            "mediaType": types["manifest"],
            "config": self.document(configuration, types["config"]),
            "layers": [self.blob(one.data, one.media_type or types[one.compression]) for one in layers],
            **manifest,
        }
        return self.document(document, types["manifest"], platform=parts)

    def index(self, entries: list[dict], kind: str = "oci", **more) -> dict:
        """Store an index of descriptors; its descriptor."""
        media_type = TYPES[kind]["index"]
        return self.document({"schemaVersion": 2, "mediaType": media_type, "manifests": entries, **more}, media_type)

    def tag(self, name: str, descriptor: dict) -> dict:
        """Name a manifest or index; the descriptor again."""
        self.tags[name] = descriptor
        self._write_index()
        return descriptor

    def _write_index(self) -> None:
        named = [
            {**descriptor, "annotations": {"org.opencontainers.image.ref.name": name}} for name, descriptor in self.tags.items()
        ]
        index = {"schemaVersion": 2, "mediaType": TYPES["oci"]["index"], "manifests": named}
        (self.path / "index.json").write_text(json.dumps(index))
