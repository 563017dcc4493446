"""The values an option table is made of.

An option has one of four kinds, as Docker's flags have them:

flag      `--rm`, also `--rm=false`; clusters of one-letter flags are legal: `-it`
value     `--name X`, `--name=X`, `-w X`, `-wX`; given twice, the last one counts
list      a value that may be given again and again; all are kept in order
optional  `--progress` or `--progress=WORD`, never `--progress WORD`

On the start-up path.
"""

from __future__ import annotations

FLAG, VALUE, LIST, OPTIONAL = "flag", "value", "list", "optional"
TEMPLATE = "'{{...}}'"
"""Among the choices of a value: a template of Go is one too."""


class Option:
    """One option: its spellings, kind, the word for its value and one line of help."""

    __slots__ = ("choices", "default", "help", "kind", "metavar", "name", "spellings")

    def __init__(
        self, spellings: str, kind: str, help: str, metavar: str = "", choices: tuple[str, ...] = (), default: object = None
    ) -> None:
        self.spellings = tuple(spellings.split())
        self.kind = kind
        self.help = help
        self.metavar = metavar
        self.choices = choices
        # A table has a hundred of these, and is made at each start: no dictionary, which would cost as much as all else here.
        self.default = default if default is not None else False if kind == FLAG else () if kind == LIST else None
        self.name = self.spellings[-1].lstrip("-").replace("-", "_")


class Argument:
    """One positional argument; `count` is `1`, `?` (none or one), `*` (any number) or `+` (at least one)."""

    __slots__ = ("count", "help", "metavar", "name")

    def __init__(self, metavar: str, count: str, help: str) -> None:
        self.metavar = metavar
        self.name = metavar.lower()
        self.count = count
        self.help = help


class Command:
    """A command: its words, options and arguments.

    `options_end`: the options end at the first argument, so that what follows reaches the payload untouched.
    """

    __slots__ = ("arguments", "description", "examples", "options", "options_end", "summary", "words")

    def __init__(
        self,
        words: str,
        summary: str,
        options: tuple[Option, ...] = (),
        arguments: tuple[Argument, ...] = (),
        *,
        description: str = "",
        examples: tuple[tuple[str, str], ...] = (),
        options_end: bool = False,
    ) -> None:
        self.words = words
        self.summary = summary
        self.options = options
        self.arguments = arguments
        self.description = description
        self.examples = examples
        self.options_end = options_end


class Parsed:
    """What a command line said: a value for every option and argument of the table, and which were given."""

    __slots__ = ("given", "values")

    def __init__(self, values: dict[str, object], given: frozenset[str]) -> None:
        self.values = values
        self.given = given

    def flag(self, name: str) -> bool:
        """Whether a flag is on."""
        return bool(self.values[name])

    def text(self, name: str) -> str | None:
        """The text of a value, or `None` if it was not given."""
        value = self.values[name]
        return None if value is None else str(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """All texts of a list option or argument."""
        value = self.values[name]
        return value if isinstance(value, tuple) else ()
