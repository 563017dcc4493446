"""Completion from the option tables: the shells ask `sampan completion --words`, so it is right for every command. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.table import FLAG, OPTIONAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.options.table import Command, Option

SCRIPTS = {
    "bash": """_sampan() {
    local IFS=$'\\n'
    COMPREPLY=($(sampan completion --words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
    # One that ends with = goes on; files are left to the shell.
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
    [[ ${#COMPREPLY[@]} == 0 ]] && compopt -o default
    return 0
}
complete -F _sampan sampan
""",
    "zsh": """#compdef sampan
_sampan() {
    local -a found
    found=(${(f)"$(sampan completion --words -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    (( ${#found} )) && compadd -Q -- "${found[@]}" || _files
}
compdef _sampan sampan
""",
    "fish": """function __sampan_words
    set -l words (commandline -opc) (commandline -ct)
    sampan completion --words -- $words[2..-1] 2>/dev/null
end
complete -c sampan -a '(__sampan_words)'
""",
}


def candidates(command: Command, words: list[str], things: Callable[[str], list[str]]) -> list[str]:
    """What may stand in place of the last word; empty leaves it to the shell, which knows files.

    `words` are those behind the command, the last one as far as it was typed. `things` gives what an argument can be by
    its word (`IMAGE`, `CONTAINER`).
    """
    *before, last = words or [""]
    by_spelling = {spelling: option for option in command.options for spelling in option.spellings}
    position, pending = 0, None
    for word in before:
        if pending is not None:
            pending = None
        elif word.startswith("-") and word != "-" and not (command.options_end and position):
            option = by_spelling.get(word)
            pending = option if option is not None and option.kind not in (FLAG, OPTIONAL) else None
        else:
            position += 1
    if pending is not None:
        return _fitting(_values(pending, things), last)
    if last.startswith("-") and not (command.options_end and position):
        spelling, equals, value = last.partition("=")
        if equals and spelling in by_spelling:
            return [f"{spelling}={found}" for found in _fitting(_values(by_spelling[spelling], things), value)]
        return _fitting([*sorted(by_spelling), "--help"], last)
    argument = command.arguments[min(position, len(command.arguments) - 1)] if command.arguments else None
    if argument is None or (position >= len(command.arguments) and argument.count in ("1", "?")):
        return []
    return _fitting(things(argument.metavar), last)


def _values(option: Option, things: Callable[[str], list[str]]) -> list[str]:
    return list(option.choices) or things(option.metavar.partition("[")[0])


def _fitting(found: list[str], start: str) -> list[str]:
    return [word for word in found if word.startswith(start)]
