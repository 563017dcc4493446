"""The contract of an engine: a way to carry out a plan. On the start-up path.

An engine is a module with a `NAME` and one class that keeps this contract:

probe    what works on this host, by trying it (remembered where that costs more than a file to read): a `Probe`
command  a plan as the program that the caller has to execute: a `Start`
launch_file  a plan as an executable file, for `sampan wrap`

`choose` asks for the probe, compares its `Can` with the asks of a request, and takes the first engine that meets them
all. An engine never decides what a container looks like; that is in the plan.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.asks import Can
    from sampan.container.plan import Plan
    from sampan.settings import Settings


class Probe:
    """What an engine can do here (`can` is `None`: nothing), and the obstacles: pairs of reason and what would help."""

    __slots__ = ("can", "notes", "obstacles")

    def __init__(self, can: Can | None, obstacles: tuple[tuple[str, str], ...] = (), notes: tuple[str, ...] = ()) -> None:
        self.can = can
        self.obstacles = obstacles
        self.notes = notes


class Start:
    """A program to execute: its path, its arguments (the first is its name) and descriptors that it has to inherit."""

    __slots__ = ("argv", "descriptors", "program")

    def __init__(self, program: str, argv: tuple[str, ...], descriptors: tuple[int, ...] = ()) -> None:
        self.program = program
        self.argv = argv
        self.descriptors = descriptors


class Engine:
    """Base of the engines; `settings` say where programs and the node's short-lived files are."""

    name = ""
    words = ""  # one line for `doctor`
    program = ""  # the native program that carries plans out
    namespaces = True  # whether a plan's namespaces are made

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def probe(self, place: str | None) -> Probe:  # noqa: ARG002 - the contract
        """What works here; `place` is the directory that would hold kept changes, `None` if nothing is kept."""
        raise TypeError(f"the engine {self.name} has no probe")

    def command(self, plan: Plan) -> Start:  # noqa: ARG002 - the contract
        """How to start a plan."""
        raise TypeError(f"the engine {self.name} has no command")

    def launch_file(self, plan: Plan, program: str, arguments: str) -> bytes:  # noqa: ARG002
        """The bytes of an executable launch file that `program` carries out; `arguments`: what becomes of a caller's own."""
        raise TypeError(f"the engine {self.name} has no launch file")
