"""From a record to the payload: engine, plan, exec. On the start-up path."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found,unused-ignore]  # not `signal`: its enumerations cost 2 ms of start-up
import os

from sampan.container import edits, shelf
from sampan.container.asks import asks_of
from sampan.container.plan import plan
from sampan.container.stay import FOREGROUND, Way
from sampan.engine.choose import choose
from sampan.errors import HostError
from sampan.host import processes
from sampan.host.runtime_directory import runtime_directory
from sampan.oci.config import EMPTY
from sampan.runtime import gather
from sampan.runtime.images import config_of

_IGNORED = (_signal.SIGPIPE, _signal.SIGXFSZ)  # by Python, which nobody else should inherit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from sampan.container.edits import Edits
    from sampan.container.plan import Plan
    from sampan.container.record import Record
    from sampan.engine.base import Engine, Start
    from sampan.oci.config import ImageConfig
    from sampan.runtime.session import Session


def decide(
    record: Record, session: Session, way: Way = FOREGROUND, *, config: ImageConfig | None = None, dry: bool = False
) -> tuple[Plan, Engine]:  # fmt: skip
    """The plan for a record on this host, and the engine that will carry it out.

    `config` is its image's, if it is known already; `dry`: the plan will not be carried out.
    """
    name = engine_name(record, session)
    place = record.directory if os.path.isdir(record.directory) else None  # none: it is only shown
    engine, can = choose(asks_of(record), name, session.settings, place)
    if record.keep == "memory" and not engine.shares_trees:
        from sampan.runtime import private

        return private.decide(record, session, way, dry=dry), engine
    if record.request.no_config:
        config = EMPTY
    config = config or config_of(record.image, session)
    return plan(record, config, _edits(record), gather.facts(record, session), can, way), engine


def engine_name(record: Record, session: Session) -> str:
    """The engine that is asked for, or several in their order, or `auto`."""
    if record.request.engine is None and record.mode:
        from sampan.container import modes

        return modes.engines(record.mode)
    return record.request.engine or session.settings.text("engine")


def _edits(record: Record) -> Edits:
    """What integrations add."""
    request = record.request
    if not (request.x11 or request.ssh_agent):
        return edits.NONE
    from sampan.integrations import desktop

    return desktop.edits(x11=request.x11, ssh_agent=request.ssh_agent, environ=os.environ)


def attach_socket(record: Record, session: Session) -> str:
    """Where clients attach to a container on this node: short, because a UNIX socket's path has 107 bytes."""
    return os.path.join(runtime_directory(session.settings.text("runtime_dir")), f"{record.id[:12]}.attach")


def become(record: Record, session: Session, way: Way, *, stdin: bool = True, config: ImageConfig | None = None) -> NoReturn:
    """Become the payload of a record, or its watcher; without `stdin` standard input is at its end. Raises what a start raises."""
    plan, engine = decide(record, session, way, config=config)
    for warning in plan.warnings:
        session.notice.warn(warning)
    if not stdin:
        no_input()
    command = engine.command(plan)
    hold(record, session)
    execute(command)


def no_input() -> None:
    """Standard input is at its end from now on."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def detach(record: Record, session: Session, *, remove: bool = False) -> int:
    """Start a kept container in the background; the launcher's status, 0 once the payload runs. Raises `ContainerRunning`.

    What went wrong has been said by the launcher then.
    """
    way = Way(detach=True, remove=remove, socket=attach_socket(record, session))
    decided, engine = decide(record, session, way)
    for warning in decided.warnings:
        session.notice.warn(warning)
    command = engine.command(decided)
    try:
        hold(record, session)
        return _run(command)
    finally:
        for descriptor in command.descriptors:
            os.close(descriptor)


def _run(start: Start) -> int:
    """The status of a program that is run to its end, without input. Raises `HostError` if it cannot be executed.

    Not `subprocess`: importing it costs as much as all else of a detached start.
    """
    for descriptor in start.descriptors:
        os.set_inheritable(descriptor, True)
    try:
        pid = os.posix_spawn(
            start.program,
            start.argv,
            processes.callers_environment(),
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
            setsigdef=_IGNORED,
        )
    except OSError as error:
        raise _not_executable(start, error) from error
    _, status = os.waitpid(pid, 0)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def attend(start: Start, out: int = 1) -> int:
    """Run a program in this terminal to its end, as a child; its wait status. `out` is the descriptor that it writes to.

    Signals for the terminal's group reach it by themselves; those for this process alone are handed on. Raises `HostError`.
    """
    for descriptor in start.descriptors:
        os.set_inheritable(descriptor, True)
    child = 0

    def hand_on(number: int, _: object) -> None:
        if child and number in (_signal.SIGTERM, _signal.SIGHUP):
            os.kill(child, number)

    before = {number: _signal.getsignal(number) for number in (_signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM, _signal.SIGHUP)}
    for number, handler in before.items():
        if handler != _signal.SIG_IGN:  # what is ignored stays so for the child: nohup
            _signal.signal(number, hand_on)
    try:
        child = os.posix_spawn(
            start.program,
            start.argv,
            processes.callers_environment(),
            file_actions=[(os.POSIX_SPAWN_DUP2, out, 1)] if out != 1 else [],
            setsigdef=_IGNORED,
        )
        return os.waitpid(child, 0)[1]
    except OSError as error:
        raise _not_executable(start, error) from error
    finally:
        for number, handler in before.items():
            _signal.signal(number, handler)


def hold(record: Record, session: Session) -> None:
    """Note in a kept container that this process runs it. Raises `ContainerRunning`."""
    if record.directory:
        shelf.hold(session.store, record)


def execute(start: Start) -> NoReturn:
    """Become the program. Raises `HostError` if it cannot be executed.

    What Python changed about the process is undone first: it ignores SIGPIPE and SIGXFSZ, and in the C locale it adds
    LC_CTYPE to the environment (PEP 538).
    """
    for number in _IGNORED:
        _signal.signal(number, _signal.SIG_DFL)
    for descriptor in start.descriptors:
        os.set_inheritable(descriptor, True)
    try:
        os.execve(start.program, start.argv, processes.callers_environment())  # noqa: S606 - a program and its words, no shell
    except OSError as error:
        raise _not_executable(start, error) from error


def _not_executable(start: Start, error: OSError) -> HostError:
    return HostError(
        f"cannot execute {start.program}: {error.strerror}",
        "if its file system is mounted noexec, set SAMPAN_PROGRAMS to a copy elsewhere",
    )
