"""The image of an application: the reference that a descriptor's words come to. Pure; on the path of `app launch`."""

from __future__ import annotations

from sampan.errors import UnsupportedContent, UsageError, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.apps.application import Container

_IN_PLACE = "cvmfs://"  # used where it lies, by `sampan run` as well
_SCHEMES_OF_SINGULARITY = ("shub", "library", "oras", "instance")


def reference_of(container: Container) -> str:
    """The reference of the image; for a root file system the name that its archive gets in the store.

    Raises `UnsupportedContent` for kinds of images that sampan does not run, `UsageError` for a root file system at no address.
    """
    if container.kind == "rootfs":
        return rootfs_name(container.url)
    image = container.image
    if image.startswith(_IN_PLACE):
        return image
    scheme, separator, rest = image.partition("://")
    index = container.index
    if separator:
        index, image = f"{scheme}://", rest
    kind = index.partition("://")[0] if "://" in index else ""
    if kind in _SCHEMES_OF_SINGULARITY:
        raise UnsupportedContent(
            f"the image {printable(container.image)} is at {kind}://, from where sampan fetches nothing",
            "name an image at a registry in the descriptor",
        )
    if image.endswith((".sif", ".simg", ".img")) or image.startswith(("/", "./")):
        raise UnsupportedContent(
            f"{printable(image)} is a singularity image file, which sampan does not run",
            "name an image at a registry in the descriptor",
        )
    if "://" in index:
        index = index.partition("://")[2]
    index = index.strip("/")
    if index and not image.startswith(f"{index}/"):
        image = f"{index}/{image}"
    return f"{image}@{container.hash}" if _is_digest(container.hash) and "@" not in image else image


def _is_digest(text: str) -> bool:
    algorithm, _, digits = text.partition(":")
    return algorithm == "sha256" and len(digits) == 64 and set(digits) <= set("0123456789abcdef")


def rootfs_name(url: str) -> str:
    """The reference under which the root file system of an address is kept. Raises `UsageError`."""
    if not url.startswith(("http://", "https://", "file://", "/")):
        raise UsageError(
            f"the root file system {printable(url)} is at no address that sampan reads", "it is http:, https: or file:"
        )
    from sampan.oci.digest import sha256_of

    return f"localhost/rootfs:{sha256_of(url.encode('utf-8', 'surrogateescape')).encoded[:16]}"
