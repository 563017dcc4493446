"""The scanner in C that `json` itself uses, without `json`: that brings `re` along, 28 million instructions, half of what a start may cost.

On the start-up path. Where an interpreter has no such scanner, `json` does it.
"""

from __future__ import annotations


class Hooks:
    """What the scanner wants to know; the same as `json.loads` with its defaults, but NaN and Infinity are refused."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int

    @staticmethod
    def parse_constant(name: str) -> float:
        """Refuse it."""
        raise ValueError(name)


def scan(text: str, hooks: type[Hooks] = Hooks) -> object:
    """The value of a JSON document. Raises ValueError, mostly without a place; `json.loads` knows that."""
    try:
        from _json import make_scanner  # type: ignore[import-not-found,unused-ignore]

        scanner = make_scanner(hooks)  # type: ignore[arg-type,unused-ignore]
    except (ImportError, AttributeError, TypeError):
        return slowly(text, hooks)
    text = text.strip(" \t\r\n")
    try:
        value, end = scanner(text, 0)
    except (StopIteration, RecursionError, SystemError) as error:
        # SystemError: for some faults the scanner leaves the exception to json.decoder, and raises none if that is not imported.
        raise ValueError("it is not JSON") from error
    if end != len(text):
        raise ValueError("something follows the value")
    return value


def slowly(text: str, hooks: type[Hooks] = Hooks) -> object:
    """The same by `json`. Raises ValueError that names the place, RecursionError."""
    import json

    return json.loads(
        text,
        object_pairs_hook=hooks.object_pairs_hook,
        parse_int=hooks.parse_int,
        parse_float=hooks.parse_float,
        parse_constant=hooks.parse_constant,
    )
