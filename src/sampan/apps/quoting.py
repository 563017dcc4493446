"""A value written for the place where it stands in a command line. Pure; on the path of `app launch`."""

from __future__ import annotations

from sampan.apps import shell
from sampan.apps.shell import ANY, DOUBLE, LINE, NEVER, NUMBER, RAW, SAFE, SINGLE, UNQUOTED, WORD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.apps.shell import Spot

LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
PLAIN = LETTERS | frozenset("@%+=:,./-_")
"""What stands for itself in every shell, and is not quoted."""
TAME = LETTERS | frozenset("_./:@%+,-")
"""What no parser that people use takes for syntax, beside numbers and names."""
_WORDS = LETTERS | frozenset("_.-")
_ALLOWED = {
    SAFE: "letters, digits and _ . / : @ % + , -",
    WORD: "letters, digits and _ . -",
    NUMBER: "a number",
    LINE: "one line",
    NEVER: "nothing at all",
}


class Unsafe(ValueError):
    """A value cannot be written safely where it stands; the text goes on the sentence about the input."""


def written(value: str, spot: Spot) -> str:
    """The text that stands for `value` at this spot: never more than a part of one word. Raises `Unsafe`."""
    _check(value, spot)
    if spot.quote == UNQUOTED:
        return f"'{_single(value)}'" if _needs_quotes(value, spot) else value
    if spot.quote == SINGLE:
        return _single(value)
    if spot.quote == DOUBLE:
        return ('""' if spot.joined else "") + _double(value)
    return value


def _check(value: str, spot: Spot) -> None:
    if "\0" in value or shell.HOLE in value:
        raise Unsafe("holds a character that no program can be given")
    if spot.limit != ANY and not _fits(value, spot.limit):
        raise Unsafe(f"stands in {spot.reason}: there it may be {_ALLOWED[spot.limit]}")
    if spot.quote == RAW and spot.joined and not value:
        raise Unsafe(f"stands in {spot.reason}: there it must not be empty")
    if spot.dup and (value.rstrip("-").isdigit() or value in ("-", "")):
        raise Unsafe("stands behind `>&`, where a number or `-` is a descriptor and no file")


def _fits(value: str, limit: int) -> bool:
    if limit == LINE:
        return "\n" not in value and "\r" not in value
    if limit == SAFE:
        return TAME.issuperset(value)
    if limit == WORD:
        return _WORDS.issuperset(value)
    if limit == NUMBER:
        digits = value.removeprefix("-")
        return digits.replace(".", "", 1).isdigit() and digits.isascii()
    return False


def _needs_quotes(value: str, spot: Spot) -> bool:
    if not value or spot.forced or not PLAIN.issuperset(value) or value[0] == "=":
        return True
    return spot.starts and (value in shell.RESERVED or "=" in value)


def _single(value: str) -> str:
    return value.replace("'", "'\\''")


def _double(value: str) -> str:
    for letter in '\\$`"':
        value = value.replace(letter, "\\" + letter)
    return value


def separator(text: str, spot: Spot) -> str:
    """What stands between the elements of a list: blanks separate words where nothing is quoted, all else is literal."""
    if spot.quote != UNQUOTED:
        return written(text, spot)
    parts = []
    literal = ""
    for letter in text:
        if letter in " \t":
            if literal:
                parts.append(written(literal, spot))
            literal = ""
            parts.append(letter)
        else:
            literal += letter
    return "".join([*parts, written(literal, spot)] if literal else parts)
