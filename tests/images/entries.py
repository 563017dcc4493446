"""What every name of an unpacked image is, by an index of ours or by a directory that another program made, to be compared.

An entry is a dict: type, mode, uid, gid, size, content, target, time, device, links (all names of its group), xattrs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from sampan.layers import mtree

WALK = r"""
import hashlib, json, os, stat, sys
root = os.fsencode(sys.argv[1])
TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo", stat.S_IFCHR: "char", stat.S_IFBLK: "block"}
for here, directories, files in os.walk(root):
    for name in (*directories, *files):
        path = os.path.join(here, name)
        status = os.lstat(path)
        kind = TYPES.get(stat.S_IFMT(status.st_mode), "other")
        content = hashlib.sha256(open(path, "rb").read()).hexdigest() if kind == "file" else ""
        try:
            names = os.listxattr(path, follow_symlinks=False)
        except OSError:
            names = []
        print(json.dumps({
            "path": os.path.relpath(path, root).hex(), "type": kind, "mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid,
            "size": status.st_size if kind == "file" else 0, "content": content, "target": os.readlink(path).hex() if kind == "link" else "",
            "time": int(status.st_mtime), "inode": status.st_ino if status.st_nlink > 1 and kind != "dir" else 0,
            "device": [os.major(status.st_rdev), os.minor(status.st_rdev)] if kind in ("char", "block") else [0, 0],
            "xattrs": {one: os.getxattr(path, one, follow_symlinks=False).hex() for one in names},
        }))
"""


def of_directory(root: str | Path, prefix: tuple[str, ...] = (), **rest) -> dict[bytes, dict]:
    """The names below a directory; `prefix` are words of a program that may look at it, as `podman unshare`."""
    done = subprocess.run(
        [*prefix, sys.executable if not prefix else "python3", "-c", WALK, str(root)], capture_output=True, check=True, **rest
    )
    return by_path(json.loads(line) for line in done.stdout.splitlines())


def by_path(listed) -> dict[bytes, dict]:
    found: dict[bytes, dict] = {}
    groups: dict[int, list[str]] = {}
    for entry in listed:
        if entry["inode"]:
            groups.setdefault(entry["inode"], []).append(entry["path"])
        found[bytes.fromhex(entry["path"])] = entry
    for entry in found.values():
        inode = entry.pop("inode")
        names = sorted(groups.get(inode, []))
        entry["links"] = names if len(names) > 1 else []
        del entry["path"]
    return found


def of_index(path: str | Path) -> dict[bytes, dict]:
    """The names in an index of ours."""
    with open(path, "rb") as stream:
        index = mtree.read(stream)
    groups: dict[int, list[str]] = {}
    for name, node in index.walk():
        if node.links > 1:
            groups.setdefault(id(node), []).append(name.hex())
    return {
        name: {
            "type": node.kind, "mode": node.mode, "uid": node.uid, "gid": node.gid, "size": node.size, "content": node.digest.hex(),
            "target": node.target.hex(), "time": node.mtime // 1_000_000_000, "device": list(node.device),
            "links": sorted(groups[id(node)]) if node.links > 1 else [], "xattrs": {key.decode(): value.hex() for key, value in node.xattrs},
        }
        for name, node in index.walk()
    }  # fmt: skip


def differences(ours: dict[bytes, dict], theirs: dict[bytes, dict], skip=lambda path, entry: ()) -> list[str]:
    """Where two trees differ, in words; `skip(path, entry)` names the fields that need not agree."""
    found = [f"only here: {path!r}" for path in sorted(ours.keys() - theirs.keys()) if "type" not in skip(path, ours[path])]
    found += [f"only there: {path!r}" for path in sorted(theirs.keys() - ours.keys())]
    for path in sorted(ours.keys() & theirs.keys()):
        left_out = skip(path, ours[path])
        found += [
            f"{path!r}: {field} {value!r} instead of {theirs[path][field]!r}"
            for field, value in ours[path].items()
            if field not in left_out and theirs[path][field] != value
        ]
    return found
