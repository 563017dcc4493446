"""What a payload sees of files: the default view, and what the user names. Pure; on the start-up path."""

from __future__ import annotations

from sampan.container import mounts, names, users
from sampan.container.mounts import Bind, File, ImageMount, Special, Tmpfs, covers
from sampan.errors import ImageNotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.facts import Facts
    from sampan.container.request import Request

    Mount = Bind | Tmpfs | File | Special

TMP = "/tmp"  # noqa: S108 - shared with the host on purpose, or inside
SMALL_SHM = 64 << 20


def mounts_of(request: Request, identity: users.Identity, facts: Facts, hostname: str | None) -> list[Mount]:
    """All mounts in the order in which they are made: outer ones first; what the user names replaces a default there and below.

    Raises `UsageError`, and `ImageNotFound` for an image mount whose image is not there.
    """
    named = named_mounts(request, facts)
    default = [*_tree(request, identity, facts), *_files(request, identity, facts, hostname)]
    left_out = request.left_out
    kept = [
        mount
        for mount in default
        if not any(covers(one.target, mount.target) for one in named) and not any(covers(one, mount.target) for one in left_out)
    ]
    return sorted([*kept, *named], key=lambda mount: mount.target.count("/"))


def named_mounts(request: Request, facts: Facts) -> list[Mount]:
    """What the options of the request mount."""
    found: list[Mount] = [mounts.parse_volume(text, facts.directory) for text in request.volumes]
    for text in request.mounts:
        mount = mounts.parse_mount(text, facts.directory)
        found.append(_image(mount, facts) if isinstance(mount, ImageMount) else mount)
    found += [mounts.parse_tmpfs(text) for text in request.tmpfs]
    if request.shm_size is not None:
        found.append(Tmpfs("/dev/shm", 0o1777, mounts.parse_size(request.shm_size, "--shm-size")))  # noqa: S108 - inside
    devices = [mounts.parse_device(text) for text in request.devices]
    found += [device for device in devices if request.isolate or device.source != device.target]
    seen: set[str] = set()
    for one in found:
        if one.target in seen:
            raise UsageError(f"two mounts have the target {one.target}", "name each target once")
        seen.add(one.target)
    return found


def _image(mount: ImageMount, facts: Facts) -> Bind:
    tree = facts.images.get(mount.reference)
    if tree is None:
        raise ImageNotFound(
            f"no image {mount.reference} in the store, for the mount at {mount.target}", f"sampan pull {mount.reference}"
        )
    return Bind(tree, mount.target, ("ro",))


def _tree(request: Request, identity: users.Identity, facts: Facts) -> list[Mount]:
    """Directories: of the host, or the bare ones of --isolate."""
    processes: Mount = Special("proc", "/proc") if own_pid(request) else Bind("/proc", "/proc")
    if request.isolate:
        found: list[Mount] = [Special("dev", "/dev"), processes, Bind("/sys", "/sys", ("ro", "optional"))]
        if request.user is None and not request.root and identity.home != "/" and identity.uid == facts.account.uid:
            found.append(Tmpfs(identity.home, 0o700))
        return found
    found = [Bind("/dev", "/dev"), processes, Bind("/sys", "/sys", ("optional",)), Bind(TMP, TMP, ("optional",))]
    if facts.account.home not in ("", "/"):
        found.append(Bind(facts.account.home, facts.account.home, ("optional",)))
    return found


def own_pid(request: Request) -> bool:
    """Whether the payload sees only its own processes."""
    return request.pid == "private" or request.init or (request.isolate and request.pid is None)


def _files(request: Request, identity: users.Identity, facts: Facts, hostname: str | None) -> list[Mount]:
    """Files of /etc: names of hosts, users and groups."""
    found: list[Mount] = []
    online = request.network != "none"
    if request.dns or request.dns_search:
        found.append(File("/etc/resolv.conf", names.resolver(request.dns, request.dns_search)))
    elif online:
        found.append(Bind("/etc/resolv.conf", "/etc/resolv.conf", ("optional",)))
    if hostname is None and not request.isolate and online and not request.add_hosts:
        found.append(Bind("/etc/hosts", "/etc/hosts", ("optional",)))
    else:
        base = facts.hosts if online and not request.isolate else names.LOCAL.encode()
        found.append(File("/etc/hosts", names.hosts(base, hostname, request.add_hosts)))
    if identity.uid == facts.account.uid and identity.name == facts.account.name:
        passwd = users.passwd_with(facts.passwd, identity)
        group = users.group_with(facts.group, facts.account.group, identity.gid)
        found += [File("/etc/passwd", passwd)] if passwd != facts.passwd else []
        found += [File("/etc/group", group)] if group != facts.group else []
    return found
