"""The directory for this node's short-lived files. On the start-up path."""

from __future__ import annotations

import os
import stat

from sampan.errors import HostError


def runtime_directory(stated: str = "") -> str:
    """A directory of this user alone, on this node, made if it is missing: `stated`, else below XDG_RUNTIME_DIR, else /tmp.

    Raises `HostError` if somebody else owns what is there.
    """
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    path = stated or (f"{base}/sampan" if base.startswith("/") and os.path.isdir(base) else f"/tmp/sampan-{os.getuid()}")  # noqa: S108
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise HostError(
            f"cannot make the runtime directory {path}: {error.strerror}", "set SAMPAN_RUNTIME_DIR to one that can be made"
        ) from error
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise HostError(
            f"{path} is not a directory of yours alone, so it cannot be trusted",
            "remove it, or set SAMPAN_RUNTIME_DIR to a directory of your own",
        )
    return path
