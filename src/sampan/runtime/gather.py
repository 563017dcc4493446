"""Facts of this host and of an image's files for a plan. On the start-up path."""

from __future__ import annotations

import os

from sampan.container.facts import Facts
from sampan.container.mounts import ImageMount, parse_mount
from sampan.errors import HostError, UsageError
from sampan.host import foreign, memory
from sampan.host.accounts import caller
from sampan.host.runtime_directory import runtime_directory
from sampan.layers.beneath import read_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.record import Record
    from sampan.host.foreign import Foreign
    from sampan.runtime.session import Session

MAX_FILE = 1 << 20
APT_DIRECTORY = "etc/apt/apt.conf.d"


def facts(record: Record, session: Session) -> Facts:
    """What a plan for `record` needs. Image files are opened beneath their root only, never followed out of it."""
    request = record.request
    needs_hosts = (
        (request.hostname or request.add_hosts or request.uts == "private") and request.network != "none" and not request.isolate
    )
    return Facts(
        caller(os.environ),
        current_directory(),
        passwd=_image_file(record, b"etc/passwd"),
        group=_image_file(record, b"etc/group"),
        hosts=_host_file("/etc/hosts") if needs_hosts else b"",
        environment_files=tuple((path, _environment_file(path)) for path in request.environment_files),
        images=_mounted_images(record, session) if request.mounts else (),
        cgroup=_cgroup(record) if request.memory or request.cpus else "",
        foreign=_foreign(record),
        memory=max(memory.available() // 2, 1 << 20) if record.keep == "memory" else 0,
        terminal=os.isatty(0),
        owners=_owners(record, session),
        map_tools=_map_tools(record),
        apt=_may_be_root(record) and os.path.isdir(f"{record.image.tree}/{APT_DIRECTORY}"),
    )


def _map_tools(record: Record) -> tuple[str, str] | None:
    if record.ids is None:
        return None
    from sampan.host import subids

    return subids.tools()


def _may_be_root(record: Record) -> bool:
    """Whether the payload can be root under one id."""
    request = record.request
    user = (request.user or "").partition(":")[0]
    return record.ids is None and (request.root or user in ("0", "root") or os.getuid() == 0)


def _owners(record: Record, session: Session) -> tuple[str, str] | None:
    """Where owners are noted, and where those of the image stand."""
    if not _may_be_root(record):
        return None
    of_image = ""
    if record.image.tree and not record.image.is_in_place:
        chain = record.image.chain.rpartition(":")[2]
        of_image = os.path.join(runtime_directory(session.settings.text("runtime_dir")), f"owners.{chain}")
        if record.keep == "memory" and os.path.exists(of_image):  # made by an earlier start, as it mostly is
            return "", of_image
    from sampan.runtime import owners

    return owners.places(record, of_image)


def _foreign(record: Record) -> Foreign | None:
    """How the image's architecture is run, if this machine does not run it by itself. Raises `HostError` if nothing does."""
    architecture = record.image.platform.split("/")[1] if record.image.platform.count("/") else ""
    if not architecture or foreign.runs_natively(architecture):
        return None
    found = foreign.find(architecture)
    if found is None:
        raise HostError(
            f"{record.image.reference} is an image for {record.image.platform}, and this machine cannot run it",
            "install qemu-user-static, or choose another image with --platform",
        )
    return found


def _mounted_images(record: Record, session: Session) -> tuple[tuple[str, str], ...]:
    """The trees of the images that `--mount type=image` names, as far as they are in a store."""
    from sampan.runtime.images import find

    mounts = [mount for mount in (parse_mount(text, "/") for text in record.request.mounts) if isinstance(mount, ImageMount)]
    found = [(mount.reference, find(mount.reference, session)) for mount in mounts]
    return tuple((reference, image.tree) for reference, image in found if image is not None)


def _cgroup(record: Record) -> str:
    """A control group for this start with its bounds set, below one that is delegated to this user; empty if none is."""
    from sampan.container.limits import parse_memory, parse_share
    from sampan.host import cgroups

    request = record.request
    memory_bytes = parse_memory(request.memory) if request.memory else None
    return cgroups.bounded(f"sampan-{record.id[:12]}", memory_bytes, parse_share(request.cpus) if request.cpus else None)


def current_directory() -> str:
    """The caller's directory; `/` if it was removed or cannot be read."""
    try:
        return os.getcwd()
    except OSError:
        return "/"


def _image_file(record: Record, path: bytes) -> bytes:
    """A small regular file as the container will see it: its own changes first, then the image."""
    places = [f"{record.directory}/upper"] if record.keep == "overlay" else []
    copy = f"{record.directory}/rootfs"
    places.append(copy if record.keep == "copy" and os.path.isdir(copy) else record.image.tree)  # for --dry-run none is made
    for place in places:
        found = _read(place, path)
        if found is not None:
            return found.replace(b"\0", b"")  # a launch file cannot carry it, and no passwd has it
    return b""


def _read(place: str, path: bytes) -> bytes | None:
    try:
        descriptor = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return read_regular(descriptor, path, MAX_FILE)
    except FileNotFoundError:
        return None
    finally:
        os.close(descriptor)


def _host_file(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(MAX_FILE)
    except OSError:
        return b""


def _environment_file(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            raw = stream.read(MAX_FILE + 1)
    except OSError as error:
        raise UsageError(f"cannot read the environment file {path}: {error.strerror}") from error
    if len(raw) > MAX_FILE:
        raise UsageError(f"the environment file {path} is larger than {MAX_FILE} bytes")
    return raw
