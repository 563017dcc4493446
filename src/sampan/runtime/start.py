"""From a record to the payload: engine, plan, exec. On the start-up path."""

from __future__ import annotations

import os

from sampan.container import edits, shelf
from sampan.container.plan import asks, plan
from sampan.engine.choose import choose
from sampan.errors import HostError
from sampan.runtime import gather
from sampan.runtime.images import config_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from sampan.container.plan import Plan
    from sampan.container.record import Record
    from sampan.engine.base import Engine, Start
    from sampan.runtime.session import Session


def decide(record: Record, session: Session) -> tuple[Plan, Engine]:
    """The plan for a record on this host, and the engine that will carry it out."""
    name = record.request.engine or session.settings.text("engine")
    engine, can = choose(asks(record), name, session.settings, record.directory or None)
    decided = plan(record, config_of(record.image, session), edits.NONE, gather.facts(record), can)
    return decided, engine


def hold(record: Record, session: Session) -> None:
    """Note in a kept container that this process runs it. Raises `ContainerRunning`."""
    if record.directory:
        shelf.hold(session.store, record)


def execute(start: Start) -> NoReturn:
    """Become the program. Raises `HostError` if it cannot be executed.

    What Python changed about the process is undone first: it ignores SIGPIPE and SIGXFSZ, and in the C locale it adds
    LC_CTYPE to the environment (PEP 538).
    """
    # Not `signal`: its enumerations cost 2 ms of start-up.
    import _signal  # type: ignore[import-not-found,unused-ignore]

    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_DFL)
    environment = os.environ
    if "LC_CTYPE" in environment and not ("LANG" in environment or "LC_ALL" in environment) and _added_by_python():
        del environment["LC_CTYPE"]
    for descriptor in start.descriptors:
        os.set_inheritable(descriptor, True)
    try:
        os.execve(start.program, start.argv, environment)  # noqa: S606 - a program and its words, no shell
    except OSError as error:
        raise HostError(
            f"cannot execute {start.program}: {error.strerror}",
            "if its file system is mounted noexec, set SAMPAN_PROGRAMS to a copy elsewhere",
        ) from error


def _added_by_python() -> bool:
    try:
        with open("/proc/self/environ", "rb") as stream:
            return b"\0LC_CTYPE=" not in b"\0" + stream.read()
    except OSError:
        return False
