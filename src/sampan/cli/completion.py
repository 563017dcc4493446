"""`sampan completion`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.cli import GROUPS, LEVELS, find
from sampan.errors import SampanError, UsageError
from sampan.options.table import FLAG, Argument, Command, Option
from sampan.terminal.completion import SCRIPTS, candidates
from sampan.terminal.output import result

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "completion",
    "print the completion script of a shell",
    (Option("--words", FLAG, "what can stand in place of the last word given (the scripts ask this)"),),
    (Argument("SHELL", "*", "bash, zsh or fish"),),
    examples=(("source <(sampan completion bash)", "for this bash; put it into ~/.bashrc for all"),),
    options_end=True,
)


def main(parsed: Parsed, context: Context) -> int:
    """The script, or candidates a line each."""
    words = parsed.texts("shell")
    if parsed.flag("words"):
        found = _complete(list(words), context)
        result("".join(f"{word}\n" for word in found))
        return 0
    if len(words) != 1 or words[0] not in SCRIPTS:
        raise UsageError("`sampan completion` needs one shell", f"it is one of {', '.join(SCRIPTS)}")
    result(SCRIPTS[words[0]])
    return 0


def _complete(words: list[str], context: Context) -> list[str]:
    while words and words[0] in LEVELS:
        words = words[1:]
    if len(words) < 2:
        start = words[0] if words else ""
        names = [name for commands in GROUPS.values() for name in commands]
        return [name for name in (*sorted(names), *LEVELS, "--help", "--version") if name.startswith(start)]
    found = find(words[0])
    if found is None:
        return []
    module = __import__(found[0], fromlist=["COMMAND"])
    if hasattr(module, "VERBS"):
        if len(words) == 2:
            return [verb for verb in sorted(module.VERBS) if verb.startswith(words[1])]
        command, words = module.VERBS[words[1]][0] if words[1] in module.VERBS else None, words[1:]
    else:
        command = module.COMMAND
    return candidates(command, words[1:], lambda metavar: _things(metavar, context)) if command is not None else []


def _things(metavar: str, context: Context) -> list[str]:
    """Images and containers by their names; nothing where the store cannot be read."""
    from sampan.container import shelf
    from sampan.runtime import ps
    from sampan.runtime.listing import listed

    session = context.session()
    try:
        if metavar in ("IMAGE", "REFERENCE"):
            return sorted({f"{entry.name}:{entry.tag}" for entry in listed(session) if entry.tag != "-"})
        if metavar == "CONTAINER":
            return sorted(
                entry.name or entry.id[:12]
                for entry in ps.listed(session, everything=True)
                if entry.id in shelf.ids(session.store)
            )
    except SampanError:
        pass
    return []
