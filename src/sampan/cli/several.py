"""One thing for each of several containers: what cannot be done is said and does not hold up the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import SampanError
from sampan.runtime import run
from sampan.terminal.output import result, say_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.container.record import Record
    from sampan.runtime.session import Session


def each(names: tuple[str, ...], session: Session, do: Callable[[Record], object]) -> int:
    """Print the name of each that was done; the exit status."""
    status = 0
    for name in names:
        try:
            do(run.named(name, session))
            result(f"{name}\n")
        except SampanError as error:
            say_error(error)
            status = error.exit_code
    return status
