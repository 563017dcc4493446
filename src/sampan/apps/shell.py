"""A shell's command line, read for where values will stand in it. Pure; on the path of `app launch`.

Theory of operation. A command line with its placeholders replaced by `HOLE` is read once from left to right, as sh and bash read
it: quotes, expansions, substitutions, here-documents, redirections, reserved words, `case`. For every hole a `Spot` comes out: the
quoting state that it stands in, which says how a value must be written there, and a `limit`, for places where no quoting could
keep a value from being read as something else. Beside the spots the simple commands are collected, with their words, because a
word may be a program for a second parser (`sh -c`, `awk`): `secondparser` judges that.

Where shells differ, or where a construct is too odd to be worth telling apart, the reading is the stricter one. What this reader
is used for is only ever a refusal or a quoting that is right in all of them; it never rejects a template but for an open quote.
`shape` is the skeleton of what was read: two texts of one shape differ in their words, not in their syntax. The renderer compares
the shape of its result with that of the same text with plain words in place of the values.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

HOLE = "\ufdd0"
"""Stands for one value; no text has it, because Unicode says that it is no character."""

UNQUOTED, SINGLE, DOUBLE, RAW = "unquoted", "single quotes", "double quotes", "raw"
# What a value may be, from anything to nothing.
ANY, LINE, SAFE, WORD, NUMBER, NEVER = range(6)

RESERVED = frozenset(
    [
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "do",
        "done",
        "case",
        "esac",
        "while",
        "until",
        "for",
        "in",
        "function",
        "select",
        "time",
        "{",
        "}",
        "!",
        "[[",
        "]]",
        "coproc",
        "foreach",
        "end",
        "repeat",
    ]
)
NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
EVALUATING = frozenset(("-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-v", "-R"))


class Spot:
    """Where one value stands: how it is to be quoted, what it may be, and why not more."""

    __slots__ = ("dup", "forced", "joined", "limit", "quote", "reason", "starts")

    def __init__(self, quote: str, limit: int = ANY, reason: str = "") -> None:
        self.quote = quote
        self.limit = limit
        self.reason = reason
        self.forced = False
        """Quotes are needed even around a plain word."""
        self.starts = False
        """It begins a word where a command's name may stand: reserved words and assignments mean something there."""
        self.joined = False
        """A variable's name ends right before it, and must not go on in the value."""
        self.dup = False
        """It follows `>&`, where a number is a descriptor even in quotes."""

    def bound(self, limit: int, reason: str) -> None:
        """Allow less, if that is less."""
        if limit > self.limit:
            self.limit, self.reason = limit, reason


class Word:
    """One word of a command: its text as far as it is known (holes and expansions stand as `HOLE` and nothing), and what is in it."""

    __slots__ = ("braces", "literal", "names", "quoted", "spots")

    def __init__(self) -> None:
        self.literal: list[str] = []
        self.spots: list[Spot] = []
        self.names: set[str] = set()
        """Variables that are expanded in it; `*` stands for what a substitution prints."""
        self.quoted = False
        self.braces = False

    @property
    def text(self) -> str:
        """The word without its quotes."""
        return "".join(self.literal)


class Simple:
    """A simple command: its words, where its output goes, and whether it reads from a pipe."""

    __slots__ = ("inputs", "piped", "targets", "words")

    def __init__(self, piped: bool) -> None:
        self.words: list[Word] = []
        self.targets: list[Word] = []
        self.inputs: list[Word] = []
        """Here-documents and here-strings."""
        self.piped = piped


class Reading:
    """What was found in a text."""

    __slots__ = ("commands", "shape", "spots")

    def __init__(self, spots: list[Spot], commands: list[Simple], shape: list[str]) -> None:
        self.spots = spots
        self.commands = commands
        self.shape = shape


class Unfinished(ValueError):
    """A quote, substitution or parenthesis is never closed."""


def read(text: str) -> Reading:
    """Read a command line. Raises `Unfinished`."""
    from sampan.apps.shellreader import Reader

    reader = Reader(text)
    reader.list_until("")
    return Reading(reader.spots, reader.commands, reader.shape)


def is_name(text: str) -> bool:
    """Whether a variable can be called so."""
    return bool(text) and not text[0].isdigit() and NAME.issuperset(text)


def assigned(word: str) -> str:
    """The variable that a word such as `A=1` or `A+=1` sets, or nothing."""
    name, equals, _ = word.partition("=")
    name = name.removesuffix("+")
    return name if equals and is_name(name) else ""


def names_of(words: Iterable[Word]) -> set[str]:
    """All variables that are expanded in words."""
    return {name for word in words for name in word.names}
