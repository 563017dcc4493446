"""`sampan shims`: small files named docker, podman and so on that call sampan, for programs that look for these names."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from sampan.cli import PROGRAMS
from sampan.errors import HostError, UsageError
from sampan.host.search_path import MARK, is_shim
from sampan.options.parse import nearest
from sampan.options.table import FLAG, Argument, Command, Option
from sampan.terminal.output import result

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "shims",
    "write files named docker, podman, ... that call sampan, for programs that look for these",
    (Option("--env", FLAG, "print the line for a shell that puts the directory in front of PATH"),),
    (
        Argument("DIR", "?", "the directory for them (default: shims in the store)"),
        Argument("PROGRAM", "*", "only these (default: all)"),
    ),
    description=(
        "Each file calls this installation of sampan. Existing files that are none of these are not overwritten. sampan itself never takes one "
        "of them for the real program. Where a variable names the store (SAMPAN_HOME) or another place of sampan now, the files remember it, "
        "because some callers (Galaxy's Pulsar) start programs with an empty environment; what the caller sets counts more."
    ),
    examples=(
        ('eval "$(sampan shims --env)"', "in this shell `docker` and the others are sampan's"),
        ("sampan shims ~/bin docker", "only docker, for good"),
    ),
)


def main(parsed: Parsed, context: Context) -> int:
    """Write them; their paths, or the shell's line."""
    programs = parsed.texts("program") or tuple(PROGRAMS)
    for name in programs:
        if name not in PROGRAMS:
            near = nearest(name, PROGRAMS)
            raise UsageError(f"sampan is no {name!r}", f"did you mean {near}?" if near else f"it is {', '.join(PROGRAMS)}")
    directory = os.path.abspath(parsed.text("dir") or _default_directory(context))
    paths = [_write(directory, name) for name in programs]
    if parsed.flag("env"):
        result(f"export PATH={shlex.quote(directory)}${{PATH:+:$PATH}}\n")
    else:
        result("".join(f"{path}\n" for path in paths))
    return 0


def _default_directory(context: Context) -> str:
    from sampan.store import layout

    session = context.session()
    layout.create(session.store)
    return session.store.join("shims")


def _write(directory: str, name: str) -> str:
    """The file of one program, whole or not at all. Raises `UsageError`, `HostError`."""
    path = f"{directory}/{name}"
    if os.path.lexists(path) and not is_shim(path):
        raise UsageError(f"{path} exists and is not of sampan's making; it is left as it is", "choose another directory")
    text = f'#!/bin/sh\n{MARK.decode()} for {name}, written by `sampan shims`\n{_places()}exec {_ourselves()} {name} "$@"\n'
    temporary = f"{path}.{os.getpid()}.new"
    try:
        os.makedirs(directory, exist_ok=True)
        with open(temporary, "x", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text)
            os.fchmod(stream.fileno(), 0o755)
        os.rename(temporary, path)
    except OSError as error:
        raise HostError(f"cannot write {path}: {error.strerror}", "name a directory that you can write") from error
    return path


# Settings that say where sampan's own things are.
_PLACES = ("home", "stores", "runtime_dir", "programs", "authfile")


def _places() -> str:
    """Lines for sh that set the variables of places as they are now, unless the caller has them."""
    names = [f"SAMPAN_{name.upper()}" for name in _PLACES]
    given = [(name, os.environ[name]) for name in names if os.environ.get(name)]
    return "".join(f'[ -n "${name}" ] || export {name}={shlex.quote(value)}\n' for name, value in given)


def _ourselves() -> str:
    """The words that call this installation, quoted for sh."""
    called = sys.argv[0]
    if os.path.basename(called) != "__main__.py" and os.path.isfile(called):
        return shlex.quote(os.path.abspath(called))
    words = [sys.executable, "-m", "sampan"]
    place = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if os.environ.get("PYTHONPATH"):  # of a checkout: it has to be found again from anywhere
        words = ["env", f"PYTHONPATH={place}", *words]
    return shlex.join(words)
