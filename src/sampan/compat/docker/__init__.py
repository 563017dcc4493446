"""`docker`: its command line as Docker 27 has it, served without a daemon.

The tables of verbs are here, the verbs themselves in the modules they name; `podman` shares them. On the start-up path.
"""

from __future__ import annotations

from sampan.compat.program import Program
from sampan.options.table import FLAG, Option

VERBS = {"version": "sampan.compat.docker.about", "run": "sampan.compat.docker.run", "create": "sampan.compat.docker.run"}

PROGRAM = Program(
    "docker",
    "Docker version 27.5.1, build sampan",
    (Option("-v --version", FLAG, "print the version"),),
    VERBS,
    aliases={},
    refused={},
    misuse=125,
    failure=1,
    failures={"run": 125},
)
