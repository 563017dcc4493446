"""`sampan completion`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.cli import GROUPS, LEVELS, find
from sampan.errors import SampanError, UsageError
from sampan.options.parse import nearest
from sampan.options.table import FLAG, Argument, Command, Option
from sampan.terminal.completion import SCRIPTS, candidates, fitting
from sampan.terminal.output import result

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "completion",
    "print the completion script of a shell",
    (
        Option("--words", FLAG, "what can stand in place of the last word given (the scripts ask this)"),
        Option("--described", FLAG, "with --words: each followed by a tab and its meaning"),
    ),
    (Argument("SHELL", "*", "bash, zsh or fish"),),
    description="An installed sampan brings the scripts to where the shells look for them; this is for sampan.pyz and other places.",
    examples=(
        ("source <(sampan completion bash)", "for this bash; put it into ~/.bashrc for all"),
        ("sampan completion zsh > ~/.zfunc/_sampan", "for zsh, in a directory of its fpath"),
        ("sampan completion fish > ~/.config/fish/completions/sampan.fish", "for fish"),
    ),
    options_end=True,
)
SIGNALS = ("TERM", "KILL", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH", "STOP", "CONT")
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/386", "linux/ppc64le", "linux/riscv64", "linux/s390x")
FILTERS = {
    "ps": ("status=", "name=", "label=", "ancestor=", "exited=", "health=", "id=", "before=", "since="),
    "images": ("reference=", "dangling=true", "dangling=false", "label=", "before=", "since="),
    "prune": ("until=", "label=", "label!="),
}
# Commands for containers that run, and for those that do not; all others are for both.
RUNNING = ("stop", "kill", "pause", "unpause", "attach", "exec", "top", "stats", "restart", "wait")
RESTING = ("start",)
# Arguments NAME that stand for something that is there; elsewhere it is a new name.
NAMED = {"inspect": ("IMAGE", "CONTAINER"), "export": ("CONTAINER", "IMAGE"), "images": ("IMAGE NAME",)}


def main(parsed: Parsed, context: Context) -> int:
    """The script, or candidates a line each."""
    words = parsed.texts("shell")
    if parsed.flag("words"):
        described = parsed.flag("described")
        for word, meaning in _complete(list(words), context):
            result(f"{word}\t{meaning}\n" if described else f"{word}\n")
        return 0
    if len(words) != 1 or words[0] not in SCRIPTS:
        near = nearest(words[0], SCRIPTS) if words else None
        known = f"it is one of {', '.join(SCRIPTS)}"
        raise UsageError("`sampan completion` needs one shell", f"did you mean {near}? {known}" if near else known)
    result(SCRIPTS[words[0]])
    return 0


def _complete(words: list[str], context: Context) -> list[tuple[str, str]]:
    while words and words[0] in LEVELS:
        words = words[1:]
    commands = [(name, entry[1]) for table in GROUPS.values() for name, entry in table.items()]
    if len(words) < 2:
        others = [("help", "show what a command does"), *((level, "") for level in LEVELS), ("--help", ""), ("--version", "")]
        return fitting([*sorted(commands), *others], words[0] if words else "")
    if words[0] == "help":
        return fitting(sorted(commands), words[1]) if len(words) == 2 else _verbs(words[1:])
    found = find(words[0])
    if found is None:
        return []
    if len(words) == 2 and (verbs := _verbs(words)):
        return verbs
    module = __import__(found[0], fromlist=["COMMAND"])
    table = module.VERBS.get(words[1], (None,))[0] if hasattr(module, "VERBS") else module.COMMAND
    if table is None:
        return []
    if hasattr(module, "inputs_of") and (found_inputs := module.inputs_of(words[1], words[2:], context)) is not None:
        inputs, rest = found_inputs
        return candidates(inputs, rest, lambda metavar: _things(table.words, metavar, context))
    rest = words[2:] if hasattr(module, "VERBS") else words[1:]
    return candidates(table, rest, lambda metavar: _things(table.words, metavar, context))


def _verbs(words: list[str]) -> list[tuple[str, str]]:
    """The verbs of a noun that begin like its next word."""
    found = find(words[0])
    module = __import__(found[0], fromlist=["COMMAND"]) if found is not None else None
    verbs = getattr(module, "VERBS", {})
    return fitting([(verb, verbs[verb][0].summary) for verb in sorted(verbs)], words[1]) if len(words) == 2 else []


def _things(command: str, metavar: str, context: Context) -> list[str]:
    """What a word of a table stands for; nothing where that is not known, or the store cannot be read."""
    from sampan.engine.choose import ENGINES
    from sampan.settings import TABLE

    fixed: dict[str, tuple[str, ...]] = {
        "SHELL": tuple(SCRIPTS),
        "KEY": tuple(setting.name for setting in TABLE),
        "ENGINE": ("auto", *ENGINES),
        "SIGNAL": SIGNALS,
        "OS/ARCH": PLATFORMS,
        "FILTER": FILTERS.get(command, ()),
        "KEY=VALUE": FILTERS.get(command, ()),
        "rm": ("rm",),
    }
    if metavar in fixed:
        return list(fixed[metavar])
    kinds = NAMED.get(command, ()) if metavar == "NAME" else (metavar,)
    try:
        return [name for kind in kinds for name in _stored(command, kind, context)]
    except SampanError:
        return []


def _stored(command: str, kind: str, context: Context) -> list[str]:
    """Images, containers and pins of the store, and executions."""
    from sampan.container import shelf
    from sampan.runtime import ps
    from sampan.runtime.listing import listed
    from sampan.store import pins

    session = context.session()
    if kind in ("IMAGE", "REFERENCE"):
        return sorted({f"{entry.name}:{entry.tag}" for entry in listed(session) if entry.tag})
    if kind == "IMAGE NAME":
        return sorted({entry.name for entry in listed(session) if entry.name})
    if kind == "EXECUTION":
        from sampan.executions.launch import kept as kept_executions

        return ["last", *kept_executions(session).ids()]
    if kind == "APPLICATION":
        from sampan.apps import catalogue

        return [kept.name if kept.name.isidentifier() else f"{kept.name}/{kept.version}" for kept in catalogue.listing(session)]
    if kind == "ID":
        return [pin.id for pin in pins.listing(session.store)]
    if kind not in ("CONTAINER", "SOURCE", "GOAL"):
        return []
    kept = set(shelf.ids(session.store))
    entries = [entry for entry in ps.listed(session, everything=True) if entry.id in kept]
    if command in RUNNING or command in RESTING:
        entries = [entry for entry in entries if entry.runs == (command in RUNNING)]
    return sorted((entry.name or entry.id[:12]) + (":" if kind in ("SOURCE", "GOAL") else "") for entry in entries)
