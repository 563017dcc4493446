"""`docker`: its command line as Docker 28 has it, served without a daemon.

The tables of verbs are here, the verbs themselves in the modules they name; podman has them too. On the start-up path.
"""

from __future__ import annotations

import os

from sampan.compat.program import Program
from sampan.errors import UsageError
from sampan.options.table import FLAG, LIST, VALUE, Option
from sampan.options.unserved import SILENT, Unserved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.compat.program import Call

_HERE = "sampan.compat.docker"
VERBS = {
    "run": f"{_HERE}.run", "create": f"{_HERE}.run", "exec": f"{_HERE}.exec", "ps": f"{_HERE}.ps", "images": f"{_HERE}.images",
    "pull": f"{_HERE}.remote", "push": f"{_HERE}.remote", "login": f"{_HERE}.remote", "logout": f"{_HERE}.remote", "search": f"{_HERE}.remote",
    "start": f"{_HERE}.life", "stop": f"{_HERE}.life", "restart": f"{_HERE}.life", "kill": f"{_HERE}.life", "pause": f"{_HERE}.life",
    "unpause": f"{_HERE}.life", "wait": f"{_HERE}.life", "rm": f"{_HERE}.life", "rename": f"{_HERE}.life", "attach": f"{_HERE}.life",
    "port": f"{_HERE}.life", "logs": f"{_HERE}.looks", "top": f"{_HERE}.looks", "stats": f"{_HERE}.looks", "inspect": f"{_HERE}.inspect",
    "cp": f"{_HERE}.archives", "diff": f"{_HERE}.archives", "commit": f"{_HERE}.archives", "save": f"{_HERE}.archives",
    "load": f"{_HERE}.archives", "import": f"{_HERE}.archives", "export": f"{_HERE}.archives", "tag": f"{_HERE}.images",
    "rmi": f"{_HERE}.images", "history": f"{_HERE}.images", "version": f"{_HERE}.about", "info": f"{_HERE}.info", "events": f"{_HERE}.events",
    "container inspect": f"{_HERE}.inspect", "container prune": f"{_HERE}.life", "image inspect": f"{_HERE}.inspect",
    "image prune": f"{_HERE}.images", "volume create": f"{_HERE}.volumes", "volume ls": f"{_HERE}.volumes",
    "volume inspect": f"{_HERE}.volumes", "volume rm": f"{_HERE}.volumes", "volume prune": f"{_HERE}.volumes",
    "network ls": f"{_HERE}.networks", "network inspect": f"{_HERE}.networks", "system df": f"{_HERE}.about", "system prune": f"{_HERE}.about",
    "context ls": f"{_HERE}.about", "context show": f"{_HERE}.about",
}  # fmt: skip
_OF_CONTAINERS = [
    "run",
    "create",
    "exec",
    "start",
    "stop",
    "restart",
    "kill",
    "pause",
    "unpause",
    "wait",
    "rm",
    "rename",
    "attach",
    "port",
    "logs",
    "top",
    "stats",
    "cp",
    "diff",
    "commit",
    "export",
]
ALIASES = {
    **{f"container {verb}": verb for verb in _OF_CONTAINERS},
    **{f"image {verb}": verb for verb in ("pull", "push", "tag", "history", "save", "load", "import")},
    "container ls": "ps", "container list": "ps", "container ps": "ps", "image ls": "images", "image list": "images", "image rm": "rmi",
    "image remove": "rmi", "volume list": "volume ls", "volume remove": "volume rm", "network list": "network ls", "system info": "info",
    "system events": "events", "context list": "context ls", "container remove": "rm",
}  # fmt: skip
_NO_BUILD = "sampan builds no images from a Dockerfile; buildah or podman build them, and `sampan load` takes them"
_NO_DAEMON = "it needs Docker's daemon, and sampan works without one"
_NO_NETWORKS = "containers are in the host's network, or in none"
REFUSED = {
    "build": _NO_BUILD, "buildx": _NO_BUILD, "builder": _NO_BUILD, "image build": _NO_BUILD, "compose": "several containers are started one by one",
    "network create": _NO_NETWORKS, "network rm": _NO_NETWORKS, "network connect": _NO_NETWORKS, "network disconnect": _NO_NETWORKS,
    "network prune": _NO_NETWORKS, "update": "what a container may use is said when it is started", "context use": _NO_DAEMON,
    "context create": _NO_DAEMON, "checkpoint": "a process cannot be frozen to disk without root", "manifest": "sampan's own `pull --all-platforms` and `push` keep an index as it is",
    "container update": "what a container may use is said when it is started",
    **dict.fromkeys(("context export", "context import", "context inspect", "context rm", "context update", "volume update"), _NO_DAEMON),
    **dict.fromkeys(("swarm", "service", "stack", "node", "secret", "config", "plugin", "trust", "dial-stdio"), _NO_DAEMON),
}  # fmt: skip


def prepare(call: Call) -> None:
    """Refuse what names a daemon. Raises `UsageError`."""
    context = call.options.text("context")
    for name, value in (
        ("DOCKER_HOST", os.environ.get("DOCKER_HOST")),
        ("--context", context),
        ("DOCKER_CONTEXT", os.environ.get("DOCKER_CONTEXT")),
    ):
        if value and not (name != "DOCKER_HOST" and value == "default"):
            raise UsageError(
                f"{name} {value} names a daemon, and sampan works without one",
                "leave it away" if name[0] == "-" else f"unset {name}",
            )
    if call.options.texts("host"):
        raise UsageError(f"--host {call.options.texts('host')[0]} names a daemon, and sampan works without one", "leave it away")
    if call.options.flag("debug"):
        call.context = call.context.but(level=2)


PROGRAM = Program(
    "docker",
    "Docker version 28.2.2, build sampan",
    (
        Option("-v --version", FLAG, "print the version"),
        Option("-D --debug", FLAG, "say more"),
        Option("-H --host", LIST, "refused: there is no daemon", "SOCKET"),
        Option("-c --context", VALUE, "refused: there is no daemon", "NAME"),
        Unserved("--config", VALUE, SILENT, "passwords are those of podman and docker"),
        Unserved("-l --log-level", VALUE, SILENT, ""),
        Unserved("--tls", FLAG, SILENT, ""),
        Unserved("--tlsverify", FLAG, SILENT, ""),
    ),
    VERBS,
    aliases=ALIASES,
    refused=REFUSED,
    prepare=prepare,
    misuse=125,
    failure=1,
    failures={"run": 125},
)
