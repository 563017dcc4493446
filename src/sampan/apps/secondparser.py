"""Words that a second parser reads: programs for `sh -c`, `eval`, awk, sed, Python ... Pure; on the path of `app launch`.

Theory of operation. A value that is quoted well for the shell arrives whole in an argument; but if the argument is a program, the
value becomes a part of that program, and no quoting for the shell helps. So for each simple command the arguments that are
programs are found, by a table of the interpreters people use in descriptors, wherever in the command they stand
(`timeout 5 sh -c ...`, `xargs sh -c`, `find -exec sh -c`), and values in them are bound to letters that no parser takes for syntax.

A value can also reach a program on the way over a variable (`CMD="tool [X]"; eval "$CMD"`), a pipe into a shell, or a script that is
written and then run. Such flows are found coarsely: then every value of the command line is bound. What stays outside is a
program that is not in the table and evaluates its arguments.
"""

from __future__ import annotations

from sampan.apps import shell
from sampan.apps.shell import HOLE, NEVER, SAFE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.apps.shell import Reading, Simple, Word

SHELLS = frozenset(["sh", "bash", "dash", "ash", "ksh", "ksh93", "mksh", "zsh", "csh", "tcsh", "fish", "rbash"])
# Program -> letters of the options whose value is a program.
BY_OPTION = {
    **dict.fromkeys(SHELLS, "c"),
    "python": "c", "python2": "c", "python3": "c", "pypy3": "c", "perl": "eE", "ruby": "e", "node": "ep", "nodejs": "ep", "php": "rBRE",
    "lua": "e", "julia": "eE", "R": "e", "Rscript": "e", "octave": "", "octave-cli": "", "matlab": "r", "su": "c", "runuser": "c",
    "script": "c", "flock": "c", "psql": "c", "mysql": "e", "gnuplot": "e", "env": "S", "bc": "e", "tclsh": "", "ocaml": "e", "ghc": "e",
    "groovy": "e", "jshell": "",
}  # fmt: skip
LONG = frozenset(("--eval", "--print", "--command", "--split-string", "--expression", "-batch", "--execute", "-eval", "-r"))
"""Long options whose value is a program, for all of BY_OPTION."""
FIRST = {
    "awk": "vFfieLlDo", "gawk": "vFfieLlDo", "mawk": "vFfW", "nawk": "vFf", "original-awk": "vFf", "sed": "efls", "gsed": "efls", "jq": "fL",
    "trap": "", "xsh": "", "expr": "", "sqlite3": "", "tclsh": "",
}  # fmt: skip
"""Program -> letters of its options that take a value; the first argument is a program (also that of -e and --expression)."""
ALL = frozenset(["eval", "watch", "ssh", "parallel", "alias", "let", "make", "rsh", "at", "ksh93-eval"])
"""Every argument is, or becomes, a program."""
DECLARING = frozenset(
    [
        "export",
        "readonly",
        "local",
        "declare",
        "typeset",
        "unset",
        "read",
        "printf",
        "test",
        "[",
        "mapfile",
        "readarray",
        "getopts",
    ]
)
"""Builtins for which a word that begins with a value may name a variable, with an index that is evaluated."""
_CODE = "a program for another interpreter, in which no quoting protects it"
_FLOW = "a command line that hands values on to another interpreter"


def bind_spots(reading: Reading) -> None:
    """Bound the spots whose values would be read a second time."""
    tainted = _tainted(reading)
    flows = any(_hands_on(command, tainted) for command in reading.commands) or _runs_what_it_wrote(reading.commands)
    for command in reading.commands:
        for number in _programs(command):
            for spot in command.words[number].spots:
                spot.bound(SAFE, _CODE)
        if any(_base(word) in BY_OPTION or _base(word) in FIRST or _base(word) in ALL for word in command.words):
            for word in command.inputs:
                for spot in word.spots:
                    spot.bound(SAFE, _CODE)
        _bind_names(command)
    if flows:
        for spot in reading.spots:
            spot.bound(SAFE, _FLOW)


def _base(word: Word) -> str:
    """The name of a program in a word, or nothing."""
    text = word.text
    return "" if HOLE in text else text.rsplit("/", 1)[-1]


def _programs(command: Simple) -> set[int]:
    """The numbers of the words that are programs."""
    found: set[int] = set()
    for number, word in enumerate(command.words):
        name = _base(word)
        if name in ALL and (number == 0 or name in ("ssh", "parallel", "make", "watch")):
            found.update(range(number + 1, len(command.words)))
        elif name in FIRST and (name != "trap" or number == 0):
            found |= _first(command, number, FIRST[name])
        if _flags(name) is not None:
            found |= _by_option(command, number, _flags(name) or "")
    return found


def _flags(name: str) -> str | None:
    """The letters of an interpreter's options, also of a `python3.11`."""
    return BY_OPTION.get(name, "c" if name.startswith("python") else None)


