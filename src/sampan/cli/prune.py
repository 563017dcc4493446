"""`sampan prune`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sampan.errors import SampanError, UsageError
from sampan.options.table import FLAG, LIST, Command, Option
from sampan.runtime import containers, ps
from sampan.store import du
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "prune",
    "remove all containers that do not run",
    (
        Option("-f --force", FLAG, "do not ask"),
        Option(
            "--filter", LIST, "only those: until=TIME (or an age, as 24h), label=NAME[=VALUE], label!=NAME[=VALUE]", "KEY=VALUE"
        ),
    ),
    description="What they changed goes with them; images stay. Without a terminal to ask on, it is refused unless -f is given.",
    examples=(("sampan prune --filter until=24h", "those that are older than a day"),),
)


def main(parsed: Parsed, context: Context) -> int:
    """Print the ids of what was removed; one that cannot be does not hold up the others."""
    session = context.session()
    found = ps.prunable(session, parsed.texts("filter"))
    if not found:
        context.notice.say("there is no container to remove")
        return 0
    if not parsed.flag("force") and not _asked(len(found)):
        context.notice.say("nothing was removed")
        return 0
    status, freed = 0, 0
    for entry in found:
        size = du.size_of(session.store.join("containers", entry.id))
        try:
            containers.remove(entry.id, session)
        except SampanError as error:
            output.say_error(error)
            status = error.exit_code
            continue
        freed += size
        output.result(f"{entry.id}\n")
    context.notice.say(f"{output.size(freed)} freed")
    return status


def _asked(count: int) -> bool:
    """Whether somebody at a terminal agrees. Raises `UsageError` without one."""
    if not sys.stdin.isatty():
        raise UsageError(f"{count} containers would be removed, and nobody can be asked", "-f removes them without a question")
    output.talk(f"{count} containers that do not run and all that they changed will be removed. Go on? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
