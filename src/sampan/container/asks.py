"""Features that a request asks of an engine, each `must` or `prefer`, and what an engine can. On the start-up path.

An engine says what it *can* in one set of these words. A missing `must` is refused by name before anything starts; a
missing `prefer` costs one warning line. Nothing is silently dropped.
"""

from __future__ import annotations

from sampan.errors import CannotHonour

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.record import Record
    from sampan.container.request import Request

# What the words mean, for `doctor` and for sentences: "the engine x cannot ...".
FEATURES = {
    "shared-root": "start from a tree that other containers share",
    "memory-overlay": "throw away what is changed in the image",
    "kept-overlay": "keep what is changed in a layer of its own",
    "read-only-root": "keep the image unchanged",
    "private-copy": "start from a private copy",
    "binds": "make directories of the host visible",
    "read-only-binds": "make a directory of the host visible read-only",
    "tmpfs": "make an empty directory that vanishes",
    "bounded-tmpfs": "bound what an empty directory may hold",
    "other-user": "be another user inside",
    "root-user": "be root inside",
    "several-users": "have several real users inside",
    "noted-owners": "note owners that one id cannot have in the files themselves",
    "shown-owners": "show owners and modes of the image that the disk has not",
    "own-network": "cut off the network",
    "own-hostname": "have a host name of its own",
    "own-ipc": "have System V IPC and message queues of its own",
    "own-pid": "have processes of its own",
    "foreign-programs": "run programs of another architecture, and those that they start",
    "watcher": "stay beside what it starts, as a log, a time limit or a health check need",
    "health-checks": "run a health check in what it started",
    "limits": "set limits of resources",
    "small-dev": "show a small /dev",
    "landlock": "let the kernel refuse what lies outside of the image and the binds",
}


class Ask:
    """One feature that is wanted; `words` are the user's own for it, as `--network none`."""

    __slots__ = ("feature", "must", "words")

    def __init__(self, feature: str, words: str, *, must: bool) -> None:
        self.feature = feature
        self.words = words
        self.must = must


class Can:
    """What an engine can do on this host."""

    __slots__ = ("engine", "features")

    def __init__(self, engine: str, features: frozenset[str]) -> None:
        self.engine = engine
        self.features = features

    def missing(self, asks: tuple[Ask, ...]) -> list[Ask]:
        """The asks that it cannot meet."""
        return [ask for ask in asks if ask.feature not in self.features]


def check(asks: tuple[Ask, ...], can: Can) -> list[str]:
    """Warnings for the missing `prefer`s. Raises `CannotHonour` for a missing `must`."""
    warnings = []
    for ask in can.missing(asks):
        sentence = f"the engine {can.engine} cannot {FEATURES[ask.feature]} here"
        if ask.must:
            raise CannotHonour(f"{ask.words} is not possible: {sentence}", "`sampan doctor` says which engine can")
        warnings.append(f"{ask.words}: {sentence}")
    return warnings


def asks_of(record: Record) -> tuple[Ask, ...]:
    """What a record asks of an engine, in the user's words."""
    request = record.request
    found = [Ask("binds", "the default view of the host", must=True)] if not request.isolate else []
    if request.read_only:
        found.append(Ask("read-only-root", "--read-only", must=True))
    elif record.keep != "memory":  # without an overlay in memory the plan shows less that can be written, and says so
        found.append(Ask("kept-overlay" if record.keep == "overlay" else "private-copy", "a named container", must=True))
    volumes = [text.split(":")[2:] for text in request.volumes]
    read_only = any("ro" in flags[0].split(",") for flags in volumes if flags) or any(
        _is_read_only(text) for text in request.mounts
    )
    wanted = (
        (request.root, "root-user", "--root"),
        (request.user is not None, "other-user", "--user"),
        (request.subids, "several-users", "--subids"),
        (request.network == "none", "own-network", "--network none"),
        (request.hostname is not None or request.uts == "private", "own-hostname", "--hostname"),
        (request.isolate and request.ipc is None, "own-ipc", "--isolate"),
        (request.ipc == "private", "own-ipc", "--ipc private"),
        (request.isolate and request.pid is None, "own-pid", "--isolate"),
        (request.pid == "private", "own-pid", "--pid private"),
        (request.init, "own-pid", "--init"),
        (request.isolate and not _shows_dev(request), "small-dev", "--isolate"),
        (request.landlock, "landlock", "--landlock"),
        (request.timeout is not None, "watcher", "--timeout"),
        (request.memory is not None and request.limit_mode != "advisory", "watcher", "--memory"),
        (request.cpus is not None and request.limit_mode != "advisory", "watcher", "--cpus"),
        (request.health_command is not None, "health-checks", "--health-cmd"),
        (bool(request.limits), "limits", "--ulimit"),
        (request.cpuset is not None, "limits", "--cpuset-cpus"),
        (bool(request.volumes or request.mounts), "binds", "--volume"),
        (bool(request.tmpfs or request.shm_size), "tmpfs", "--tmpfs"),
        (request.shm_size is not None, "bounded-tmpfs", "--shm-size"),
        (_is_bounded(request), "bounded-tmpfs", "--tmpfs ...:size"),
        (read_only, "read-only-binds", "--volume ...:ro"),
    )
    return (*found, *(Ask(feature, words, must=True) for yes, feature, words in wanted if yes))


def _shows_dev(request: Request) -> bool:
    """Whether something else than a small /dev is at its place."""
    targets = [text.split(":")[1] if ":" in text else text for text in request.volumes]
    return "/dev" in targets or "/dev" in request.left_out


def _is_read_only(mount: str) -> bool:
    """Whether a text of `--mount` asks for a read-only one; what is wrong in it is said where it is read."""
    words = [word.strip('"') for word in mount.split(",")]
    flags = [word.partition("=") for word in words if word.partition("=")[0] in ("readonly", "ro")]
    return "type=image" in words or any(value.lower() not in ("false", "0") for _, _, value in flags)


def _is_bounded(request: Request) -> bool:
    """Whether an empty directory has a size."""
    return any("size=" in text.partition(":")[2] for text in request.tmpfs) or any("tmpfs-size=" in m for m in request.mounts)
