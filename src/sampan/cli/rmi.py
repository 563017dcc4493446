"""`sampan rmi`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import SampanError
from sampan.options.table import Argument, Command
from sampan.runtime.images import remove
from sampan.terminal.output import result, say_error

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "rmi",
    "remove images",
    (),
    (Argument("IMAGE", "+", "references"),),
    description="The name goes; the unpacked tree goes too unless another image, a container, a launch file or a running program needs it.",
)


def main(parsed: Parsed, context: Context) -> int:
    """Print what was removed; one that cannot be does not hold up the others."""
    session = context.session()
    status = 0
    for name in parsed.texts("image"):
        try:
            result(f"{remove(name, session)}\n")
        except SampanError as error:
            say_error(error)
            status = error.exit_code
    return status
