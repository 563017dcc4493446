"""The contract of an engine: a way to carry out a plan. On the start-up path.

An engine is a module with a `NAME` and one class that keeps this contract:

probe    what works on this host, by trying it (remembered where that costs more than a file to read): a `Probe`
command  a plan as the program that the caller has to execute: a `Start`
join     the same for a program in a container that runs already
outside  the same for a program of this machine that works on a container's files
launch_file  a plan as an executable file, for `sampan wrap`

`choose` asks for the probe, compares its `Can` with the asks of a request, and takes the first engine that meets them
all. An engine never decides what a container looks like; that is in the plan.
"""

from __future__ import annotations

from sampan.errors import CannotHonour

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.asks import Can
    from sampan.container.ids import IdMaps
    from sampan.container.plan import Plan
    from sampan.container.root import Root
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


class Work:
    """A program of this machine that works on the files of a container, as root under its maps.

    `place` becomes its current directory; `tools` are newuidmap and newgidmap, where the maps have several ids; `shown` is
    what messages call it.
    """

    __slots__ = ("maps", "owner", "place", "shown", "tools", "words")

    def __init__(self, shown: str, place: Root, maps: IdMaps, words: tuple[str, ...], **rest: object) -> None:
        self.shown = shown
        self.place = place
        self.maps = maps
        self.words = words
        self.owner: int = rest["owner"]  # type: ignore[assignment]
        self.tools: tuple[str, str] | None = rest.get("tools")  # type: ignore[assignment]


class Engine:
    """Base of the engines; `settings` say where programs and the node's short-lived files are."""

    name = ""
    words = ""  # one line for `doctor`
    program = ""  # the native program that carries plans out
    namespaces = True  # whether a plan's namespaces are made
    shares_trees = True  # whether it can be given a tree that others share, which nothing may change

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def probe(self, place: str | None) -> Probe:  # noqa: ARG002 - the contract
        """What works here; `place` is the directory that would hold kept changes, `None` if nothing is kept."""
        raise TypeError(f"the engine {self.name} has no probe")

    def command(self, plan: Plan) -> Start:  # noqa: ARG002 - the contract
        """How to start a plan."""
        raise TypeError(f"the engine {self.name} has no command")

    def join(self, plan: Plan, process: tuple[int, int, tuple[str, ...]], directory: str, *, detach: bool) -> Start:  # noqa: ARG002
        """How to start the program of a plan beside a running one: its pid, start time and namespaces that are its own.

        Raises `CannotHonour` where the engine has no way in.
        """
        raise CannotHonour(f"the engine {self.name} cannot run a second program in a running container")

    def outside(self, work: Work) -> Start:  # noqa: ARG002 - the contract
        """How to start a program that works on a container's files. Raises `CannotHonour` where the engine has no map of ids."""
        raise CannotHonour(f"the engine {self.name} cannot work on the files of a container")

    def launch_file(self, plan: Plan, program: str, arguments: str) -> bytes:  # noqa: ARG002
        """The bytes of an executable launch file that `program` carries out; `arguments`: what becomes of a caller's own."""
        raise TypeError(f"the engine {self.name} has no launch file")
