"""A command line against a table: options as Docker writes them. Pure; on the start-up path.

Not argparse: it costs 10 ms, more than the rest of a start, and cannot read `--rm=false`, `-eA=1` or options that
end at the image.
"""

from __future__ import annotations

from sampan.errors import UsageError
from sampan.options.table import FLAG, LIST, OPTIONAL, TEMPLATE, Command, Option, Parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TRUE_WORDS = ("true", "1", "t", "T", "TRUE", "True")
FALSE_WORDS = ("false", "0", "f", "F", "FALSE", "False")


class HelpRequested(Exception):
    """`-h` or `--help` stood among the options."""


class _Known:
    """The options by their spellings, and the values so far."""

    __slots__ = ("more", "spellings", "values")

    def __init__(self, options: tuple[Option, ...], more: Callable[[], Iterable[Option]] | None) -> None:
        self.spellings = {spelling: option for option in options for spelling in option.spellings}
        self.values: dict[str, object] = {option.name: option.default for option in options}
        self.more = more

    def find(self, spelling: str) -> Option | None:
        """The option; those that are seldom met are asked for when one is not among the others."""
        found = self.spellings.get(spelling)
        if found is None and self.more is not None:
            for option in self.more():
                self.values.setdefault(option.name, option.default)
                for one in option.spellings:
                    self.spellings.setdefault(one, option)
            self.more = None
            found = self.spellings.get(spelling)
        return found


def parse(command: Command, words: list[str], more: Callable[[], Iterable[Option]] | None = None) -> Parsed:
    """Read `words` (without the program and command) by the table, and by what `more` gives for an option that it does not have.

    Raises `UsageError` with the nearest right word, and `HelpRequested`.
    """
    known = _Known(command.options, more)
    values = known.values
    given: set[str] = set()
    positionals: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word == "--":
            positionals += words[position:]
            break
        if len(word) < 2 or word[0] != "-":
            positionals.append(word)
            if command.options_end:
                positionals += words[position:]
                break
            continue
        pairs, takes_next = _split(command, known, word)
        for option, text in pairs:
            _store(values, option, text)
            given.add(option.name)
        if takes_next is not None:
            if position == len(words):
                raise UsageError(f"option {word} of `sampan {command.words}` needs a value ({takes_next.metavar})", _see(command))
            _store(values, takes_next, words[position])
            given.add(takes_next.name)
            position += 1
    _bind_arguments(command, values, positionals)
    return Parsed(values, frozenset(given))


def _split(command: Command, known: _Known, word: str) -> tuple[list[tuple[Option, str | None]], Option | None]:
    """The options in one word with their texts, and the option that takes the next word as its value."""
    if word in ("-h", "--help") and word not in known.spellings:
        raise HelpRequested
    if word.startswith("--"):
        spelling, equals, text = word.partition("=")
        option = known.find(spelling)
        if option is None:
            raise _unknown(command, known.spellings, spelling)
        if equals or option.kind in (FLAG, OPTIONAL):
            return [(option, text if equals else None)], None
        return [], option
    pairs: list[tuple[Option, str | None]] = []
    for at in range(1, len(word)):
        option = known.find("-" + word[at])
        if option is None:
            raise _unknown(command, known.spellings, "-" + word[at])
        rest = word[at + 1 :]
        if option.kind == FLAG:
            if rest.startswith("="):
                return [*pairs, (option, rest[1:])], None
            pairs.append((option, None))
        elif rest:
            return [*pairs, (option, rest[1:] if rest[0] == "=" else rest)], None
        else:
            return pairs, option
    return pairs, None


def _store(values: dict[str, object], option: Option, text: str | None) -> None:
    spelling = next((one for one in option.spellings if one.startswith("--")), option.spellings[0])
    if option.kind == FLAG:
        if text is not None and text not in TRUE_WORDS and text not in FALSE_WORDS:
            raise UsageError(f"option {spelling} is on or off, not {text!r}", f"write {spelling} or {spelling}=false")
        values[option.name] = text is None or text in TRUE_WORDS
        return
    if option.choices and text is not None and not _is_choice(text, option.choices):
        near = nearest(text, option.choices)
        known = f"it is one of {', '.join(option.choices)}"
        raise UsageError(f"option {spelling} cannot be {text!r}", f"did you mean {near}? {known}" if near else known)
    if option.kind == LIST:
        before = values[option.name]
        values[option.name] = (*(before if isinstance(before, tuple) else ()), text)
    else:
        values[option.name] = "" if text is None else text


def _bind_arguments(command: Command, values: dict[str, object], positionals: list[str]) -> None:
    rest = positionals
    for argument in command.arguments:
        if argument.count in ("1", "?"):
            if not rest and argument.count == "1":
                raise UsageError(f"`sampan {command.words}` needs {argument.metavar} ({argument.help})", _see(command))
            values[argument.name] = rest[0] if rest else None
            rest = rest[1:]
        else:
            if not rest and argument.count == "+":
                raise UsageError(f"`sampan {command.words}` needs {argument.metavar} ({argument.help})", _see(command))
            values[argument.name] = tuple(rest)
            rest = []
    if rest:
        raise UsageError(f"`sampan {command.words}` does not know what to do with {rest[0]!r}", _see(command))


def _see(command: Command) -> str:
    return f"see `sampan {command.words} --help`"


def _unknown(command: Command, spellings: dict[str, Option], spelling: str) -> UsageError:
    near = nearest(spelling, [*spellings, "--help"])
    hint = f"did you mean {near}?" if near else _see(command)
    return UsageError(f"`sampan {command.words}` has no option {spelling}", hint)


def _is_choice(text: str, choices: tuple[str, ...]) -> bool:
    return text in choices or (TEMPLATE in choices and "{{" in text)


def nearest(word: str, words: object) -> str | None:
    """The word of a collection that looks most like this one, if any is close."""
    from difflib import get_close_matches

    close = get_close_matches(word, [str(other) for other in words], 1, 0.6)  # type: ignore[attr-defined]
    return close[0] if close else None
