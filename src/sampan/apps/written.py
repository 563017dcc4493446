"""Files that are written before the program starts: file templates, filled in. Pure; on the path of `app launch`.

A template that is a shell script is written as the command line is, by the quoting state of each place. One that is a program in
another language takes only values that no language has a use for. In any other file a value stands as it is, on one line; in JSON it
must not hold a quote or a backslash.
"""

from __future__ import annotations

from sampan.apps import quoting, template
from sampan.apps.application import FILE, STRING
from sampan.apps.paths import stripped_of
from sampan.apps.render import Scope, Unwritable, WrittenFile, scope_of, shell_text
from sampan.apps.secondparser import SHELLS, is_interpreter
from sampan.errors import BadValues, Problem, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.apps.application import Input, Output
    from sampan.apps.bind import Invocation

_SCRIPTS = (".sh", ".bash", ".ksh")
_PROGRAMS = (".py", ".pl", ".r", ".m", ".rb", ".js", ".lua", ".awk", ".sed", ".tcl", ".jl", ".php", ".csh", ".mk")


def written_files(invocation: Invocation, directory: str = "") -> tuple[WrittenFile, ...]:
    """What the templates of an invocation make. Raises `BadValues`."""
    application = invocation.application
    outputs = [one for one in application.outputs if one.template]
    if not outputs:
        return ()
    scope = scope_of(invocation, directory)
    found = []
    for one in outputs:
        path = scope.paths.get(one.id)
        if path is None:
            continue
        try:
            found.append(WrittenFile(path, _content(one, path, scope, application.command_line)))
        except Unwritable as error:
            problem = Problem(error.problem.place, f"{error.problem.what} (in the file {printable(path)})")
            raise BadValues(f"cannot launch {application.identifier}", (problem,), error.hint) from error
    return tuple(found)


def _content(output: Output, path: str, scope: Scope, command_line: str) -> str:
    lines = [_kept(line, scope) for line in output.template]
    kind = _kind(output, path, command_line)
    if kind == "script":
        return shell_text("\n".join(lines), _without_flags(scope, output))
    return "\n".join(_line(line, scope, output, kind, path) for line in lines)


def _kept(line: str, scope: Scope) -> str:
    """The line, or an empty one where it names an input without a value."""
    for _, key in template.cut(line, scope.owners):
        owners = scope.owners.get(key, [])
        if key and not any(scope.values.get(one.id) is not None or one.id in scope.paths for one in owners):
            return ""
    return line


def _kind(output: Output, path: str, command_line: str) -> str:
    """`script`, `program` or `data`: by its first line, its name, or what the command line runs it with."""
    first = output.template[0].split() if output.template else []
    if first and first[0].startswith("#!"):
        names = [word.lstrip("#!").rsplit("/", 1)[-1] for word in first]
        return "script" if any(name in SHELLS and name not in ("csh", "tcsh", "fish") for name in names) else "program"
    lowered = path.lower()
    if lowered.endswith(_SCRIPTS):
        return "script"
    if lowered.endswith(_PROGRAMS):
        return "program"
    for before, key in template.cut(command_line, [output.value_key]):
        words = before.replace(";", " ; ").split()
        name = words[-1].rsplit("/", 1)[-1] if words else ""
        if key and (name in (".", "source") or (name in SHELLS and name not in ("csh", "tcsh", "fish"))):
            return "script"
        if key and (is_interpreter(name) or name == "-f"):
            return "program"
    return "data"


def _without_flags(scope: Scope, output: Output) -> Scope:
    """The scope of a file: values stand alone there, without their flags."""
    from sampan.apps.application import Input

    found = Scope((), (), scope.values, scope.paths)
    for key, owners in scope.owners.items():
        found.owners[key] = [_bare(one, output) if isinstance(one, Input) else one for one in owners]
    return found


def _bare(one: Input, output: Output) -> Input:
    from sampan.apps.application import Input

    fields = {name: getattr(one, name) for name in Input.__slots__}
    fields["flag"] = None
    del output
    return Input(**fields)


def _line(line: str, scope: Scope, output: Output, kind: str, path: str) -> str:
    found = []
    for text, key in template.cut(line, scope.owners):
        found.append(text)
        for one in scope.owners.get(key, ()) if key else ():
            if one.id in scope.paths:
                found.append(_checked(one.id, scope.paths[one.id], kind, path))
            elif scope.values.get(one.id) is not None:
                value = scope.values[one.id]
                several = value if isinstance(value, tuple) else (value,)
                texts = [_checked(one.id, _stripped(template.shown(item), one, output), kind, path) for item in several]
                found.append(getattr(one, "separator", " ").join(texts))
                break
    return "".join(found)


def _stripped(text: str, one: Input | Output, output: Output) -> str:
    return stripped_of(text, output.stripped) if getattr(one, "type", "") in (FILE, STRING) else text


def _checked(id: str, text: str, kind: str, path: str) -> str:
    if kind == "program" and not quoting.TAME.issuperset(text):
        raise Unwritable(
            Problem(id, f'"{printable(text)}" stands in a program: there it may be letters, digits and _ . / : @ % + , -')
        )
    if any(ord(letter) < 32 and letter != "\t" for letter in text):
        raise Unwritable(Problem(id, f'"{printable(text)}" has a line break or a control character, which the file cannot hold'))
    if path.lower().endswith(".json") and ('"' in text or "\\" in text):
        raise Unwritable(Problem(id, f'"{printable(text)}" has a quote or backslash, which would end the text in the JSON file'))
    return text
