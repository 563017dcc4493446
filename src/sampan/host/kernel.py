"""Which kernel and node this is, and why it may refuse user namespaces. On the start-up path."""

from __future__ import annotations

import os


def read_line(path: str) -> str | None:
    """The first line of a small file below /proc or /sys, `None` if it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return stream.readline(4096).decode("ascii", "replace").strip()
    except OSError:
        return None


def boot_id() -> str:
    """Identifies this start of this kernel; a container that another boot started does not run."""
    return read_line("/proc/sys/kernel/random/boot_id") or "unknown"


def node() -> str:
    """This machine's name, as records and `ps` show it."""
    return os.uname().nodename


def confinement() -> str:
    """Tells apart what this process may do: its user namespace and the seccomp filters that it inherited."""
    try:
        namespace = os.readlink("/proc/self/ns/user").strip("user:[]")
    except OSError:
        namespace = "none"
    try:
        with open("/proc/self/status", "rb") as stream:
            lines = stream.read(8192).split(b"\n")
    except OSError:
        return namespace
    filters = [line.split()[1].decode("ascii") for line in lines if line.startswith(b"Seccomp")]
    return "-".join([namespace, *filters])


def limit(name: str) -> tuple[str, str]:
    """Soft and hard limit of this process as /proc/self/limits names and writes it ("Max open files")."""
    try:
        with open("/proc/self/limits", "rb") as stream:
            for line in stream:
                if line.startswith(name.encode("ascii")):
                    soft, hard = line[len(name) :].split()[:2]
                    return soft.decode("ascii"), hard.decode("ascii")
    except (OSError, ValueError):
        pass
    return "unknown", "unknown"


def namespace_obstacles() -> list[tuple[str, str]]:
    """Why this kernel may refuse user or mount namespaces to an ordinary user: (reason, what would help).

    Read from user_namespaces(7), namespaces(7) and the sysctls of Debian (`unprivileged_userns_clone`) and Ubuntu
    (AppArmor). Empty where nothing speaks against them.
    """
    found = []
    for name, what in (("user", "user"), ("mnt", "mount")):
        if read_line(f"/proc/sys/user/max_{name}_namespaces") == "0":
            found.append(
                (f"{what} namespaces are limited to 0 (user.max_{name}_namespaces)",
                 f"the administrator can set `sysctl user.max_{name}_namespaces=15000`"),
            )  # fmt: skip
    if read_line("/proc/sys/kernel/unprivileged_userns_clone") == "0":
        found.append(
            ("user namespaces are reserved to root (kernel.unprivileged_userns_clone)",
             "the administrator can set `sysctl kernel.unprivileged_userns_clone=1`"),
        )  # fmt: skip
    if read_line("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        found.append(
            ("AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns)",
             "the administrator can allow sampan-run by an AppArmor profile with `userns,`"),
        )  # fmt: skip
    if not os.path.exists("/proc/self/ns/user"):
        found.append(("this kernel has no user namespaces", "a kernel with CONFIG_USER_NS=y is needed"))
    if _in_chroot():
        found.append(("this process runs in a chroot, where the kernel refuses them", "start sampan outside of the chroot"))
    return found


def _in_chroot() -> bool:
    """Whether / is no mount point of this process: then neither user namespaces nor pivot_root are granted."""
    try:
        with open("/proc/self/mountinfo", "rb") as stream:
            return not any(line.split(b" ")[4] == b"/" for line in stream)
    except (OSError, IndexError):
        return False
