"""What a descriptor must keep beside its schema. Pure; on the path of the first `app launch` of a file.

The rules are those of Boutiques' own validator, and some that keep a form from being impossible or a command line from being no
shell. `fillable` proves the rest.
"""

from __future__ import annotations

from sampan.apps import render, secondparser, shell, template
from sampan.apps.application import COMMAND, FILE, FLAG, NUMBER, STRING
from sampan.apps.bind import faults
from sampan.apps.extensions import is_extended
from sampan.apps.jsonvalue import shown
from sampan.apps.paths import conditions_ids
from sampan.errors import BadReference, Problem
from sampan.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.apps.application import Application, Input, Output

_SAMPLES = {STRING: "text", FILE: "file", FLAG: True, NUMBER: 1.0, COMMAND: "command"}


def check(application: Application, found: dict[str, object]) -> list[Problem]:
    """Everything in which a descriptor that fits the schema breaks a rule."""
    problems = [
        *_ids(application),
        *_keys(application, extended=is_extended(found)),
        *(one for number, each in enumerate(application.inputs) for one in _input(each, f"inputs[{number}] ({each.id})")),
        *_relations(application),
        *_outputs(application),
        *_tests(application),
        *_container(application),
        *_variables(application),
        *_custom(application),
    ]
    return problems or list(_command_line(application))


def _relations(application: Application) -> list[Problem]:
    if not application.groups and not any(
        one.requires or one.disables or one.value_requires or one.value_disables for one in application.inputs
    ):
        return []
    from sampan.apps import rules_of_groups

    return rules_of_groups.check(application)


def _ids(application: Application) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    inputs, outputs, groups = (
        [one.id for one in listed] for listed in (application.inputs, application.outputs, application.groups)
    )
    for kind, ids in (("inputs", inputs), ("output-files", outputs), ("groups", groups)):
        for number, id in enumerate(ids):
            here = f"{kind}[{number}] ({id})"
            if id in seen:
                yield Problem(here, f"has the id of {seen[id]}")
            seen.setdefault(id, here)


def _keys(application: Application, *, extended: bool) -> Iterator[Problem]:
    texts = [application.command_line, *(value for _, value in application.environment)]
    for output in application.outputs:
        texts += [output.path, *output.template, *(path for _, path in output.conditions)]
    everything = "\0".join(texts)
    owners: dict[str, list[str]] = {}
    named = [
        *((f"inputs[{number}] ({one.id})", one.value_key, one.id) for number, one in enumerate(application.inputs)),
        *((f"output-files[{number}] ({one.id})", one.value_key, one.id) for number, one in enumerate(application.outputs)),
    ]
    for here, key, id in named:
        if not key:
            continue
        owners.setdefault(key, []).append(id)
        if key not in everything:
            yield Problem(f"{here}.value-key", f"{shown(key)} stands in no command line, path or file template, or variable")
        for _, other, other_id in named:
            if other and other != key and other in key:
                yield Problem(f"{here}.value-key", f"{shown(key)} contains {shown(other)}, the key of {other_id}")
    for key, ids in owners.items():
        exclusive = any(set(ids) <= set(group.members) and group.exclusive for group in application.groups)
        if len(ids) > 1 and not exclusive and not extended:
            yield Problem(
                "value-key", f"{shown(key)} is that of {' and '.join(ids)}, which are not in one mutually exclusive group"
            )


def _input(one: Input, here: str) -> Iterator[Problem]:
    if one.type == FLAG and one.flag is None:
        yield Problem(here, "is a flag and needs a command-line-flag")
    if one.type == FLAG and not one.optional:
        yield Problem(here, "is a flag and must be optional")
    if one.minimum is not None and one.maximum is not None:
        if one.minimum > one.maximum:
            yield Problem(here, f"has a minimum, {one.minimum}, above its maximum, {one.maximum}")
        elif one.minimum == one.maximum and (one.exclusive_minimum or one.exclusive_maximum):
            yield Problem(here, f"has no value between its minimum and maximum, {one.minimum}")
    least, most = one.min_entries or 0, one.max_entries
    if least < 0:
        yield Problem(f"{here}.min-list-entries", f"must not be negative, as {least}")
    if most is not None and most <= 0:
        yield Problem(f"{here}.max-list-entries", f"must be more than 0, not {most}")
    elif most is not None and least > most:
        yield Problem(here, f"asks for at least {least} and at most {most} entries")
    yield from _choices(one, here)
    if one.default is not None:
        yield from (Problem(f"{here}.default-value", what) for what in faults(one))
    for command in one.commands:
        for number, each in enumerate(command.inputs):
            yield from _input(each, f"{here}.type ({command.id}).inputs[{number}] ({each.id})")


def _choices(one: Input, here: str) -> Iterator[Problem]:
    choices = [str(choice) for choice in one.choices]
    for name, table in (("value-requires", one.value_requires), ("value-disables", one.value_disables)):
        if table and not choices:
            yield Problem(f"{here}.{name}", "needs value-choices")
        yield from (
            Problem(f"{here}.{name}", f"{shown(key)} is none of the choices") for key in table if choices and key not in choices
        )
        missing = [choice for choice in choices if table and choice not in table]
        if missing:
            yield Problem(f"{here}.{name}", f"must have an entry for each choice, also for {', '.join(missing)}")
    for choice, ids in one.value_requires.items():
        yield from (
            Problem(here, f"requires and disables {id} for the choice {choice}")
            for id in ids
            if id in one.value_disables.get(choice, ())
        )


