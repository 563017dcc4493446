"""`docker`: its command line as Docker 28 has it, served without a daemon.

The tables of verbs are here, the verbs themselves in the modules they name; podman has them too. On the start-up path.
"""

from __future__ import annotations

import os

from sampan.compat.program import Program
from sampan.errors import UsageError
from sampan.options.table import FLAG, LIST, VALUE, Option

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
    ),
    VERBS,
    more=("sampan.compat.docker.unserved",),
    prepare=prepare,
    misuse=125,
    failure=1,
    failures={"run": 125},
)
