"""Rules for what inputs ask of each other: requires, disables and groups. Pure; on the path of `app launch`."""

from __future__ import annotations

from sampan.errors import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sampan.apps.application import Application, Group, Input


def check(application: Application) -> list[Problem]:
    """Everything that is wrong with requires, disables and groups."""
    inputs = {one.id: one for one in application.inputs}
    groups = {one.id: one for one in application.groups}
    problems: list[Problem] = []
    for number, one in enumerate(application.inputs):
        problems += _requires(one, f"inputs[{number}] ({one.id})", inputs, groups)
        problems += _value_dependants(one, f"inputs[{number}] ({one.id})", inputs)
    for number, group in enumerate(application.groups):
        problems += _members(group, f"groups[{number}] ({group.id})", inputs)
        problems += _kinds(group, f"groups[{number}] ({group.id})", application)
    return problems


def _requires(one: Input, here: str, inputs: Mapping[str, Input], groups: Mapping[str, Group]) -> Iterator[Problem]:
    for id in one.requires:
        if id not in inputs and id not in groups:
            yield Problem(here, f"requires {id}, which is no input or group")
        elif id == one.id:
            yield Problem(here, "requires itself")
        if id in one.disables:
            yield Problem(here, f"requires and disables {id}")
    for id in one.disables:
        if id not in inputs:
            yield Problem(here, f"disables {id}, which is no input")
        elif id == one.id:
            yield Problem(here, "disables itself")
        elif not inputs[id].optional:
            yield Problem(here, f"disables {id}, which is required")
    if (one.requires or one.disables) and not one.optional:
        yield Problem(here, "is required, so it cannot require or disable others")


def _value_dependants(one: Input, here: str, inputs: Mapping[str, Input]) -> Iterator[Problem]:
    for name, table in (("value-requires", one.value_requires), ("value-disables", one.value_disables)):
        for choice, ids in table.items():
            for id in ids:
                if id not in inputs:
                    yield Problem(f"{here}.{name}", f"names {id} for the choice {choice}, which is no input")
                elif not inputs[id].optional:
                    yield Problem(f"{here}.{name}", f"names {id} for the choice {choice}, which is required")


def _members(group: Group, here: str, inputs: Mapping[str, Input]) -> Iterator[Problem]:
    yield from (Problem(here, f"has the member {id}, which is no input") for id in group.members if id not in inputs)
    twice = sorted({id for id in group.members if group.members.count(id) > 1})
    yield from (Problem(here, f"has the member {id} more than once") for id in twice)
    kind = _kind(group)
    if kind:
        required = [id for id in dict.fromkeys(group.members) if id in inputs and not inputs[id].optional]
        yield from (Problem(here, f"is {kind}, so its member {id} cannot be required") for id in required)
    if group.exclusive:
        for id in dict.fromkeys(group.members):
            others = [other for other in (inputs[id].requires if id in inputs else ()) if other in group.members]
            yield from (Problem(here, f"is mutually exclusive, and its member {id} requires {other}") for other in others)


def _kind(group: Group) -> str:
    if group.exclusive:
        return "mutually exclusive"
    return "one-is-required" if group.one_required else "all-or-none" if group.all_or_none else ""


def _kinds(group: Group, here: str, application: Application) -> Iterator[Problem]:
    """Groups that contradict themselves or each other."""
    if group.all_or_none and (group.exclusive or group.one_required):
        yield Problem(here, "is all-or-none, and cannot be mutually exclusive or one-is-required")
    for other in application.groups:
        if other is group or not other.all_or_none:
            continue
        shared = [id for id in group.members if id in other.members]
        if group.exclusive and len(shared) > 1:
            yield Problem(here, f"is mutually exclusive, and {' and '.join(shared)} are in the all-or-none group {other.id}")
        if group.one_required and set(group.members) <= set(other.members):
            yield Problem(here, f"is one-is-required, and a part of the all-or-none group {other.id}")
