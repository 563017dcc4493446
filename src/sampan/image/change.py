"""`--change`: one instruction of a Dockerfile applied to what an image runs. Pure.

The words are Docker's: lists as JSON or as a text for the shell, quotes, backslashes, and variables of the image's own environment
in the instructions that have them (Dockerfile reference, "Environment replacement"). Sources: docker import(1), docker commit(1),
Dockerfile reference.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sampan.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SHELL = ("/bin/sh", "-c")


def apply(run: Mapping[str, object], text: str) -> dict[str, object]:
    """`run` (`Env`, `Cmd`, ... as a configuration has them) after the instruction `text`. Raises `UsageError`."""
    word, _, rest = text.strip().partition(" ")
    instruction = _INSTRUCTIONS.get(word.upper())
    if instruction is None:
        raise UsageError(f"--change {text!r} is not a known instruction", f"one of {', '.join(_INSTRUCTIONS)} with its words")
    rest = rest.strip()
    if not rest:
        raise UsageError(f"--change {text!r} says nothing")
    if "\0" in rest:
        raise UsageError("--change cannot hold a NUL byte")
    try:
        return {**run, **instruction(run, rest)}
    except ValueError as error:
        raise UsageError(f"--change {text!r} cannot be understood: {error}") from error


def _command(key: str) -> Callable[[Mapping[str, object], str], dict[str, object]]:
    def change(_run: Mapping[str, object], text: str) -> dict[str, object]:
        listed = _json_texts(text)
        return {key: listed if listed is not None else [*_SHELL, text]}

    return change


def _env(run: Mapping[str, object], text: str) -> dict[str, object]:
    environment = _environment(run)
    pairs = _pairs(text, environment)
    return {"Env": [f"{name}={value}" for name, value in {**environment, **pairs}.items()]}


def _label(run: Mapping[str, object], text: str) -> dict[str, object]:
    return {"Labels": {**_object(run, "Labels"), **_pairs(text, _environment(run))}}


def _expose(run: Mapping[str, object], text: str) -> dict[str, object]:
    ports: dict[str, object] = {}
    for word in _words(text, _environment(run)):
        number, _, protocol = word.partition("/")
        first, _, last = number.partition("-")
        if not _is_port(first) or (last and not _is_port(last)) or protocol.lower() not in ("", "tcp", "udp", "sctp"):
            raise ValueError(f"{word!r} is not a port such as 80 or 53/udp")
        for port in range(int(first), int(last or first) + 1):
            ports[f"{port}/{protocol.lower() or 'tcp'}"] = {}
    return {"ExposedPorts": {**_object(run, "ExposedPorts"), **ports}}


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536


def _volume(run: Mapping[str, object], text: str) -> dict[str, object]:
    listed = _json_texts(text)
    names = _words(text, _environment(run)) if listed is None else listed
    if not all(names):
        raise ValueError("a volume has no name")
    return {"Volumes": {**_object(run, "Volumes"), **{name: {} for name in names}}}


def _workdir(run: Mapping[str, object], text: str) -> dict[str, object]:
    import posixpath

    before = run.get("WorkingDir")
    (path,) = _one_word(text, _environment(run))
    return {"WorkingDir": posixpath.normpath(posixpath.join("/", before if isinstance(before, str) else "", path))}


def _word(key: str) -> Callable[[Mapping[str, object], str], dict[str, object]]:
    def change(run: Mapping[str, object], text: str) -> dict[str, object]:
        (value,) = _one_word(text, _environment(run))
        return {key: value}

    return change


_INSTRUCTIONS: dict[str, Callable[[Mapping[str, object], str], dict[str, object]]] = {
    "CMD": _command("Cmd"),
    "ENTRYPOINT": _command("Entrypoint"),
    "ENV": _env,
    "EXPOSE": _expose,
    "LABEL": _label,
    "STOPSIGNAL": _word("StopSignal"),
    "USER": _word("User"),
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}


def _environment(run: Mapping[str, object]) -> dict[str, str]:
    texts = run.get("Env")
    pairs = [text.partition("=") for text in texts if isinstance(text, str)] if isinstance(texts, list) else []
    return {name: value for name, _, value in pairs}


def _object(run: Mapping[str, object], key: str) -> dict[str, object]:
    value = run.get(key)
    return dict(value) if isinstance(value, dict) else {}


def _json_texts(text: str) -> list[str] | None:
    """The list of texts that `text` spells as JSON; `None` if it is none."""
    if not text.startswith("["):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, list) and all(isinstance(item, str) for item in found) else None


def _pairs(text: str, environment: Mapping[str, str]) -> dict[str, str]:
    """`NAME=VALUE ...`, or the old form `NAME VALUE` whose value goes to the end."""
    first = text.split(None, 1)
    if "=" not in first[0]:
        if len(first) < 2:
            raise ValueError(f"{first[0]!r} has no value")
        return {first[0]: "".join(_one_word(first[1], environment))}
    found = {}
    for word in _words(text, environment):
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ValueError(f"{word!r} is not NAME=VALUE")
        found[name] = value
    return found


def _one_word(text: str, environment: Mapping[str, str]) -> list[str]:
    """The whole text as one word, blanks included."""
    return _Lexer(text, environment).words(split=False)


def _words(text: str, environment: Mapping[str, str]) -> list[str]:
    return _Lexer(text, environment).words(split=True)


class _Lexer:
    """Quotes, backslashes and variables, as a Dockerfile has them."""

    def __init__(self, text: str, environment: Mapping[str, str]) -> None:
        self._text = text
        self._at = 0
        self._environment = environment

    def words(self, *, split: bool) -> list[str]:
        """The words, or the one that is everything."""
        found: list[str] = []
        word: str | None = None
        while (letter := self._next()) is not None:
            if split and letter in " \t":
                found += [word] if word is not None else []
                word = None
            else:
                word = (word or "") + self._piece(letter)
        return [*found, *([word] if word is not None else [])]

    def _next(self) -> str | None:
        if self._at == len(self._text):
            return None
        self._at += 1
        return self._text[self._at - 1]

    def _piece(self, letter: str) -> str:
        """What a letter outside of quotes begins."""
        if letter == "'":
            return self._until("'", special="")
        if letter == '"':
            return self._until('"', special='"\\$')
        if letter == "\\":
            return self._next() or "\\"
        return self._variable() if letter == "$" else letter

    def _until(self, end: str, special: str) -> str:
        """The text up to a quote; in double quotes variables count, and a backslash before what is special there."""
        found = ""
        while (letter := self._next()) is not None:
            if letter == end:
                return found
            if letter == "\\" and special:
                after = self._next() or ""
                found += after if after in special else "\\" + after
            elif letter == "$" and special:
                found += self._variable()
            else:
                found += letter
        raise ValueError(f"the quote {end} is not closed")

    def _variable(self) -> str:
        if self._text[self._at : self._at + 1] != "{":
            end = self._at
            while end < len(self._text) and ((self._text[end].isascii() and self._text[end].isalnum()) or self._text[end] == "_"):
                end += 1
            name, self._at = self._text[self._at : end], end
            return self._environment.get(name, "") if name else "$"
        end = self._text.find("}", self._at)
        if end < 0:
            raise ValueError("the brace of ${ is not closed")
        inner, self._at = self._text[self._at + 1 : end], end + 1
        name, colon, word = inner.partition(":")
        value = self._environment.get(name, "")
        if not colon:
            return value
        if word[:1] not in ("-", "+"):
            raise ValueError(f"${{{inner}}} is neither ${{NAME:-word}} nor ${{NAME:+word}}")
        return (value or word[1:]) if word[0] == "-" else (word[1:] if value else "")
