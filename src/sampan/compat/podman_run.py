"""`podman run` and `podman create`: Docker's, and the options that only podman has. On the start-up path."""

from __future__ import annotations

from sampan.compat.docker.run import CREATE, RUN, create, run_
from sampan.container.request import IMAGE_ARGUMENTS
from sampan.options.table import FLAG, VALUE, Command, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.compat.program import Verbs

_OWN = (
    Option("--userns", VALUE, "`keep-id`: be yourself inside", "MODE"),
    Option(
        "--pull",
        VALUE,
        "when to ask the registry",
        "missing|always|never|newer",
        ("missing", "always", "never", "newer", "true", "false"),
    ),
    Option("--replace", FLAG, "remove a container of this name first"),
    Option("--timeout", VALUE, "end it after so many seconds", "SECONDS"),
    Option("--env-host", FLAG, "pass all variables of the host"),
    Option("--authfile", VALUE, "the file of passwords", "FILE"),
    Option("--tz", VALUE, "the time zone, as TZ", "ZONE"),
    Option("--read-only-tmpfs", FLAG, "with --read-only, /tmp, /run and /var/tmp in memory (the default)", default=True),
)
# Docker's `--pull` knows fewer words.
VERBS: Verbs = {
    words: (
        Command(words, summary, (*(option for option in options if option.name != "pull"), *_OWN), IMAGE_ARGUMENTS, options_end=True), main
    )
    for words, summary, options, main in (
        ("run", "run a program in a new container", RUN, run_), ("create", "make a container", CREATE, create),
    )
}  # fmt: skip
