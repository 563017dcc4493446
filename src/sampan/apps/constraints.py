"""What the inputs of an application ask of each other: required ones, groups, requires and disables. Pure; on the path of `app launch`.

An input is *active* when it has a value, and, for a flag, when that is true.
"""

from __future__ import annotations

from sampan.errors import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.apps.application import Application, Group, Input, Value


def active(values: Mapping[str, Value]) -> set[str]:
    """The ids of the active inputs."""
    return {id for id, value in values.items() if value is not False and value is not None and value != ()}


def excluded(application: Application, values: Mapping[str, Value]) -> set[str]:
    """The inputs that the active ones disable, or that an exclusive group shuts out."""
    on = active(values)
    found: set[str] = set()
    for one in application.inputs:
        if one.id in on:
            found.update(one.disables)
            for item in _several(values[one.id]):
                found.update(one.value_disables.get(str(item), ()))
    for group in application.groups:
        if group.exclusive and on.intersection(group.members):
            found.update(set(group.members) - on)
    return found


def check(application: Application, values: Mapping[str, Value]) -> list[Problem]:
    """Everything in which values break what the inputs ask of each other."""
    on = active(values)
    problems: list[Problem] = []
    groups = {group.id: group for group in application.groups}
    for one in application.inputs:
        if not one.optional and one.id not in values and not one.hidden:
            problems.append(Problem(one.id, "is missing"))
        if one.id in on:
            problems += _needs(one, values, on, groups)
            problems += [Problem(one.id, f"cannot be given together with {other}") for other in one.disables if other in on]
    for group in application.groups:
        problems += _group(group, on)
    return problems


def _needs(one: Input, values: Mapping[str, Value], on: set[str], groups: Mapping[str, Group]) -> list[Problem]:
    problems = []
    for other in one.requires:
        if other in groups:
            problems += _needs_group(one, groups[other], on)
        elif other not in on:
            problems.append(Problem(one.id, f"needs {other}, which has no value"))
    for item in _several(values[one.id]):
        for other in one.value_requires.get(str(item), ()):
            if other not in on:
                problems.append(Problem(one.id, f"needs {other} for the choice {item}, which has no value"))
        for other in one.value_disables.get(str(item), ()):
            if other in on:
                problems.append(Problem(one.id, f"cannot be {item} together with {other}"))
    return problems


def _several(value: Value) -> tuple[Value, ...]:
    return value if isinstance(value, tuple) else (value,)


def _needs_group(one: Input, group: Group, on: set[str]) -> list[Problem]:
    """A group is needed: one of its members where only one can or has to be there, else all of them."""
    there = on.intersection(group.members)
    enough = bool(there) if group.exclusive or group.one_required else len(there) == len(set(group.members))
    some = "one of" if group.exclusive or group.one_required else "all of"
    return [] if enough else [Problem(one.id, f"needs {some} {', '.join(group.members)}")]


def _group(group: Group, on: set[str]) -> list[Problem]:
    there = [id for id in group.members if id in on]
    if group.exclusive and len(there) > 1:
        return [
            Problem(f"group {group.id}", f"at most one of {', '.join(group.members)} can be given, not {' and '.join(there)}")
        ]
    if group.one_required and not there:
        return [Problem(f"group {group.id}", f"one of {', '.join(group.members)} must be given")]
    if group.all_or_none and there and len(there) < len(set(group.members)):
        missing = [id for id in group.members if id not in on]
        return [Problem(f"group {group.id}", f"{', '.join(there)} cannot be given without {', '.join(missing)}")]
    return []
