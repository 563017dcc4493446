"""Questions to the person at the terminal: on standard error, so that the result stays clean; passwords are not shown."""

from __future__ import annotations

import sys

from sampan.errors import UsageError


def is_possible() -> bool:
    """Whether somebody can answer."""
    return sys.stdin.isatty()


def line(question: str, suggestion: str = "") -> str:
    """What is typed, or the suggestion for an empty answer. Raises `UsageError` at the end of input."""
    sys.stderr.write(f"{question} [{suggestion}]: " if suggestion else f"{question}: ")
    sys.stderr.flush()
    typed = sys.stdin.readline()
    if not typed:
        raise UsageError("no answer was given")
    return typed.strip() or suggestion


def secret(question: str) -> str:
    """What is typed, without showing it. Raises `UsageError` at the end of input."""
    from getpass import getpass

    try:
        return getpass(f"{question}: ", stream=sys.stderr)
    except EOFError as error:
        raise UsageError("no answer was given") from error
