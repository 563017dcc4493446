"""Users inside: `-u` in all its forms against the image's passwd and group, and the files a container sees.

Only the bytes of passwd(5) and group(5) are read, never the image's name service. Pure; on the start-up path.
"""

from __future__ import annotations

from sampan.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.facts import Facts
    from sampan.container.request import Request
    from sampan.oci.config import ImageConfig

MAX_ID = (1 << 32) - 2
MAX_GROUPS = 64  # of the launch file


class Identity:
    """Who the payload is inside."""

    __slots__ = ("gid", "home", "name", "uid")

    def __init__(self, uid: int, gid: int, name: str, home: str) -> None:
        self.uid = uid
        self.gid = gid
        self.name = name
        self.home = home


def entries(raw: bytes, least: int) -> list[list[str]]:
    """The lines of a passwd or group file with at least `least` fields; others are passed over, as libc does."""
    lines = (line.split(":") for line in raw.decode("utf-8", "surrogateescape").splitlines() if line and line[0] not in "#+-")
    return [fields for fields in lines if len(fields) >= least and fields[0] and fields[2].isdigit()]


def resolve(text: str, passwd: bytes, group: bytes) -> Identity:
    """`USER[:GROUP]`, names or numbers, as Docker reads them: a number needs no entry, a name does. Raises `UsageError`."""
    user, colon, primary = text.partition(":")
    users = entries(passwd, 7)
    found = next((fields for fields in users if fields[0] == user), None)
    if found is None and user.isdigit():
        found = next((fields for fields in users if fields[2] == str(int(user))), [user, "x", user, "0", "", "/", ""])
    if found is None:
        names = ", ".join(fields[0] for fields in users[:8])
        raise UsageError(f"the image has no user {user!r}", f"it has {names}" if names else "it has no passwd; give a number")
    gid = _number(primary, entries(group, 4)) if colon and primary else found[3]
    if not gid.isdigit() or int(found[2]) > MAX_ID or int(gid) > MAX_ID:
        raise UsageError(f"{text!r} is not a user: ids go from 0 to {MAX_ID}")
    return Identity(int(found[2]), int(gid), found[0], found[5] or "/")


def _number(group: str, groups: list[list[str]]) -> str:
    found = next((fields[2] for fields in groups if fields[0] == group), None)
    if found is None and not group.isdigit():
        raise UsageError(f"the image has no group {group!r}", "give a number")
    return found or group


def named_user(request: Request, config: ImageConfig) -> str | None:
    """Whom a request names, `USER[:GROUP]`; `None` if the payload is the caller."""
    if request.root:
        return "0:0"
    images = config.user if request.user is None and request.isolate and config.user else request.user
    return "0:0" if images is None and request.subids else images


def identity_of(request: Request, config: ImageConfig, facts: Facts) -> Identity:
    """Who the payload is. Raises `UsageError`."""
    text = named_user(request, config)
    if text is None:
        account = facts.account
        return Identity(account.uid, account.gid, account.name, account.home or "/")
    found = resolve(text, facts.passwd, facts.group)
    return Identity(0, 0, "root", "/root") if request.root else found


def groups_of(who: Identity, group: bytes) -> tuple[int, ...]:
    """The groups that the image's group file puts a user into, beside its own."""
    found = {int(fields[2]) for fields in entries(group, 4) if who.name in fields[3].split(",")}
    return tuple(sorted(found - {who.gid}))[:MAX_GROUPS]


def passwd_with(passwd: bytes, who: Identity, shell: str = "/bin/sh") -> bytes:
    """The image's passwd in which `who` is the first with its id and the only one with its name."""
    if any(f[0] == who.name and f[2:4] == [str(who.uid), str(who.gid)] for f in entries(passwd, 7)[:1]):
        return passwd
    line = f"{who.name}:x:{who.uid}:{who.gid}:{who.name}:{who.home}:{shell}\n"
    return _with_line(passwd, who.name, line)


def group_with(group: bytes, name: str, gid: int) -> bytes:
    """The image's group file in which `gid` has this name, unless it has one."""
    if any(fields[2] == str(gid) for fields in entries(group, 4)):
        return group
    return _with_line(group, name, f"{name}:x:{gid}:\n")


def _with_line(raw: bytes, name: str, line: str) -> bytes:
    rest = [old for old in raw.split(b"\n") if old and old.partition(b":")[0] != name.encode("utf-8", "surrogateescape")]
    return line.encode("utf-8", "surrogateescape") + b"".join(old + b"\n" for old in rest)


# For programs whose containers are root's unless somebody else is named.
_ROOT = ("0", "root", "0:0", "root:root", "0:root", "root:0")


def is_root(user: str | None, config: ImageConfig) -> bool:
    """Whether root is meant, by the user that is asked for or, if none is, by the image."""
    return (user is None and not config.user) or user in _ROOT


def with_user(request: Request, config: ImageConfig, *, keep_id: str = "") -> Request:
    """Root, unless the request or the image names another user; with podman's `keep-id` the caller, whose ids `keep_id` are."""
    if keep_id and request.user is None:
        return request.but(user=keep_id) if config.user else request
    return request.but(user=None, root=True) if is_root(request.user, config) else request
