"""Mounts as values, and the texts of `-v`, `--mount`, `--tmpfs` and `--device`. Pure; on the start-up path."""

from __future__ import annotations

from sampan.errors import UsageError


class Bind:
    """A directory or file of the host at `target`; `flags` as in the launch file (`ro`, `optional`, `rslave`, ...)."""

    __slots__ = ("flags", "source", "target")

    def __init__(self, source: str, target: str, flags: tuple[str, ...] = ()) -> None:
        self.source = source
        self.target = target
        self.flags = flags


class Tmpfs:
    """An empty directory in memory; `size` in bytes, 0 for the kernel's default."""

    __slots__ = ("flags", "mode", "size", "target")

    def __init__(self, target: str, mode: int = 0o1777, size: int = 0, flags: tuple[str, ...] = ("nosuid", "nodev")) -> None:
        self.target = target
        self.mode = mode
        self.size = size
        self.flags = flags


class File:
    """A file with this content at `target`."""

    __slots__ = ("content", "flags", "mode", "target")

    def __init__(self, target: str, content: bytes, mode: int = 0o644, flags: tuple[str, ...] = ()) -> None:
        self.target = target
        self.content = content
        self.mode = mode
        self.flags = flags


class ImageMount:
    """Another image's tree, read-only, at `target`; becomes a `Bind` when the plan knows where the tree is."""

    __slots__ = ("reference", "target")

    def __init__(self, reference: str, target: str) -> None:
        self.reference = reference
        self.target = target


class Special:
    """One of the kernel's own: `proc`, `sysfs`, `mqueue`, `devpts`, `dev` (a small one), `mask`."""

    __slots__ = ("kind", "target")

    def __init__(self, kind: str, target: str) -> None:
        self.kind = kind
        self.target = target


BIND_FLAGS = {
    "ro": "ro", "rslave": "rslave", "rprivate": "rprivate", "nosuid": "nosuid", "nodev": "nodev", "noexec": "noexec",
    "slave": "rslave", "private": "rprivate", "readonly": "ro",
}  # fmt: skip
# Words of Docker that change nothing here: writing is the default, and there is no SELinux relabelling without root.
HARMLESS = ("rw", "z", "Z", "cached", "delegated", "consistent", "nocopy", "rbind", "bind", "exec", "suid", "dev", "U")
REFUSED = {
    "shared": "mounts made inside cannot appear on the host without root",
    "rshared": "mounts made inside cannot appear on the host without root",
    "O": "use the default instead: what is not bound is writable and thrown away",
}
MOUNT_KEYS = (
    "type", "source", "target", "readonly", "bind-propagation", "bind-nonrecursive", "consistency", "tmpfs-size", "tmpfs-mode", "relabel",
)  # fmt: skip
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def parse_volume(text: str, directory: str) -> Bind:
    """`SOURCE[:TARGET[:FLAGS]]` of `-v`; a relative SOURCE begins with a dot and counts from `directory`.

    SOURCE alone is visible at the same path, as for Apptainer and udocker. Raises `UsageError`.
    """
    source, _, rest = text.partition(":")
    target, _, words = rest.partition(":")
    if not source:
        raise UsageError(f"--volume {text!r} names no source", "write --volume SOURCE:TARGET[:ro]")
    if source[0] == ".":
        source = normal(f"{directory}/{source}")
    elif source[0] != "/":
        raise UsageError(
            f"--volume {text!r}: {source!r} is not a path, and sampan has no named volumes",
            f"write ./{source} for a directory here, or an absolute path",
        )
    target = target or source
    if not target.startswith("/"):
        raise UsageError(f"--volume {text!r}: the target must be absolute, not {target!r}")
    if normal(target) == "/":
        raise UsageError(f"--volume {text!r} would cover the whole image", "name a directory below /")
    return Bind(source, normal(target), _flags(f"--volume {text!r}", words))


def _flags(what: str, words: str) -> tuple[str, ...]:
    flags = []
    for word in words.split(",") if words else ():
        if word in BIND_FLAGS:
            flags.append(BIND_FLAGS[word])
        elif word in REFUSED:
            raise UsageError(f"{what}: {word} is not possible: {REFUSED[word]}")
        elif word not in HARMLESS:
            raise UsageError(f"{what}: unknown flag {word!r}", f"known flags: {', '.join(BIND_FLAGS)}")
    return tuple(flags)


