"""`udocker`: its command line as udocker 1.3.17 has it, for people and tools that call it. On the start-up path.

Images and containers are those of a store of sampan's: with a repository that is stated (`--repo`, UDOCKER_DIR, `topdir`) the store
`sampan` in it, else the user's own. What udocker itself has left in the repository is seen too, and taken over when it is used
(`repository`). Nothing is installed, and no engine is downloaded.
"""

from __future__ import annotations

import os

from sampan.compat.program import Program
from sampan.errors import ContainerNotFound
from sampan.options.table import FLAG, VALUE, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.compat.program import Call
    from sampan.container.record import Record
    from sampan.runtime.session import Session

VERSION = "1.3.17"
SYSTEM_FILE = "/etc/udocker.conf"
_HERE = "sampan.compat.udocker"
VERBS = {
    "run": f"{_HERE}.run", "pull": f"{_HERE}.remote", "create": f"{_HERE}.create", "ps": f"{_HERE}.ps", "images": f"{_HERE}.images", "rm": f"{_HERE}.containers",
    "rmi": f"{_HERE}.images", "name": f"{_HERE}.containers", "rmname": f"{_HERE}.containers", "rename": f"{_HERE}.containers",
    "clone": f"{_HERE}.create", "inspect": f"{_HERE}.inspect", "verify": f"{_HERE}.images", "tag": f"{_HERE}.images", "protect": f"{_HERE}.containers",
    "unprotect": f"{_HERE}.containers", "setup": f"{_HERE}.containers", "search": f"{_HERE}.remote", "manifest inspect": f"{_HERE}.remote",
    "login": f"{_HERE}.remote", "logout": f"{_HERE}.remote", "load": f"{_HERE}.archives", "save": f"{_HERE}.archives",
    "import": f"{_HERE}.archives", "export": f"{_HERE}.archives", "mkrepo": f"{_HERE}.about", "install": f"{_HERE}.about",
    "version": f"{_HERE}.about", "showconf": f"{_HERE}.about",
}  # fmt: skip
_NO_DETACHED = "udocker runs containers in the foreground; `sampan run -d` or the shim `docker` run them in the background"
REFUSED = {
    **dict.fromkeys(("exec", "start", "stop", "kill", "logs", "attach"), _NO_DETACHED),
    "build": "sampan builds no images from a Dockerfile; buildah or podman build them, and `sampan load` takes them",
    "push": "udocker sends no images; `sampan push` does",
}
UUID = (8, 4, 4, 4, 12)


def prepare(call: Call) -> None:
    """Settings by udocker's configuration, its variables and the options before the verb. Raises `UsageError`, `BadSetting`."""
    if not _is_plain(call):
        from sampan.compat.udocker import configuration

        configuration.apply(call)
    elif call.options.flag("quiet") or call.options.flag("debug"):
        call.context = call.context.but(level=0 if call.options.flag("quiet") else 2)


def _is_plain(call: Call) -> bool:
    """Whether nothing is configured: then a start does without the module that reads it, and without what reads udocker's repository."""
    home = default_repository()
    return (
        not any(call.options.values[name] for name in ("repo", "config", "insecure"))
        and not any(name.startswith("UDOCKER_") for name in os.environ)
        and not any(map(os.path.exists, (SYSTEM_FILE, home)))
    )


def default_repository() -> str:
    """Where udocker keeps its own, unless something else is said."""
    return os.path.join(os.environ.get("HOME") or os.path.expanduser("~"), ".udocker")


def shown_id(id: str) -> str:
    """Our id as udocker shows its own: the beginning, as a UUID."""
    parts, at = [], 0
    for length in UUID:
        parts.append(id[at : at + length])
        at += length
    return "-".join(parts)


def find(text: str, session: Session) -> Record:
    """The container of a name or a whole id. Raises `ContainerNotFound`: a part of an id may be the name of an image."""
    from sampan.container import shelf

    if [len(part) for part in text.split("-")] == list(UUID):
        return shelf.find(session.store, session.sites, text.replace("-", ""))
    if len(text) != shelf.ID_LENGTH and not shelf.is_taken(session.store, text):
        raise ContainerNotFound(f"there is no container {text!r}", "see `udocker ps`")
    return shelf.find(session.store, session.sites, text)


PROGRAM = Program(
    "udocker",
    f"version: {VERSION} (sampan)",
    (
        Option("-V --version", FLAG, "print the version"),
        Option("-D --debug", FLAG, "say more"),
        Option("-q --quiet", FLAG, "say errors only"),
        Option("--insecure", FLAG, "registries are reached by plain http, certificates are not looked at"),
        Option("--repo", VALUE, "another repository", "DIRECTORY"),
        Option("--config", VALUE, "a file of the configuration", "FILE"),
        Option("--allow-root", FLAG, "accepted: root may use it"),
    ),
    VERBS,
    aliases={"listconf": "showconf"},
    refused=REFUSED,
    prepare=prepare,
    more=(f"{_HERE}.seldom",),
    misuse=1,
    failure=1,
)
