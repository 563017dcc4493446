"""An invocation as what a shell is given: the command line, variables, and the files that are written first. On the path of `app launch`.

Theory of operation. The command line is cut at its value keys; where an input has a value, its flag and separator are put in as they
stand in the descriptor, and a hole for the value itself. That text is read by `shell`, which knows in which state every hole stands, and
each value is written for its state. So the text of the descriptor is shell, and no value ever is. At the end the result is read
again, unless all values were plain: it must have the shape that it has with plain words in it.
"""

from __future__ import annotations

from sampan.apps import quoting, secondparser, shell, template
from sampan.apps.application import COMMAND, FILE, FLAG, Output
from sampan.apps.paths import paths
from sampan.apps.shell import ANY, HOLE, RAW, SAFE, Spot
from sampan.errors import BadValues, Problem, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sampan.apps.application import Input, Subcommand, Value
    from sampan.apps.bind import Invocation

POSIX_SHELLS = ("sh", "bash", "dash", "ash", "ksh", "ksh93", "mksh", "zsh", "rbash")
_OTHER_SHELL = "a command line for a shell that sampan cannot read"


class InputFile:
    """A file or directory that the program reads; `mutable` if it also changes it, `neighbours` if it needs those, too.

    `id` is the first input that names it.
    """

    __slots__ = ("id", "mutable", "neighbours", "path")

    def __init__(self, id: str, path: str) -> None:
        self.id = id
        self.path = path
        self.mutable = self.neighbours = False


class WrittenFile:
    """A file that is made of a template before the program starts; `path` is below the working directory."""

    __slots__ = ("content", "path")

    def __init__(self, path: str, content: str) -> None:
        self.path = path
        self.content = content


class Filled:
    """What goes into one hole: the value of an input or output, as texts with a separator between them."""

    __slots__ = ("id", "separator", "texts")

    def __init__(self, id: str, texts: Sequence[str], separator: str) -> None:
        self.id = id
        self.texts = texts
        self.separator = separator


class Scope:
    """The inputs, outputs and values of one command line; a sub-command has its own."""

    def __init__(
        self, inputs: Sequence[Input], outputs: Sequence[Output], values: Mapping[str, Value], found: Mapping[str, str]
    ) -> None:
        self.values = values
        self.paths = found
        self.owners: dict[str, list[Input | Output]] = {}
        every: list[Input | Output] = [*inputs, *outputs]
        for one in every:
            if one.value_key:
                self.owners.setdefault(one.value_key, []).append(one)


def scope_of(invocation: Invocation, directory: str = "") -> Scope:
    """The scope of the whole command line."""
    application = invocation.application
    found = paths(application.inputs, application.outputs, invocation.values, directory, application.identifier)
    return Scope(application.inputs, application.outputs, invocation.values, found)


def command_line(invocation: Invocation, directory: str = "") -> str:
    """The text for the application's shell. Raises `BadValues` for values that cannot be written safely where they stand."""
    application = invocation.application
    posix = application.shell.split()[0].rsplit("/", 1)[-1] in POSIX_SHELLS
    try:
        return shell_text(application.command_line, scope_of(invocation, directory), posix=posix)
    except Unwritable as error:
        raise BadValues(f"cannot launch {application.identifier}", (error.problem,), error.hint) from error


class Unwritable(ValueError):
    """One value cannot be written where it stands."""

    def __init__(self, problem: Problem, hint: str | None = None) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.hint = hint


def shell_text(text: str, scope: Scope, *, posix: bool = True) -> str:
    """A template for a shell, filled in. Raises `Unwritable`."""
    if HOLE in text:
        raise Unwritable(Problem("command-line", "it holds a character that Unicode keeps for no use"))
    filled: list[Filled] = []
    with_holes = _expanded(text, scope, filled)
    if not posix:
        spots = [Spot(RAW, SAFE, _OTHER_SHELL) for _ in filled]
        return _written(with_holes, filled, spots)
    try:
        reading = shell.read(with_holes)
    except shell.Unfinished as error:
        raise Unwritable(Problem("command-line", str(error))) from error
    secondparser.bind_spots(reading)
    found = _written(with_holes, filled, reading.spots)
    if any(spot.limit != ANY for spot in reading.spots) or not all(
        quoting.PLAIN.issuperset(t) and t for f in filled for t in f.texts
    ):
        _check_shape(with_holes, found, filled, reading.spots)
    return found


def _check_shape(with_holes: str, found: str, filled: list[Filled], spots: list[Spot]) -> None:
    """The last line of defence: the result must be the same commands with other words."""
    plain = [Filled(one.id, ["x" for _ in one.texts], one.separator) for one in filled]
    for spot in spots:
        spot.limit = ANY if spot.limit != shell.NEVER else spot.limit
    try:
        same = shell.read(found).shape == shell.read(_written(with_holes, plain, spots)).shape
    except shell.Unfinished:
        same = False
    if not same:
        ids = ", ".join(dict.fromkeys(one.id for one in filled))
        raise Unwritable(Problem(ids, "the values would change what the command line does"), "use plain letters and digits")


