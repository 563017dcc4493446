"""`podman`: its command line as podman 4 has it, by the verbs of `compat.docker`. On the start-up path."""

from __future__ import annotations

from sampan.compat.docker import VERBS
from sampan.compat.program import Program
from sampan.options.table import FLAG, Option

PROGRAM = Program(
    "podman",
    "podman version 4.9.4",
    (Option("-v --version", FLAG, "print the version"),),
    VERBS,
    aliases={},
    refused={},
    misuse=125,
    failure=125,
)
