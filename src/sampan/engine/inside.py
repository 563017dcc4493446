"""What engines share that start a program of somebody else, as PRoot or runc: sampan-run around it and in it.

Theory of operation. Such a program makes a root and starts something in it. That something is sampan-run, brought in by a bind: it sets
environment, directory, limits and processors exactly as for every other engine, and says in the same words, with 126 or 127, why a
program cannot be run. Around it stays another sampan-run, the watcher, which passes signals on, keeps logs and knows the end.
"""

from __future__ import annotations

import os

from sampan.container import root
from sampan.container.mounts import covers
from sampan.engine import launchfile
from sampan.engine.base import Start
from sampan.engine.encoding import encode, header
from sampan.engine.programs import program as program_path
from sampan.errors import CannotHonour
from sampan.host.search_path import which

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.plan import Plan
    from sampan.engine.launchfile import Record
    from sampan.settings import Settings

LAUNCHER = "sampan-run"
# Where the one inside is seen.
PROGRAM = "/run/.sampan-run"
ALONE = ("watch", "", "", "15", "10", "0")


def find(names: tuple[str, ...]) -> str:
    """The first of these programs that is on PATH and no stand-in of sampan's own; empty if there is none."""
    return next((path for name in names if (path := which(name)) is not None), "")


def payload(
    plan: Plan, directory: tuple[str, str], owners: tuple[str, str] | None = None, refused: tuple[str, ...] = ()
) -> list[Record]:
    """The records of the sampan-run inside; `directory` is where the payload starts, and what to do without it; `refused`: calls."""
    found: list[Record] = [("owner", str(plan.identity.uid)), ("image", plan.image), ("root-host", "inside")]
    found += launchfile.attributes(plan)
    found += [("cpus", plan.cpus)] if plan.cpus else []
    found += [("owners", *owners)] if owners is not None else []
    found += [("refuse-calls", ",".join(refused))] if refused else []
    found += [("cwd", *directory), ("no-new-privs",), ("die-with-parent",), ("args", "refuse")]
    words = (
        (*plan.in_front, *(plan.args or plan.default_arguments)[1:]) if plan.in_front else (*plan.args, *plan.default_arguments)
    )
    return [*found, ("exec", *words)]


def directory_of(plan: Plan, binds: list[tuple[str, str]]) -> tuple[tuple[str, str], str]:
    """The payload's directory with what to do without it, and the directory of this machine that has to be bound for that, or nothing.

    As sampan-run does it for other engines: the caller's directory is bound unless it is seen already, or something else is at its place.
    """
    directory = plan.directory
    if directory.path is not None:
        return (directory.path, directory.otherwise), ""
    try:
        path = os.getcwd()
    except OSError:
        return (directory.otherwise, "create"), ""
    under = max((bind for bind in binds if covers(bind[1], path)), key=lambda bind: len(bind[1]), default=None)
    places = [f"{under[0]}{path[len(under[1].rstrip('/')) :]}"] if under else [f"{one}{path}" for one in root.places(plan.root)]
    if path == "/" or any(os.path.isdir(place) for place in places):
        return (path, directory.otherwise), ""
    return ((path, directory.otherwise), path) if directory.bind else ((directory.otherwise, "create"), "")


def no_file(engine: str) -> CannotHonour:
    """The error of `launch_file`."""
    return CannotHonour(
        f"the engine {engine} has no launch files: what it needs on disk belongs to one start",
        "`sampan doctor` says which engine has",
    )


def memory_file(records: list[Record]) -> int:
    """A launch file that is a descriptor."""
    descriptor = os.memfd_create("sampan-launch")
    os.write(descriptor, encode(records, header(None)))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def started(settings: Settings, records: list[Record], *inherited: int) -> Start:
    """sampan-run with these records."""
    descriptor = memory_file(records)
    return Start(program_path(LAUNCHER, settings), (LAUNCHER, f"--fd={descriptor}"), (descriptor, *inherited))
