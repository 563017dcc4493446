"""The first step of a template: text and actions apart, and the words of each action.

An action stands between `{{` and `}}`. `{{- ` takes the white space in front of it away, ` -}}` that behind it; `{{/* */}}` is a comment.
Every word knows its place in the text, so that an error can name it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sampan.errors import UsageError

SPACE = " \t\r\n"
_SYMBOLS = (":=", "|", "(", ")", ",", "=")
_ESCAPES = {
    "n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "a": "\a", "b": "\b", "f": "\f", "v": "\v",
}  # fmt: skip
_HEX = {"x": 2, "u": 4, "U": 8}
# Kinds of words; a field is `.Name`, a variable `$` or `$name`.
TEXT, FIELD, VARIABLE, NAME, STRING, NUMBER, CHAR, DOT, SYMBOL = (
    "text", "field", "variable", "name", "string", "number", "character", "dot", "symbol",
)  # fmt: skip


@dataclass(frozen=True)
class Word:
    """A word of an action. `touches`: nothing stands between it and the word in front, as in `$x.Name` and `(index . 0).Name`."""

    kind: str
    text: str
    place: int
    touches: bool = False


@dataclass(frozen=True)
class Action:
    """What stands between the braces; `source` as it is written."""

    words: tuple[Word, ...]
    place: int
    source: str


def wrong(source: str, place: int, what: str, hint: str | None = None) -> UsageError:
    """The error for something at a place of the template."""
    line = source.count("\n", 0, place) + 1
    column = place - (source.rfind("\n", 0, place) + 1) + 1
    where = f"column {column}" if line == 1 else f"line {line}, column {column}"
    return UsageError(f"the template is wrong at {where}: {what}", hint)


def pieces(source: str) -> list[str | Action]:
    """Text and actions in order. Raises `UsageError`."""
    found: list[str | Action] = []
    at = 0
    trim = False
    while True:
        begin = source.find("{{", at)
        text = source[at:] if begin < 0 else source[at:begin]
        if trim:
            text = text.lstrip(SPACE)
        if begin >= 0 and source[begin + 2 : begin + 3] == "-" and source[begin + 3 : begin + 4] in (*SPACE,):
            text = text.rstrip(SPACE)
        if text:
            found.append(text)
        if begin < 0:
            return found
        action, at, trim = _action(source, begin)
        if action is not None:
            found.append(action)


def _action(source: str, begin: int) -> tuple[Action | None, int, bool]:
    """The action that opens at `begin` (`None` for a comment), where it ends, and whether the text behind it is trimmed."""
    at = begin + 2
    if source[at : at + 1] == "-" and source[at + 1 : at + 2] in (*SPACE,):
        at += 2
    if source.startswith("/*", at):
        end = source.find("*/", at + 2)
        if end < 0:
            raise wrong(source, begin, "a comment has no end", "close it: {{/* ... */}}")
        for closing, trims in (("}}", False), (" -}}", True)):
            if source.startswith(closing, end + 2):
                return None, end + 2 + len(closing), trims
        raise wrong(source, end, "a comment has to end the action", "write {{/* ... */}}")
    words: list[Word] = []
    while True:
        start = at
        while source[at : at + 1] in (*SPACE,):
            at += 1
        if source.startswith("}}", at):
            return Action(tuple(words), begin, source[begin : at + 2]), at + 2, False
        if at > start and source.startswith("-}}", at):
            return Action(tuple(words), begin, source[begin : at + 3]), at + 3, True
        if at >= len(source):
            raise wrong(source, begin, "an action has no end", "close it with }}")
        word, at = _word(source, at, touches=at == start and bool(words))
        words.append(word)


def _word(source: str, at: int, *, touches: bool) -> tuple[Word, int]:
    letter = source[at]
    if letter in "\"`'":
        return _quoted(source, at)
    if letter == "." and not source[at + 1 : at + 2].isdigit():
        end = _name_end(source, at + 1)
        kind = DOT if end == at + 1 else FIELD
        return Word(kind, source[at + 1 : end], at, touches), end
    if letter == "$":
        end = _name_end(source, at + 1)
        return Word(VARIABLE, source[at:end], at), end
    if letter.isdigit() or letter == "." or (letter in "+-" and source[at + 1 : at + 2].isdigit()):
        return _number(source, at)
    if letter.isalpha() or letter == "_":
        end = _name_end(source, at)
        return Word(NAME, source[at:end], at), end
    for symbol in _SYMBOLS:
        if source.startswith(symbol, at):
            return Word(SYMBOL, symbol, at), at + len(symbol)
    raise wrong(source, at, f"{letter!r} means nothing in an action")


def _name_end(source: str, at: int) -> int:
    while at < len(source) and (source[at].isalnum() or source[at] == "_"):
        at += 1
    return at


def _number(source: str, at: int) -> tuple[Word, int]:
    end = at + (source[at] in "+-")
    while end < len(source) and (
        source[end].isalnum() or source[end] in "._" or (source[end] in "+-" and source[end - 1] in "eEpP")
    ):
        end += 1
    return Word(NUMBER, source[at:end], at), end


def _quoted(source: str, begin: int) -> tuple[Word, int]:
    """A text in quotes, with Go's escapes, or in backquotes, as it is; or one character in single quotes."""
    quote = source[begin]
    if quote == "`":
        end = source.find("`", begin + 1)
        if end < 0:
            raise wrong(source, begin, "a text in backquotes has no end")
        return Word(STRING, source[begin + 1 : end], begin), end + 1
    found: list[str] = []
    at = begin + 1
    while True:
        letter = source[at : at + 1]
        if letter in ("", "\n"):
            raise wrong(source, begin, "a text in quotes has no end")
        if letter == quote:
            break
        if letter == "\\":
            text, at = _escape(source, at)
            found.append(text)
        else:
            found.append(letter)
            at += 1
    if quote == "'":
        if len(found) != 1:
            raise wrong(source, begin, "single quotes hold one character", 'write texts in double quotes: "..."')
        return Word(CHAR, found[0], begin), at + 1
    return Word(STRING, "".join(found), begin), at + 1


def _escape(source: str, at: int) -> tuple[str, int]:
    letter = source[at + 1 : at + 2]
    if letter in _ESCAPES and letter:
        return _ESCAPES[letter], at + 2
    length = _HEX.get(letter, 3)
    digits = source[at + 2 : at + 2 + length] if letter in _HEX else source[at + 1 : at + 4]
    try:
        code = int(digits, 16 if letter in _HEX else 8) if len(digits) == length and digits.isalnum() else -1
        if code < 0 or 0xD800 <= code < 0xE000:
            raise ValueError
        return chr(code), at + (2 + length if letter in _HEX else 4)
    except (ValueError, OverflowError):
        raise wrong(source, at, f"there is no escape \\{letter}", 'known are \\n \\t \\r \\\\ \\" and \\xNN') from None
