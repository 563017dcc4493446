"""`sampan top`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.host import processes
from sampan.options.table import Argument, Command
from sampan.runtime import life, run
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "top",
    "list the processes of a container",
    (),
    (Argument("CONTAINER", "1", "a name or an id"),),
    description="The numbers are those that this machine knows the processes by.",
    examples=(("sampan top web", "what runs in it"),),
)


def main(parsed: Parsed, context: Context) -> int:
    """A row a process, with the pid that this machine knows it by."""
    record = run.named(str(parsed.values["container"]), context.session())
    life.here(record)
    rows = []
    for pid in life.inside(record):
        used = processes.resources(pid)
        rows.append(
            (
                str(pid),
                str(processes.parent(pid)),
                f"{used.seconds:.2f}",
                output.size(used.memory),
                " ".join(processes.command(pid)) or "-",
            )
        )
    output.result(output.columns(("PID", "PPID", "CPU S", "MEMORY", "COMMAND"), rows))
    return 0
