"""What `plan` has to know about the host and the image's files: filled by `runtime`, read by a pure function.

On the start-up path.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.host.accounts import Account
    from sampan.host.foreign import Foreign


class Facts:
    """Facts of one start."""

    __slots__ = (
        "account",
        "apt",
        "cgroup",
        "directory",
        "environment_files",
        "foreign",
        "group",
        "hosts",
        "images",
        "map_tools",
        "memory",
        "owners",
        "passwd",
        "terminal",
    )

    def __init__(
        self,
        account: Account,
        directory: str,
        *,
        passwd: bytes = b"",
        group: bytes = b"",
        hosts: bytes = b"",
        environment_files: tuple[tuple[str, bytes], ...] = (),
        images: tuple[tuple[str, str], ...] = (),
        memory: int = 1 << 30,
        cgroup: str = "",
        foreign: Foreign | None = None,
        terminal: bool = False,
        owners: tuple[str, str] | None = None,
        apt: bool = False,
        map_tools: tuple[str, str] | None = None,
    ) -> None:
        self.account = account  # who calls
        self.directory = directory  # the caller's directory
        self.passwd = passwd  # the image's /etc/passwd, empty if there is none
        self.group = group  # the image's /etc/group
        self.hosts = hosts  # the host's /etc/hosts, read only where it is needed
        self.environment_files = environment_files  # (path, content) of each --env-file
        self.images = dict(images)  # reference -> tree, of the images that are mounted
        self.cgroup = cgroup  # a control group made for this start; empty if none is delegated, or none is needed
        self.foreign = foreign  # how the image's architecture is run, where this machine does not run it by itself
        self.memory = memory  # bytes that changes in memory may take at most
        self.owners = owners  # (journal of noted owners, file of the image's), each may be empty; None: the payload is never root
        self.map_tools = map_tools  # newuidmap and newgidmap, where the container has several ids
        self.apt = apt  # whether the image has apt, which would become another user
        self.terminal = terminal  # whether standard input is a terminal