def _by_option(command: Simple, at: int, letters: str) -> set[int]:
    found: set[int] = set()
    number = at + 1
    while number < len(command.words):
        text = command.words[number].text
        if text.partition("=")[0] in LONG:
            found.update((number,) if "=" in text else (number, number + 1))
        elif len(text) > 1 and text[0] in "-+" and not text.startswith("--"):
            if any(letter in letters for letter in text[1:]):
                found.update((number, number + 1))
                number += 1
        elif not text.startswith("--") and (at or not shell.assigned(text)) and HOLE not in text[:1]:
            break
        number += 1
    return {one for one in found if one < len(command.words)}


def _first(command: Simple, at: int, with_value: str) -> set[int]:
    found: set[int] = set()
    number = at + 1
    given = False
    while number < len(command.words):
        text = command.words[number].text
        if text == "--":
            number += 1
            continue
        if not text.startswith("-") or text == "-":
            break
        if text.startswith(("-e", "--expression", "--source", "-i", "-E", "-n")) and "e" in text[1:].partition("=")[0]:
            found.update((number, number + 1))
            given = True
        given = given or text.startswith(("-f", "--file"))
        number += 2 if len(text) == 2 and text[1] in with_value and text[1] != "i" else 1
    if not given:
        found.add(number)
    return {one for one in found if one < len(command.words)}


def _bind_names(command: Simple) -> None:
    words = command.words
    if words and _base(words[0]) in DECLARING:
        naming = _base(words[0]) not in ("printf", "test", "[") or any(word.text in ("-v", "-R") for word in words[:-1])
        for word in words[1:] if naming else ():
            if word.text.startswith(HOLE):
                word.spots[0].bound(SAFE, "the name of a variable, whose index would be evaluated")
    for word in words:
        name, equals, _ = word.text.partition("=")
        if equals and HOLE in name and not word.quoted and shell.is_name(name.replace(HOLE, "a")):
            for spot in word.spots[: name.count(HOLE)]:
                spot.bound(NEVER, "the name of a variable that is set")


def _tainted(reading: Reading) -> set[str]:
    """The variables that may hold values: set from one, from what a command prints that sees one, or read."""
    tainted: set[str] = {"*"}
    while True:
        before = len(tainted)
        for command in reading.commands:
            words = [word for word in command.words if word.text]
            name = _base(words[0]) if words else ""
            fed = any(word.spots or word.names & tainted - {"*"} for word in words)
            for word in words:
                target = shell.assigned(word.text)
                if target and (word.spots or (word.names - {"*"}) & tainted):
                    tainted.add(target)
            if name in ("read", "mapfile", "readarray", "getopts"):
                tainted.update(word.text for word in words[1:] if shell.is_name(word.text))
            elif name in ("for", "select", "foreach") and len(words) > 1 and fed:
                tainted.add(words[1].text)
            elif name in ("cd", "pushd") and fed:
                tainted.update(("PWD", "OLDPWD"))
            elif name == "set" and fed:
                tainted.update("123456789@*")
        if len(tainted) == before:
            return tainted - {"*"}


def _hands_on(command: Simple, tainted: set[str]) -> bool:
    """Whether a program in this command holds a variable that holds a value, or is what a pipe brings."""
    for number in _programs(command):
        word = command.words[number]
        if word.names & tainted:
            return True
    if any(word.names & tainted for word in command.inputs) and any(_flags(_base(word)) is not None for word in command.words):
        return True
    for number, word in enumerate(command.words):
        if command.piped and _base(word) in SHELLS:
            rest = [other.text for other in command.words[number + 1 :]]
            script = [text for text in rest if not text.startswith(("-", "+"))]
            if not script or any("{}" in text or "%" in text for text in rest) or "-s" in rest:
                return True
    return False


def _runs_what_it_wrote(commands: list[Simple]) -> bool:
    """Whether a file that the command line writes is run as a script by it."""
    written = {word.text for command in commands for word in command.targets if word.text}
    for command in commands:
        for number, word in enumerate(command.words):
            before = _base(command.words[number - 1]) if number else ""
            runs = number == 0 or _flags(before) is not None or before in ("exec", "command")
            runs = runs or (before in ("source", ".") and _is_builtin(command, number - 1))
            if runs and (word.text in written or word.text.removeprefix("./") in written):
                return True
    return False


def _is_builtin(command: Simple, at: int) -> bool:
    """Whether the word is what the shell itself runs, and no argument: the dot of `-o .` is a directory."""
    before = command.words[:at]
    named = [word for word in before if not shell.assigned(word.text)]
    leads = not named or _base(named[0]) in ("command", "builtin") or HOLE in named[0].text
    return leads and all(word.text.startswith("-") or _base(word) in ("", "command", "builtin") for word in named)


def is_interpreter(name: str) -> bool:
    """Whether a program runs programs that people write."""
    return name in FIRST or _flags(name) is not None