def parse_tmpfs(text: str) -> Tmpfs:
    """`TARGET[:size=N,mode=M,ro,...]` of `--tmpfs`. Raises `UsageError`."""
    target, _, words = text.partition(":")
    if not target.startswith("/") or normal(target) == "/":
        raise UsageError(f"--tmpfs {text!r}: the target must be a path below /")
    mode, size, flags = 0o1777, 0, ["nosuid", "nodev"]
    for word in words.split(",") if words else ():
        key, _, value = word.partition("=")
        if key == "size":
            size = parse_size(value, f"--tmpfs {text!r}")
        elif key == "mode" and value and all(digit in "01234567" for digit in value):
            mode = int(value, 8) & 0o7777
        elif word in ("ro", "noexec"):
            flags.append(word)
        elif word not in ("rw", "exec", "nosuid", "nodev", "noatime", "uid=0", "gid=0"):
            raise UsageError(f"--tmpfs {text!r}: unknown option {word!r}", "known options: size=64m, mode=1777, ro, noexec")
    return Tmpfs(normal(target), mode, size, tuple(flags))


def parse_mount(text: str, directory: str) -> Bind | Tmpfs | ImageMount:
    """`type=bind|tmpfs|image,source=...,target=...,readonly,...` of `--mount`, as Docker and podman write it. Raises `UsageError`."""
    what = f"--mount {text!r}"
    found: dict[str, str] = {}
    for word in _split(text):
        key, equals, value = word.partition("=")
        key = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}.get(key, key)
        if key not in MOUNT_KEYS:
            raise UsageError(f"{what}: unknown key {key!r}", f"known keys: {', '.join(MOUNT_KEYS)}")
        found[key] = value if equals else "true"
    kind = found.get("type", "volume")
    if kind not in ("bind", "tmpfs", "image"):
        raise UsageError(
            f"{what}: the type {kind!r} is not possible here", "types: bind, tmpfs, image; sampan has no named volumes"
        )
    target = found.get("target", "")
    if not target.startswith("/") or normal(target) == "/":
        raise UsageError(f"{what}: the target must be a path below /")
    if kind == "tmpfs":
        mode = found.get("tmpfs-mode", "1777")
        if not mode or any(digit not in "01234567" for digit in mode):
            raise UsageError(f"{what}: tmpfs-mode {mode!r} is not an octal mode")
        size = parse_size(found["tmpfs-size"], what) if "tmpfs-size" in found else 0
        return Tmpfs(normal(target), int(mode, 8) & 0o7777, size)
    source = found.get("source", "")
    if not source:
        raise UsageError(f"{what} names no source")
    if kind == "image":
        return ImageMount(source, normal(target))
    if source[0] not in "/.":
        raise UsageError(f"{what}: the source must be a path, not {source!r}", f"write ./{source} for a directory here")
    return Bind(source if source[0] == "/" else normal(f"{directory}/{source}"), normal(target), _mount_flags(found, what))


def _mount_flags(found: dict[str, str], what: str) -> tuple[str, ...]:
    flags = []
    if found.get("readonly", "false").lower() in ("true", "1"):
        flags.append("ro")
    propagation = found.get("bind-propagation", "rprivate")
    if propagation not in BIND_FLAGS:
        raise UsageError(f"{what}: bind-propagation {propagation} is not possible", REFUSED.get(propagation))
    if propagation != "rprivate":
        flags.append(BIND_FLAGS[propagation])
    if found.get("bind-nonrecursive", "false").lower() in ("true", "1"):
        flags.append("shallow")
    return tuple(flags)


def _split(text: str) -> list[str]:
    """At commas; a word in double quotes may hold some, as in CSV, which Docker reads."""
    if '"' not in text:
        return text.split(",")
    import csv

    return next(csv.reader([text]))


def parse_device(text: str) -> Bind:
    """`DEVICE[:TARGET[:rwm]]` of `--device`; what may be done with it is what its owner and mode say. Raises `UsageError`."""
    source, _, rest = text.partition(":")
    target, _, permissions = rest.partition(":")
    if target and not target.startswith("/"):
        target, permissions = "", target
    if not source.startswith("/dev/") or (permissions and not set("rwm").issuperset(permissions)):
        raise UsageError(f"--device {text!r} is not DEVICE[:TARGET[:rwm]]", "write --device /dev/dri")
    return Bind(normal(source), normal(target or source), () if not permissions or "w" in permissions else ("ro",))


def parse_size(text: str, what: str) -> int:
    """Bytes from `64m`, `2g`, `1048576`; units of 1024 as Docker's. Raises `UsageError`."""
    number, unit = text.lower().rstrip("b") if len(text) > 1 else text, ""
    if number and number[-1] in "kmgt":
        number, unit = number[:-1], number[-1]
    if not number.isdigit() or not number.isascii():
        raise UsageError(f"{what}: {text!r} is not a size", "write 64m or 2g")
    return int(number) * _UNITS[unit]


def normal(path: str) -> str:
    """An absolute path without `.`, `..` and doubled slashes, by its words alone."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def covers(target: str, path: str) -> bool:
    """Whether `path` is `target` or lies below it."""
    return path == target or path.startswith(target.rstrip("/") + "/")
