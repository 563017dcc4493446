"""An entry of a layer's archive: the value between the reader and the merge. Pure."""

from __future__ import annotations

from sampan.errors import LayerError, printable
from sampan.layers.limits import MAX_COMPONENTS, MAX_NAME, MAX_PATH

# The words of mtree(5), which the index writes; HARD_LINK exists in archives only.
FILE = "file"
DIRECTORY = "dir"
SYMLINK = "link"
FIFO = "fifo"
CHAR = "char"
BLOCK = "block"
SOCKET = "socket"
HARD_LINK = "hard link"


class Entry:
    """One name of an archive with what it says of it. Treated as frozen.

    `path` and `target` are bytes as the archive has them; `mode` has the permission bits only, setuid included; `size` is
    that of the file with its holes; `mtime` is in nanoseconds; `device` is (major, minor); `xattrs` are sorted by name.
    """

    __slots__ = ("device", "gid", "kind", "mode", "mtime", "path", "size", "target", "uid", "xattrs")

    def __init__(
        self,
        path: bytes,
        kind: str,
        *,
        mode: int = 0o644,
        uid: int = 0,
        gid: int = 0,
        size: int = 0,
        mtime: int = 0,
        target: bytes = b"",
        device: tuple[int, int] = (0, 0),
        xattrs: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self.path = path
        self.kind = kind
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.size = size
        self.mtime = mtime
        self.target = target
        self.device = device
        self.xattrs = xattrs

    def __repr__(self) -> str:
        return f"Entry({self.path!r}, {self.kind!r}, mode={self.mode:o}, size={self.size}, target={self.target!r})"


def clean(path: bytes, what: str = "its name") -> bytes:
    """The one spelling of a name in an archive: no leading slash, no empty component, no `.`; the root is empty.

    `..` is taken back in the text, not through links, because that is what the tools do that make layers (Go's
    path.Clean); leaving the root is refused, not clamped, because no honest archive has it. Raises `LayerError`.
    """
    if path.startswith(b"./"):
        path = path[2:]
    if path.endswith(b"/"):
        path = path[:-1]
    # Nearly every name is clean now; `/.` is the start of `/./`, `/../` and of hidden files, which are looked at closely.
    if path.startswith((b"/", b".")) or b"//" in path or b"/." in path or path.endswith(b"/"):
        parts: list[bytes] = []
        for part in path.split(b"/"):
            if part == b"..":
                if not parts:
                    raise LayerError(f"{what} leaves the root of the image")
                parts.pop()
            elif part not in (b"", b"."):
                parts.append(part)
        path = b"/".join(parts)
    return path


def check_path(path: bytes) -> None:
    """Raises `LayerError` for a cleaned path that no file system of ours can hold."""
    shown = printable(path[:80])
    if len(path) > MAX_PATH:
        raise LayerError(f"a path of {len(path)} bytes is longer than the limit of {MAX_PATH}: {shown!r}...")
    if path.count(b"/") >= MAX_COMPONENTS:
        raise LayerError(f"a path has more than the limit of {MAX_COMPONENTS} components: {shown!r}...")
    if any(len(part) > MAX_NAME for part in path.split(b"/")):
        raise LayerError(f"a name is longer than the limit of {MAX_NAME} bytes: {shown!r}...")
