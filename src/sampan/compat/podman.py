"""`podman`: its command line as podman 4 has it, by the verbs of `compat.docker` and a few of its own. On the start-up path.

Where the two programs print or fail differently, the verbs look at `call.program`.
"""

from __future__ import annotations

import os

from sampan.compat.docker import VERBS
from sampan.compat.program import Program
from sampan.errors import UsageError
from sampan.options.table import FLAG, VALUE, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.compat.program import Call

_OWN = {
    "container exists": "sampan.compat.docker.inspect",
    "image exists": "sampan.compat.docker.inspect", "volume exists": "sampan.compat.docker.inspect",
    "network exists": "sampan.compat.docker.networks",
}  # fmt: skip


def prepare(call: Call) -> None:
    """Refuse what names a service elsewhere. Raises `UsageError`."""
    named = call.options.text("url") or call.options.text("connection") or os.environ.get("CONTAINER_HOST", "")
    if named or call.options.flag("remote"):
        raise UsageError(f"{named or '--remote'} names a service of podman, and sampan works without one", "leave it away")
    if call.options.text("log_level") in ("debug", "trace"):
        call.context = call.context.but(level=2)


PROGRAM = Program(
    "podman",
    "podman version 4.9.4",
    (
        Option("-v --version", FLAG, "print the version"),
        Option("--log-level", VALUE, "debug says more", "LEVEL"),
        Option("--host --url", VALUE, "refused: there is no service", "URL"),
        Option("-c --connection", VALUE, "refused: there is no service", "NAME"),
        Option("-r --remote", FLAG, "refused: there is no service"),
    ),
    {**VERBS, **_OWN},
    prepare=prepare,
    more=("sampan.compat.podman_more", "sampan.compat.docker.unserved"),
    misuse=125,
    failure=125,
    failures={"rm": 1, "rmi": 1, "volume rm": 1},
)
