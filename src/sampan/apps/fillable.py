"""The proof that a form can be filled in, and forms filled in with examples. Pure.

Theory of operation. Whether an input is active is a boolean; what inputs ask of each other (`constraints`) are clauses over these.
A choice that requires or disables others is a boolean of its own. A small solver (unit propagation, then trying) finds an assignment
or shows that there is none: that none exists for the required inputs means that nobody could ever launch the application, which a
schema does not notice and a person only after filling in everything. The same solver says which inputs and choices are dead, and
makes the examples: as little as possible, or as much as possible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.apps.application import COMMAND, FILE, FLAG, NUMBER
from sampan.apps.bind import bind, default_of
from sampan.errors import BadValues, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sampan.apps.application import Application, Group, Input, Subcommand

    Variable = tuple[str, str]
    Literal = tuple[Variable, bool]
    Clause = tuple[Literal, ...]
    Assignment = dict[Variable, bool]

_GIVE_UP = 20_000


def check(application: Application) -> tuple[list[Problem], list[Problem]]:
    """What makes a form impossible, and what can never be used in it."""
    clauses = list(_clauses(application))
    required = [((_variable(one.id), True),) for one in application.inputs if _is_required(one)]
    known: list[Clause] = []
    for clause in [*required, *_of_groups(application)]:
        if solve([*clauses, *known, clause]) is None:
            names = ", ".join(id for (id, _), _ in clause)
            what = (
                "is required, and excluded by what else is required"
                if len(clause) == 1
                else "is required (one of them), and none can be given"
            )
            return [Problem(names, what)], []
        known.append(clause)
    dead = [
        Problem(one.id, "can never be given: what is required excludes it, or what it needs does")
        for one in application.inputs
        if not one.hidden and solve([*clauses, *known, ((_variable(one.id), True),)]) is None
    ]
    for one in application.inputs:
        for choice in one.choices if _has_dependants(one) else ():
            if solve([*clauses, *known, (((one.id, str(choice)), True),)]) is None:
                dead += [Problem(one.id, f"can never be {choice}: what is required excludes it")]
    return _unfillable(application), dead


def _unfillable(application: Application) -> list[Problem]:
    """A last look: the smallest example must bind."""
    try:
        bind(application, example(application))
    except BadValues as error:
        return list(error.problems)
    return []


def _variable(id: str) -> Variable:
    return (id, "")


def _is_required(one: Input) -> bool:
    return not one.optional and not one.hidden


def _has_dependants(one: Input) -> bool:
    return any(one.value_requires.values()) or any(one.value_disables.values())


def _of_groups(application: Application) -> Iterator[Clause]:
    for group in application.groups:
        if group.one_required:
            yield tuple((_variable(id), True) for id in group.members)


def _clauses(application: Application) -> Iterator[Clause]:
    """What holds between inputs, whether they are required or not."""
    groups = {group.id: group for group in application.groups}
    for one in application.inputs:
        here = _variable(one.id)
        for id in one.requires:
            yield from _needs(here, id, groups)
        yield from (((here, False), (_variable(id), False)) for id in one.disables)
        if _has_dependants(one):
            yield from _choices(one)
    for group in application.groups:
        for number, id in enumerate(group.members):
            if group.exclusive:
                yield from (
                    ((_variable(id), False), (_variable(other), False)) for other in group.members[number + 1 :] if other != id
                )
            if group.all_or_none:
                yield ((_variable(id), False), (_variable(group.members[number - 1]), True))


def _needs(here: Variable, id: str, groups: dict[str, Group]) -> Iterator[Clause]:
    group = groups.get(id)
    if group is None:
        yield ((here, False), (_variable(id), True))
    elif group.exclusive or group.one_required:
        yield ((here, False), *((_variable(member), True) for member in group.members))
    else:
        yield from (((here, False), (_variable(member), True)) for member in group.members)


def _choices(one: Input) -> Iterator[Clause]:
    here = _variable(one.id)
    all_of_them = [(one.id, str(choice)) for choice in one.choices]
    yield ((here, False), *((choice, True) for choice in all_of_them))
    for number, choice in enumerate(all_of_them):
        yield ((choice, False), (here, True))
        yield from (((choice, False), (_variable(id), True)) for id in one.value_requires.get(choice[1], ()))
        yield from (((choice, False), (_variable(id), False)) for id in one.value_disables.get(choice[1], ()))
        if not one.list:
            yield from (((choice, False), (other, False)) for other in all_of_them[number + 1 :])


def solve(clauses: Iterable[Clause]) -> Assignment | None:
    """An assignment that keeps all clauses, with as little true as the clauses ask for first; nothing if there is none."""
    budget = [_GIVE_UP]
    return _search(list(clauses), {}, budget)


def _search(clauses: list[Clause], assigned: Assignment, budget: list[int]) -> Assignment | None:
    assigned = dict(assigned)
    while True:
        left = _propagate(clauses, assigned)
        if left is None:
            return None
        if not left:
            return assigned
        unit = next((clause[0] for clause in left if len(clause) == 1), None)
        if unit is None:
            break
        assigned[unit[0]] = unit[1]
        clauses = left
    budget[0] -= 1
    if budget[0] <= 0:
        return assigned  # too hard to decide: nothing is claimed about it
    variable, wanted = left[0][0]
    for value in (wanted, not wanted):
        found = _search(left, {**assigned, variable: value}, budget)
        if found is not None:
            return found
    return None


def _propagate(clauses: list[Clause], assigned: Assignment) -> list[Clause] | None:
    """The clauses that are still open, without what is decided in them; nothing if one is broken."""
    left = []
    for clause in clauses:
        if any(assigned.get(variable) is value for variable, value in clause):
            continue
        rest = tuple((variable, value) for variable, value in clause if variable not in assigned)
        if not rest:
            return None
        left.append(rest)
    return left


def example(application: Application, *, complete: bool = False) -> dict[str, object]:
    """Values that bind: what has to be given, or as much as can be given together. Empty where nothing fits."""
    clauses = [
        *_clauses(application),
        *(((_variable(one.id), True),) for one in application.inputs if _is_required(one)),
        *_of_groups(application),
    ]
    if complete:
        for one in application.inputs:
            wanted = ((_variable(one.id), True),)
            if not one.hidden and solve([*clauses, wanted]) is not None:
                clauses.append(wanted)
    found = solve(clauses) or {}
    values: dict[str, object] = {}
    for one in application.inputs:
        if found.get(_variable(one.id)):
            chosen = [choice for choice in one.choices if found.get((one.id, str(choice)))]
            values[one.id] = _value(one, chosen)
    return values


def _value(one: Input, chosen: list[str | int | float]) -> object:
    default = default_of(one)
    if default is not None and not chosen and default is not False:
        return list(default) if isinstance(default, tuple) else default
    item = chosen[0] if chosen else _item(one)
    if not one.list:
        return item
    return [item] * max(1, one.min_entries or 1)


def _item(one: Input) -> object:
    if one.choices:
        return one.choices[0]
    if one.type == FLAG:
        return True
    if one.type == NUMBER:
        return _number(one)
    if one.type == COMMAND:
        return _command(one.commands[0])
    return f"/path/to/{one.id}" if one.type == FILE else one.id


def _command(command: Subcommand) -> dict[str, object]:
    return {"@type": command.id, **{one.id: _value(one, []) for one in command.inputs if not one.optional}}


def _number(one: Input) -> float:
    """A number in the range: the simplest that fits."""
    low, high = one.minimum, one.maximum
    tried: list[float] = [1, 0]
    if low is not None:
        tried += [low, int(low) + 1]
    if high is not None:
        tried += [high, int(high) - (1 if high <= int(high) else 0)]
    if low is not None and high is not None:
        tried.append((low + high) / 2)
    for number in tried:
        above = low is None or number > low or (number == low and not one.exclusive_minimum)
        below = high is None or number < high or (number == high and not one.exclusive_maximum)
        if above and below and (not one.integer or number == int(number)):
            return int(number) if number == int(number) else number
    return low if low is not None else 0