def _written(with_holes: str, filled: list[Filled], spots: list[Spot]) -> str:
    parts = with_holes.split(HOLE)
    found = [parts[0]]
    for one, spot, after in zip(filled, spots, parts[1:]):
        found += [_one(one, spot), after]
    return "".join(found)


def _one(filled: Filled, spot: Spot) -> str:
    try:
        texts = [quoting.written(text, spot) for text in filled.texts]
    except quoting.Unsafe as error:
        hint = "rename the file, or have the descriptor hand it over as an argument of its own" if spot.limit != ANY else None
        raise Unwritable(Problem(filled.id, f"{_quoted(filled.texts)} {error}"), hint) from error
    # In a place that bounds what a value may be, the separator is text of the descriptor, as what stands around it.
    between = filled.separator if spot.limit != ANY or spot.quote == RAW else quoting.separator(filled.separator, spot)
    return between.join(texts)


def _quoted(texts: Sequence[str]) -> str:
    text = printable(texts[0] if len(texts) == 1 else ", ".join(texts))
    return f'"{text if len(text) <= 60 else text[:57] + "..."}"'


def _expanded(text: str, scope: Scope, filled: list[Filled]) -> str:
    """The template with flags and holes in place of its keys; a key without a value takes the blank in front of it along."""
    found: list[str] = []
    for before, key in template.cut(text, scope.owners):
        found.append(before)
        if not key:
            continue
        here = [piece for owner in scope.owners[key] if (piece := _piece(owner, scope, filled)) is not None]
        if here:
            found.append(" ".join(here))
        elif before.endswith(" "):
            found[-1] = before[:-1]
    return "".join(found)


def _piece(owner: Input | Output, scope: Scope, filled: list[Filled]) -> str | None:
    """What stands for one input or output: flag, separator and hole; nothing where it has no value."""
    flag = "" if owner.flag is None else owner.flag + owner.flag_separator
    if isinstance(owner, Output):
        if owner.id not in scope.paths:
            return None
        filled.append(Filled(owner.id, (scope.paths[owner.id],), ""))
        return flag + HOLE
    value = scope.values.get(owner.id)
    if value is None or value is False or value == ():
        return None
    if owner.type == FLAG:
        return owner.flag or ""
    several = value if isinstance(value, tuple) else (value,)
    if owner.type == COMMAND:
        commands = {one.id: one for one in owner.commands}
        return flag + owner.separator.join(_subcommand(commands, item, filled) for item in several)
    filled.append(Filled(owner.id, [template.shown(item) for item in several], owner.separator))
    return flag + HOLE


def _subcommand(commands: Mapping[str, Subcommand], value: Value, filled: list[Filled]) -> str:
    command, values = subcommand_of(commands, value)
    found = paths(command.inputs, command.outputs, values, "", command.id)
    return _expanded(command.command_line, Scope(command.inputs, command.outputs, values, found), filled)


def subcommand_of(commands: Mapping[str, Subcommand], value: Value) -> tuple[Subcommand, dict[str, Value]]:
    """The sub-command that a bound value takes, and the values of its inputs."""
    values = dict(value) if isinstance(value, dict) else {}
    return commands[str(values.pop("@type"))], values


def environment(invocation: Invocation) -> tuple[tuple[str, str], ...]:
    """The variables of the descriptor; one whose value is a value key has that input's value. Without a value it is not set."""
    application = invocation.application
    keys = {one.value_key: one for one in application.inputs if one.value_key}
    found = []
    for name, text in application.environment:
        if text not in keys:
            found.append((name, text))
            continue
        one = keys[text]
        value = invocation.values.get(one.id)
        if value is not None:
            several = value if isinstance(value, tuple) else (value,)
            found.append((name, one.separator.join(template.shown(item) for item in several)))
    return tuple(found)


def input_files(invocation: Invocation) -> tuple[InputFile, ...]:
    """The files that the values name, those of sub-commands too, in the order of the inputs; each path once, with what all uses need."""
    found: dict[str, InputFile] = {}
    _collect_files(invocation.application.inputs, invocation.values, found)
    return tuple(found.values())


def _collect_files(inputs: Sequence[Input], values: Mapping[str, Value], found: dict[str, InputFile]) -> None:
    for one in inputs:
        value = values.get(one.id)
        several = value if isinstance(value, tuple) else () if value is None else (value,)
        for item in several:
            if one.type == FILE:
                file = found.setdefault(str(item), InputFile(one.id, str(item)))
                file.mutable = file.mutable or one.mutable
                file.neighbours = file.neighbours or one.resolve_parent
            elif one.type == COMMAND:
                command, inner = subcommand_of({each.id: each for each in one.commands}, item)
                _collect_files(command.inputs, inner, found)
