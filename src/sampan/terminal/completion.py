"""Completion from the option tables: the shells ask `sampan completion --words`, so it is right for every command. Pure.

Theory of operation. The script of a shell hands over the words of the line up to the cursor, the last one as far as it
was typed, and gets what can stand in its place, a line each; an empty answer means: files, which the shell knows best.
zsh and fish ask with --described and show the meaning behind a tab. Bash is the odd one: it cuts words at `:` and `=`
(COMP_WORDBREAKS) and replaces only what stands behind the last cut, so its script joins the words again and takes the
part that bash has already off the answers. Changing COMP_WORDBREAKS would change every other program's completion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.table import FLAG, OPTIONAL, TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.options.table import Command, Option

    # What an argument or a value can be, by its word in the table (`IMAGE`, `CONTAINER`).
    Things = Callable[[str], list[str]]

SCRIPTS = {
    "bash": """# bash completion for sampan
_sampan() {
    local line=${COMP_LINE:0:COMP_POINT} next part i known IFS=$'\\n'
    local -a words=()
    # Words as people see them: parts that no blank separates belong together, and the last one ends at the cursor.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        next=${line#"${line%%[![:blank:]]*}"}
        part=${COMP_WORDS[i]}
        ((i == COMP_CWORD)) && part=$next
        if ((i == 0)) || [[ $next != "$line" ]]; then words+=("$part"); else words[${#words[@]} - 1]+=$part; fi
        line=${next#"$part"}
    done
    COMPREPLY=($(sampan completion --words -- "${words[@]:1}" 2>/dev/null))
    # Bash replaces the last part alone.
    known=${words[${#words[@]} - 1]}
    [[ $part == [:=] ]] || known=${known%"$part"}
    COMPREPLY=("${COMPREPLY[@]#"$known"}")
    # What ends with = or : goes on; files are left to the shell.
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=:] ]] && compopt -o nospace
    [[ ${#COMPREPLY[@]} == 0 ]] && compopt -o default
    return 0
}
complete -F _sampan sampan
""",
    "zsh": """#compdef sampan
_sampan() {
    local line word
    local -a answers open closed
    answers=(${(f)"$(sampan completion --words --described -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)"})
    (( ${#answers} )) || { _files; return }
    for line in "${answers[@]}"; do
        word=${line%%$'\\t'*}
        line=${word//:/\\\\:}:${line#*$'\\t'}
        # What ends with = or : goes on.
        [[ $word == *[=:] ]] && open+=("$line") || closed+=("$line")
    done
    (( ${#open} )) && _describe -V sampan open -S ''
    (( ${#closed} )) && _describe -V sampan closed
}
# Sourced, it registers itself; found in fpath as _sampan, its first call must complete already.
if [[ ${funcstack[1]} == _sampan ]]; then _sampan "$@"; else compdef _sampan sampan; fi
""",
    "fish": """# fish completion for sampan
function __sampan_words
    set -l words (commandline -opc) (commandline -ct)
    set -l found (sampan completion --words --described -- $words[2..-1] 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c sampan -f -k -a '(__sampan_words)'
""",
}


def candidates(command: Command, words: list[str], things: Things) -> list[tuple[str, str]]:
    """What may stand in place of the last word, each with its meaning; empty leaves it to the shell, which knows files.

    `words` are those behind the command, the last one as far as it was typed.
    """
    *before, last = words or [""]
    by_spelling = {spelling: option for option in command.options for spelling in option.spellings}
    position, pending, only_arguments = 0, None, False
    for word in before:
        if pending is not None:
            pending = None
        elif word == "--" and not only_arguments:
            only_arguments = True
        elif len(word) > 1 and word.startswith("-") and not only_arguments:
            pending = _takes_next(by_spelling, word)
        else:
            position += 1
            only_arguments = only_arguments or command.options_end
    if pending is not None:
        return fitting(_values(pending, things), last)
    if last.startswith("-") and not only_arguments:
        spelling, equals, value = last.partition("=")
        if equals and spelling in by_spelling:
            return [(f"{spelling}={word}", meaning) for word, meaning in fitting(_values(by_spelling[spelling], things), value)]
        known = {spelling: option.help for spelling, option in sorted(by_spelling.items())}
        return fitting([*known.items(), ("--help", "show what it does")], last)
    argument = command.arguments[min(position, len(command.arguments) - 1)] if command.arguments else None
    if argument is None or (position >= len(command.arguments) and argument.count in ("1", "?")):
        return []
    return fitting([(word, "") for word in things(argument.metavar)], last)


def _takes_next(by_spelling: dict[str, Option], word: str) -> Option | None:
    """The option that has the next word as its value: `--name`, `-v`, and the last of a cluster as in `-itv`."""
    spellings = [word] if word.startswith("--") else [f"-{letter}" for letter in word[1:]]
    for at, spelling in enumerate(spellings, 1):
        option = by_spelling.get(spelling)
        if option is None:
            return None
        if option.kind not in (FLAG, OPTIONAL):
            return option if at == len(spellings) else None
    return None


def _values(option: Option, things: Things) -> list[tuple[str, str]]:
    words = [one for one in option.choices if one != TEMPLATE] or things(option.metavar.partition("[")[0])
    return [(word, "") for word in words]


def fitting(found: list[tuple[str, str]], start: str) -> list[tuple[str, str]]:
    """Those that begin so."""
    return [(word, meaning) for word, meaning in found if word.startswith(start)]