def _outputs(application: Application) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for number, one in enumerate(application.outputs):
        here = f"output-files[{number}] ({one.id})"
        if one.path and one.path in seen:
            yield Problem(here, f"has the path template of {seen[one.path]}")
        seen.setdefault(one.path, one.id)
        if one.conditions:
            yield from _conditions(application, one, f"{here}.conditional-path-template")


def _conditions(application: Application, one: Output, here: str) -> Iterator[Problem]:
    from sampan.apps import expression

    words = [condition.strip() for condition, _ in one.conditions]
    if "default" not in words and not one.optional:
        yield Problem(here, "needs a default, because the output is not optional")
    if words.count("default") > 1:
        yield Problem(here, "has more than one default")
    elif "default" in words[:-1]:
        yield Problem(here, "has conditions behind its default, which are never looked at")
    ids = conditions_ids(application.inputs)
    samples = {each.id: each.choices[0] if each.choices else _SAMPLES[each.type] for each in application.inputs}
    for condition in words:
        if condition == "default":
            continue
        try:
            expression.check(condition, ids, samples)
        except expression.BadExpression as error:
            yield Problem(here, str(error))


def _tests(application: Application) -> Iterator[Problem]:
    known = {one.id for one in application.outputs}
    names: list[str] = []
    for number, one in enumerate(application.tests):
        here = f"tests[{number}] ({one.name})"
        if one.name in names:
            yield Problem(here, "has the name of another test")
        names.append(one.name)
        ids = [id for id, _ in one.files]
        yield from (Problem(here, f"names the output {id}, which there is not") for id in ids if id not in known)
        yield from (
            Problem(here, f"names the output {id} more than once") for id in sorted({id for id in ids if ids.count(id) > 1})
        )


def _container(application: Application) -> Iterator[Problem]:
    container = application.container
    if container is None:
        return
    scheme, separator, _ = container.image.partition("://")
    if separator and container.index and container.index != f"{scheme}://":
        yield Problem("container-image", f"names the index {container.index}, and its image begins with {scheme}://")
    if container.kind == "docker" and not separator:
        try:
            Reference.parse(container.image)
        except BadReference as error:
            yield Problem("container-image.image", error.sentence)
    if container.workdir and not container.workdir.startswith("/"):
        yield Problem("container-image.working-directory", f"must be absolute, not {shown(container.workdir)}")


def _variables(application: Application) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, (name, value) in enumerate(application.environment):
        here = f"environment-variables[{number}] ({name})"
        if not shell.is_name(name):
            yield Problem(here, "is not the name of a variable: letters, digits and `_` only")
        if name in seen:
            yield Problem(here, "stands twice")
        seen.add(name)
        if "\0" in value:
            yield Problem(here, "holds a NUL byte")


def _custom(application: Application) -> Iterator[Problem]:
    known = {one.id for one in application.inputs}
    vip = application.vip
    listed = {
        "vip:dot": vip.dot, "vip:directoryInputs": tuple(vip.directory_inputs), "vip:intIteratorInputs": vip.integer_iterators,
        "vip:overriddenInputs": (*vip.overridden, *vip.overridden.values()),
    }  # fmt: skip
    for key, ids in listed.items():
        # VIP also lists inputs of its own there, as the directory of the results.
        unknown = [id for id in ids if id not in known and id != "results-directory"]
        if key in ("vip:overriddenInputs", "vip:intIteratorInputs", "vip:directoryInputs"):
            yield from (Problem(f"custom.{key}", f"names the input {shown(id)}, which there is not") for id in unknown)
    for id in vip.directory_inputs:
        if id in known and application.input(id).type != FILE:
            yield Problem("custom.vip:directoryInputs", f"names {id}, which is no file")


def _command_line(application: Application) -> Iterator[Problem]:
    """The command line, with everything in it that can be: is it shell, and has every value a place where it can be written?"""
    if not application.shell.startswith("/"):
        yield Problem("shell", f"must be an absolute path, not {shown(application.shell)}")
    if application.shell.split()[0].rsplit("/", 1)[-1] not in render.POSIX_SHELLS:
        return
    parts: list[str] = []
    ids: list[str] = []
    every: list[Input | Output] = [*application.outputs, *application.inputs]
    owners = {one.value_key: one for one in every if one.value_key}
    for text, key in template.cut(application.command_line, owners):
        parts.append(text)
        if not key:
            continue
        one = owners[key]
        flag = one.flag or ""
        parts.append(flag if getattr(one, "type", "") == FLAG else flag + (one.flag_separator if flag else "") + shell.HOLE)
        ids += [one.id] if shell.HOLE in parts[-1] else []
    try:
        reading = shell.read("".join(parts))
    except shell.Unfinished as error:
        yield Problem("command-line", str(error))
        return
    secondparser.bind_spots(reading)
    for id, spot in zip(ids, reading.spots):
        if spot.limit == shell.NEVER:
            yield Problem("command-line", f"{id} stands in {spot.reason}")
