"""Images that are directories already, started where they are, without a copy: below a mounted /cvmfs, or anywhere else.

`cvmfs://NAME/PATH` is PATH below the place where the repository NAME is mounted; an absolute path is itself. Links are resolved once, so a
tag that is moved meanwhile does not change what runs. What the image wants to run stands in it: as the configuration that `sampan repo
publish` put there, else as the scripts of Apptainer, which DUCC and OSG's publisher leave there.
"""

from __future__ import annotations

import os

from sampan.container.record import IN_PLACE, ContainerImage
from sampan.errors import ImageNotFound, SampanError, UsageError, printable
from sampan.layers.beneath import read_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.runtime.session import Session

SCHEME = "cvmfs://"
CONFIG = b".singularity.d/oci-config.json"
ENVIRONMENT = b".singularity.d/env/10-docker2singularity.sh"
RUNSCRIPT = b".singularity.d/runscript"
_MAX_BYTES = 4 << 20


def is_in_place(text: str) -> bool:
    """Whether a person means a directory by this name of an image."""
    return text.startswith(("/", SCHEME))


def find(text: str, session: Session) -> ContainerImage:
    """The image in a directory. Raises `ImageNotFound`, `UsageError`."""
    path = text
    if text.startswith(SCHEME):
        from sampan.runtime import lazily

        fetched = lazily.find(text, session)
        if fetched is not None:
            return fetched
        name, slash, below = text[len(SCHEME) :].partition("/")
        if not name or not slash or not below.strip("/") or name in (".", ".."):
            raise UsageError(
                f"{printable(text[:200])!r} is not an image of a repository", "as in cvmfs://NAME/docker.io/library/debian:12"
            )
        path = os.path.join(session.settings.text("cvmfs_mounts"), name, below)
    where = os.path.realpath(path)
    if not os.path.isdir(where):
        mount = path.partition(f"/{name}/")[0] + f"/{name}" if text.startswith(SCHEME) else ""
        raise ImageNotFound(
            f"there is no image {printable(text[:200])}: {printable(path)} is no directory",
            f"is {mount} mounted? `ls {mount}` says so; the setting cvmfs_mounts says where repositories are" if mount else None,
        )
    return image_in(where, text)


def image_in(where: str, text: str) -> ContainerImage:
    """The image in the directory `where`, which was named as `text`. Raises `ProtocolError`."""
    found = document(where)
    platform = "/".join(str(found[key]) for key in ("os", "architecture", "variant") if found.get(key))
    return ContainerImage(text, "", "", IN_PLACE + where, platform, where, "")


def document(root: str) -> dict[str, object]:
    """The configuration of the image in a directory; one without any leaves all to the command line. Raises `ProtocolError`."""
    descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        data = _small(descriptor, CONFIG)
        if data is not None:
            from sampan.oci.document import read_document

            return read_document(data, f"the configuration in {printable(root)}")
        script = _small(descriptor, ENVIRONMENT) or b""
        entrypoint = ["/bin/sh", "/" + RUNSCRIPT.decode()] if _small(descriptor, RUNSCRIPT) is not None else []
    finally:
        os.close(descriptor)
    return {"config": {"Env": environment_of(script.decode("utf-8", "replace")), "Cmd": entrypoint}}


def _small(descriptor: int, path: bytes) -> bytes | None:
    try:
        return read_regular(descriptor, path, _MAX_BYTES)
    except (FileNotFoundError, SampanError):
        return None


def environment_of(script: str) -> list[str]:
    """The variables that a script of Apptainer or DUCC exports, a line each: `export NAME="${NAME:-"VALUE"}"`. Others are passed over."""
    found = []
    for line in script.splitlines():
        name, equals, text = line.strip().removeprefix("export ").partition("=")
        if not line.strip().startswith("export ") or not equals or "\0" in text:
            continue
        default = f'"${{{name}:-'
        if text.startswith(default) and text.endswith('}"'):
            text = text[len(default) : -2]
        if len(text) >= 2 and text[0] == text[-1] == '"':
            text = _unescaped(text[1:-1])
        elif len(text) >= 2 and text[0] == text[-1] == "'":
            text = text[1:-1]
        found.append(f"{name}={text}")
    return found


def _unescaped(text: str) -> str:
    """What stands between double quotes of a shell; substitutions, which nobody wants to carry out here, stay as they are."""
    parts = []
    at = 0
    while at < len(text):
        if text[at] == "\\" and text[at + 1 : at + 2] in ('"', "\\", "$", "`"):
            at += 1
        parts.append(text[at])
        at += 1
    return "".join(parts)
