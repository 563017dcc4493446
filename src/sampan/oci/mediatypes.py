"""The media types of images, and what each says (image-spec "media-types.md"; Docker's image manifest 2). Pure."""

from __future__ import annotations

from sampan.errors import UnsupportedContent, printable

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"

INDEXES = (OCI_INDEX, DOCKER_LIST)
CONFIGS = (OCI_CONFIG, DOCKER_CONFIG)
ACCEPTED = (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST)
"""What a request for a manifest accepts, in one header: a registry may answer 404 for a type that is not listed."""

GENERIC = ("", "application/json", "text/html", "text/plain", "application/octet-stream", "binary/octet-stream")
"""What servers say that do not know: looked through, never believed."""

_SCHEMA_1 = ("application/vnd.docker.distribution.manifest.v1+json", "application/vnd.docker.distribution.manifest.v1+prettyjws")
_OLD_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"

_PLAIN, _GZIP, _ZSTD = "none", "gzip", "zstd"
_LAYERS = {
    OCI_LAYER: _PLAIN,
    OCI_LAYER + "+gzip": _GZIP,
    OCI_LAYER + "+zstd": _ZSTD,
    "application/vnd.oci.image.layer.nondistributable.v1.tar": _PLAIN,
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": _GZIP,
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": _ZSTD,
    DOCKER_LAYER: _PLAIN,
    DOCKER_LAYER + ".gzip": _GZIP,
    DOCKER_LAYER + ".zstd": _ZSTD,
    "application/vnd.docker.image.rootfs.foreign.diff.tar": _PLAIN,
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": _GZIP,
}

_ARTIFACTS = {
    "application/vnd.cncf.helm.config.v1+json": "a Helm chart",
    "application/vnd.sylabs.sif.config.v1+json": "a SIF image",
    "application/vnd.sylabs.sif.config.v1": "a SIF image",
    "application/vnd.docker.plugin.v1+json": "a Docker plugin",
    "application/vnd.wasm.config.v0+json": "a WebAssembly module",
    "application/vnd.wasm.config.v1+json": "a WebAssembly module",
    "application/vnd.dev.cosign.artifact.sig.v1+json": "a signature",
    "application/vnd.dev.cosign.simplesigning.v1+json": "a signature",
    "application/vnd.in-toto+json": "an attestation",
    "application/vnd.docker.ai.model.config.v0.1+json": "an AI model",
    "application/vnd.cncf.model.config.v1+json": "an AI model",
}


def base_type(content_type: str | None) -> str:
    """A Content-Type without its parameters, in lower case; empty for none."""
    return (content_type or "").partition(";")[0].strip().lower()


def check_manifest_type(media_type: str, what: str) -> None:
    """Raises `UnsupportedContent` unless it is one of the four types that lead to an image."""
    if media_type in ACCEPTED:
        return
    if media_type in _SCHEMA_1:
        raise schema_1(what)
    if media_type == _OLD_ARTIFACT:
        raise UnsupportedContent(f"{what} is an OCI artifact manifest, which holds no image that could run")
    raise UnsupportedContent(f"{what} has the media type {printable(media_type[:100])!r}, which is no image")


def schema_1(what: str) -> UnsupportedContent:
    """The error for the image format that Docker had before 2016; its layers have no trustworthy digests."""
    return UnsupportedContent(
        f"{what} is in Docker's old schema 1, which is not supported", "push the image again with a Docker of 2017 or later"
    )


def check_layer_type(media_type: str, what: str) -> str:
    """The compression a layer's type speaks of (`none`, `gzip`, `zstd`); its first bytes have the last word.

    Raises `UnsupportedContent` for encrypted layers and unknown types.
    """
    compression = _LAYERS.get(media_type)
    if compression is None:
        if media_type.endswith("+encrypted"):
            raise UnsupportedContent(f"{what} is encrypted ({printable(media_type[:100])}), which sampan cannot read")
        raise UnsupportedContent(f"{what} has the media type {printable(media_type[:100])!r}, which is no layer of an image")
    return compression


def is_foreign(media_type: str) -> bool:
    """Whether a layer is one that registries must not keep; its manifest says where it lies."""
    return ".nondistributable." in media_type or ".rootfs.foreign." in media_type


def artifact_kind(media_type: str) -> str:
    """Words for what an artifact's config or artifact type stands for."""
    return _ARTIFACTS.get(media_type) or f"an artifact of the type {printable(media_type[:100])!r}"
