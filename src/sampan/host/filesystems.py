"""Which file system a path lies on, from mountinfo (proc_pid_mountinfo(5))."""

from __future__ import annotations

import os

# Those that other machines see too, so that a process elsewhere may be using what lies there.
NETWORK = frozenset((
    "nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "beegfs", "beegfs_nodev", "ceph", "glusterfs", "fuse.glusterfs", "afs", "pvfs2", "orangefs",
    "ocfs2", "gfs2", "panfs", "wekafs", "vastfs", "9p", "virtiofs", "fuse.sshfs",
))  # fmt: skip


def kind(path: str) -> str:
    """The type of the file system of `path`, as `ext4` or `nfs4`; empty if it cannot be told."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    found, best = "", -1
    real = os.path.realpath(path)
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
            for line in stream:
                before, _, after = line.partition(" - ")
                fields = before.split(" ")
                place = _unescaped(fields[4])
                # btrfs shows another device number in stat than here: then the longest mount point decides.
                score = len(place) + (1 << 20 if fields[2] == wanted else 0)
                if (real == place or real.startswith(place.rstrip("/") + "/")) and score >= best:
                    found, best = after.split(" ")[0], score
    except (OSError, IndexError):
        return ""
    return found


def is_shared(path: str) -> bool:
    """Whether processes of other machines may be using what lies at `path`."""
    return kind(path) in NETWORK


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
