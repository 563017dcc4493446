"""One thing for each of several names, as Docker does it: what cannot be done is said, the rest is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.compat.program import say_error
from sampan.errors import ContainerNotFound, SampanError
from sampan.runtime import run
from sampan.terminal.output import result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sampan.compat.program import Call
    from sampan.container.record import Record
    from sampan.runtime.session import Session


def each(names: Iterable[str], call: Call, do: Callable[[str], object]) -> int:
    """Print what `do` returns for each name, else the name; the program's status of failure if one could not be done."""
    status = 0
    for name in names:
        try:
            done = do(name)
            result(f"{name if not isinstance(done, str) else done}\n" if done != "" else "")
        except SampanError as error:
            call.context.progress.stop()
            say_error(call.program, error)
            status = call.program.status(call.verb)
    return status


def named(name: str, session: Session) -> Record:
    """The container of a name or id; one that is missing is said in Docker's words, which scripts look for."""
    try:
        return run.named(name, session)
    except ContainerNotFound as error:
        raise ContainerNotFound(f"No such container: {name}", error.hint) from error


def each_container(call: Call, do: Callable[[Record], object]) -> int:
    """The same for the containers that the words name."""
    session = call.session()
    return each(call.parsed.texts("container"), call, lambda name: do(named(name, session)))
