"""Programs on PATH, without the files that `sampan shims` wrote: a `podman` that is sampan is none to call from sampan."""

from __future__ import annotations

import os

MARK = b"# sampan shim"
_LOOKED_AT = 256  # bytes: the mark is in the second line


def is_shim(path: str) -> bool:
    """Whether a file is one of ours."""
    try:
        with open(path, "rb") as stream:
            return MARK in stream.read(_LOOKED_AT)
    except OSError:
        return False


def which(name: str, path: str | None = None) -> str | None:
    """The first executable file of this name on `path` (default: PATH) that is no shim; `None` without one."""
    for directory in (os.environ.get("PATH", os.defpath) if path is None else path).split(os.pathsep):
        found = os.path.join(directory or ".", name)
        if os.path.isfile(found) and os.access(found, os.X_OK) and not is_shim(found) and not _leads_to_us(found):
            return found
    return None


def _leads_to_us(path: str) -> bool:
    """A link named as another program that leads to the command itself."""
    target = os.path.basename(os.path.realpath(path))
    return os.path.islink(path) and target != os.path.basename(path) and target in ("sampan", "sampan.pyz")
