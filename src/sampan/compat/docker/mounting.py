"""What `docker run` names of files: volumes by their names, sources that are missing, places that stay writable. On the start-up path.

Imported only where there is such an option.
"""

from __future__ import annotations

import os

from sampan.compat import mount_points
from sampan.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.record import ContainerImage
    from sampan.container.request import Request
    from sampan.runtime.session import Session


def with_volumes(request: Request, image: ContainerImage, session: Session, *, make_sources: bool, throw_away: bool) -> Request:
    """The request with paths for the names of volumes; `make_sources`: missing directories of the host are made, as Docker does.

    A target alone (`-v /data`) is Docker's anonymous volume: where the image has it and it can be written, part of what the container
    itself keeps; else a volume without a name, or with `throw_away` a directory in memory.
    """
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
            target = rest.partition(":")[0]
            _check_target(target)
            volumes.append(f"{_volume(source, target, image, session)}:{rest}")
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
    found = request.but(volumes=tuple(volumes), mounts=tuple(mounts), tmpfs=tuple(tmpfs))
    mount_points.make(found)
    return found


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
