"""From the words of `docker run` to a request: Docker's view, networks, ports, volumes and users. On the start-up path."""

from __future__ import annotations

import os

from sampan.container.request import FLAGS, TEXT, TEXTS, Request
from sampan.errors import CannotHonour, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.record import ContainerImage
    from sampan.oci.config import ImageConfig
    from sampan.options.table import Parsed
    from sampan.runtime.session import Session

HOST_NETWORKS = ("host", "bridge", "default", "private", "slirp4netns", "pasta", "")
_NETWORKS = "the network is the host's, or none: --network host, --network none"


def request_of(parsed: Parsed) -> Request:
    """The request, which still names volumes by their names. Raises `UsageError`."""
    values = parsed.values
    fields = {field: values.get(name) for field, name in {**TEXTS, **TEXT, **FLAGS}.items()}
    fields.update(
        isolate=True, limit_mode="advisory", userns=None, network=_network(parsed.text("net")),
        pid=_own_or_host(parsed, "pid"), ipc=_own_or_host(parsed, "ipc"), uts=_own_or_host(parsed, "uts"),
        labels=(*_labels(parsed.texts("label_file")), *parsed.texts("label")),
        interactive=bool(values["interactive"]) or "stdin" in [word.lower() for word in parsed.texts("attach")],
    )  # fmt: skip
    for text in parsed.texts("publish"):
        _check_port(text)
    if values.get("tz"):
        fields["environment"] = (*parsed.texts("env"), f"TZ={_zone(str(values['tz']))}")
    return Request(str(values["image"]), **fields)


def _zone(text: str) -> str:
    """The name of a zone; `local` is this machine's."""
    if text != "local":
        return text
    found = os.path.realpath("/etc/localtime").partition("/zoneinfo/")[2]
    return found or "UTC"


def with_user(request: Request, config: ImageConfig, *, keep_id: bool = False) -> Request:
    """Root, unless the request or the image names another user; with podman's `keep-id` the caller."""
    user = request.user
    if keep_id and user is None:
        return request.but(user=f"{os.getuid()}:{os.getgid()}") if config.user else request
    if (user is None and not config.user) or user in ("0", "root", "0:0", "root:root", "0:root", "root:0"):
        return request.but(user=None, root=True)
    return request


def with_volumes(request: Request, image: ContainerImage, session: Session, *, make_sources: bool, throw_away: bool) -> Request:
    """The request with paths for the names of volumes; `make_sources`: missing directories of the host are made, as Docker does.

    A target alone (`-v /data`) is Docker's anonymous volume: where the image has it and it can be written, part of what the container
    itself keeps; else a volume without a name, or with `throw_away` a directory in memory.
    """
    if not request.volumes and not request.mounts:
        return request
    volumes: list[str] = []
    mounts: list[str] = []
    tmpfs = list(request.tmpfs)
    for text in request.volumes:
        source, colon, rest = text.partition(":")
        if not colon:
            _check_target(text)
            if request.read_only or not os.path.lexists(f"{image.tree}{text}"):
                if throw_away:
                    tmpfs.append(text)
                else:
                    volumes.append(f"{_volume(os.urandom(32).hex(), text, image, session)}:{text}")
        elif source[:1] in ("/", "."):
            if make_sources:
                _make_source(source)
            volumes.append(text)
        else:
            volumes.append(f"{_volume(source, rest.partition(':')[0], image, session)}:{rest}")
    for text in request.mounts:
        named = _named_mount(text)
        if named is None:
            mounts.append(text)
            continue
        source, target, read_only = named
        if source:
            volumes.append(f"{_volume(source, target, image, session)}:{target}{':ro' if read_only else ''}")
        elif request.read_only:
            tmpfs.append(target)
    return request.but(volumes=tuple(volumes), mounts=tuple(mounts), tmpfs=tuple(tmpfs))


WRITABLE = ("/tmp", "/run", "/var/tmp")  # noqa: S108 - inside


def with_writable_places(request: Request) -> Request:
    """The request with directories in memory where podman has them over a read-only image, but for what is mounted there anyway."""
    targets = [text.split(":")[1] for text in request.volumes if ":" in text] + [text.partition(":")[0] for text in request.tmpfs]
    for text in request.mounts:
        words = dict(word.partition("=")[::2] for word in text.split(","))
        targets += [words[key] for key in ("target", "dst", "destination") if key in words]
    free = [place for place in WRITABLE if not any(f"{place}/".startswith(f"{target.rstrip('/')}/") for target in targets)]
    return request.but(tmpfs=(*request.tmpfs, *free))


def _volume(name: str, target: str, image: ContainerImage, session: Session) -> str:
    from sampan.runtime import volumes

    found = volumes.find(name, session) or volumes.create(name, session)
    volumes.fill(found, target, image, session)
    return found.directory


def _named_mount(text: str) -> tuple[str, str, bool] | None:
    """(name, target, read-only) of a `--mount` of a volume; `None` for other types, which have paths. Raises `UsageError`."""
    words = [word.partition("=") for word in text.split(",")]
    found = {
        {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}.get(key, key): value if equals else "true"
        for key, equals, value in words
    }
    if found.get("type", "volume") != "volume":
        return None
    target = found.get("target", "")
    _check_target(target)
    return found.get("source", ""), target, found.get("readonly", "false").lower() in ("true", "1")


def _check_target(target: str) -> None:
    if not target.startswith("/"):
        raise UsageError(f"{target!r} is no path in the container: it has to be absolute", "write -v SOURCE:/TARGET")


def _make_source(source: str) -> None:
    if not os.path.lexists(source):
        try:
            os.makedirs(source, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--volume: {source} is not there and cannot be made: {error.strerror}") from error


def _network(text: str | None) -> str | None:
    if text is None or text.partition(":")[0] in HOST_NETWORKS:
        return None
    if text == "none":
        return "none"
    raise CannotHonour(f"--network {text} is not possible: {_NETWORKS}")


def _own_or_host(parsed: Parsed, name: str) -> str | None:
    text = parsed.text(name)
    if text in (None, "", "private", "shareable", "none"):
        return None
    if text == "host":
        return "host"
    raise CannotHonour(f"--{name} {text} is not possible: it is the container's own, or the host's (--{name} host)")


def _check_port(text: str) -> None:
    """A port that is the same inside and outside is open in any case. Raises `CannotHonour` for another, `UsageError`."""
    ports, _, protocol = text.partition("/")
    parts = ports.rpartition("]")[2].split(":")
    if protocol not in ("", "tcp", "udp", "sctp") or not all(part.replace("-", "").isdigit() for part in parts[-1:]):
        raise UsageError(f"--publish {text!r} is not [ADDRESS:]PORT:PORT")
    if len(parts) > 1 and parts[-2] not in ("", parts[-1]):
        raise CannotHonour(
            f"--publish {text} is not possible: the network is the host's, so port {parts[-1]} of the container is port {parts[-1]} here",
            "let the program listen on the port that is wanted outside",
        )


def _labels(paths: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for path in paths:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as stream:
                found += [line.strip() for line in stream if line.strip() and not line.startswith("#")]
        except OSError as error:
            raise UsageError(f"--label-file: cannot read {path}: {error.strerror}") from error
    return found
