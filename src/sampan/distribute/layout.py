"""Where things lie in the repository. Pure.

```
REGISTRY/NAME:TAG                     -> the image's directory, relative; what people name
NAMESPACE/NAME:TAG                    -> the same in OSG's form, on request
.flat/XX/DIGEST/                      the root file system, a nested catalog; DIGEST is that of the image's configuration
.multiarch/ARCH/REGISTRY/NAME:TAG     -> an image for each platform, where several are wished
.metadata/REGISTRY/NAME:TAG/manifest.json     the manifest, byte for byte (as DUCC has it)
.metadata/sampan.json                 what is published (`state.py`)
```

All of it lies below one base path, because a lease of a gateway covers one path. Paths here are relative to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import UsageError, printable

if TYPE_CHECKING:
    from sampan.oci.digest import Digest
    from sampan.oci.platform import Platform

FLAT, METADATA, MULTIARCH = ".flat", ".metadata", ".multiarch"
STATE = f"{METADATA}/sampan.json"
MAX_BASE = 1024


def flat(config: Digest) -> str:
    """The directory of an image by the digest of its configuration."""
    return f"{FLAT}/{config.encoded[:2]}/{config.encoded}"


def link_of(shown: str, path: str, tag: str | None, digest: str) -> str:
    """The name under which people find an image: with its tag if the wish has one, else with its digest."""
    return f"{shown}/{path}:{tag}" if tag is not None else f"{shown}/{path}@{digest}"


def osg_link_of(path: str, tag: str | None, digest: str) -> str:
    """The name without the registry."""
    return f"{path}:{tag}" if tag is not None else f"{path}@{digest}"


def multiarch_link_of(link: str, platform: Platform) -> str:
    """The name of an image for one of several platforms."""
    architecture = f"{platform.architecture}-{platform.variant}" if platform.variant else platform.architecture
    return f"{MULTIARCH}/{architecture}/{link}"


def manifest_of(link: str) -> str:
    """Where the manifest of what a link leads to is kept."""
    return f"{METADATA}/{link}/manifest.json"


def target(link: str, directory: str) -> bytes:
    """The relative target that leads from a link to a directory, wherever the repository is mounted."""
    return ("../" * link.count("/") + directory).encode()


def base_path(text: str) -> bytes:
    """The base path as the repository has it: empty for its root, else with a slash in front. Raises `UsageError`."""
    parts = [part for part in text.split("/") if part]
    if any(part in (".", "..") or part.startswith(".cvmfs") or not part.isprintable() for part in parts) or len(text) > MAX_BASE:
        raise UsageError(f"{printable(text[:80])!r} cannot be the base path of a repository", "name it like /containers")
    return "".join(f"/{part}" for part in parts).encode()


def checked_bind_point(text: str) -> str:
    """A directory inside images, relative to their root. Raises `UsageError`."""
    parts = [part for part in text.split("/") if part]
    if not parts or any(part in (".", "..") for part in parts) or "\0" in text or len(text) > MAX_BASE:
        raise UsageError(f"{printable(text[:80])!r} cannot be a directory of an image", "name it like /data")
    return "/".join(parts)


def below(base: bytes, path: str) -> bytes:
    """A path of this module inside the repository."""
    return base + b"/" + path.encode()
