"""How one launch becomes many jobs: lists of values, paired or crossed. Pure but for the file names that a pattern matches.

Theory of operation. An *axis* is an input with the values it takes in turn. Axes are either *paired* (the dot product: the first
value of one with the first of the other, and so on; all have the same length) or *crossed* (each value of one with each of the
other). An `Iteration` is a product of groups; within a group the axes are paired. Job k of n is found by its number alone, the
last group varying fastest, so nothing has to be stored for 10,000 jobs but the axes. Where an application of VIP says what is
paired (`vip:dot`), these come first, as VIP has it.
"""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sampan.errors import UsageError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MOST_JOBS = 100_000
_RANGE = re.compile(r"(-?\d+(?:\.\d+)?)\.\.(-?\d+(?:\.\d+)?)(?::(\d+(?:\.\d+)?))?")


@dataclass(frozen=True)
class Axis:
    """An input and the values it takes, one a job."""

    name: str
    values: tuple[object, ...]


@dataclass(frozen=True)
class Iteration:
    """Groups that are crossed; the axes of a group are paired and have the same length."""

    groups: tuple[tuple[Axis, ...], ...] = ()

    @property
    def lengths(self) -> tuple[int, ...]:
        """How many values each group has."""
        return tuple(len(group[0].values) for group in self.groups)

    @property
    def size(self) -> int:
        """The number of jobs; 1 without any axis."""
        size = 1
        for length in self.lengths:
            size *= length
        return size

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs that differ between jobs."""
        return tuple(axis.name for group in self.groups for axis in group)

    def at(self, index: int) -> dict[str, object]:
        """What the inputs of the axes are in job `index`, counted from 0."""
        if not 0 <= index < self.size:
            raise IndexError(index)
        picked: list[dict[str, object]] = []
        for group, length in zip(reversed(self.groups), reversed(self.lengths)):
            index, at = divmod(index, length)
            picked.append({axis.name: axis.values[at] for axis in group})
        return {name: value for part in reversed(picked) for name, value in part.items()}

    def sentence(self) -> str:
        """`4 x 2 = 8 jobs: t1 with mask, each with each of threshold`."""
        jobs = "1 job" if self.size == 1 else f"{self.size} jobs"
        if not self.groups:
            return jobs
        words = [" with ".join(axis.name for axis in group) for group in self.groups]
        named = f"one for each {words[0]}" if len(words) == 1 else ", each with each of ".join(words)
        count = jobs if len(words) == 1 else f"{' x '.join(map(str, self.lengths))} = {jobs}"
        return f"{count}: {named}"


def combine(axes: Sequence[Axis], dot: Iterable[str] = ()) -> Iteration:
    """The product of `axes`; those named in `dot` are paired with each other, and come first.

    Raises `UsageError` if paired axes differ in length, a name is unknown or twice there, an axis is empty or jobs are too many.
    """
    by_name = {axis.name: axis for axis in axes}
    if len(by_name) != len(axes):
        raise UsageError("an input can vary only once in a launch", "give all its values in one list")
    for axis in axes:
        if not axis.values:
            raise UsageError(f"input {axis.name} has no value to take", "without a value there would be no job at all")
    names = list(dict.fromkeys(dot))
    for name in names:
        if name not in by_name:
            raise UsageError(f"input {name} cannot be paired: it has one value only", f"give it more values by --over {name}=...")
    paired = tuple(by_name[name] for name in names)
    lengths = {len(axis.values) for axis in paired}
    if len(lengths) > 1:
        counted = ", ".join(f"{axis.name} has {len(axis.values)}" for axis in paired)
        raise UsageError(
            f"inputs that are paired need as many values as each other, but {counted}", "without --dot each goes with each"
        )
    groups = ((paired,) if paired else ()) + tuple((axis,) for axis in axes if axis.name not in names)
    iteration = Iteration(groups)
    if iteration.size > MOST_JOBS:
        counted = " x ".join(map(str, iteration.lengths))
        raise UsageError(
            f"this launch would make {counted} = {iteration.size:,} jobs, more than {MOST_JOBS:,}",
            "pair inputs with --dot, or launch in several parts",
        )
    return iteration


def split(
    values: Mapping[str, object], lists: Iterable[str], dot: Iterable[str] = ()
) -> tuple[dict[str, object], tuple[Axis, ...], tuple[str, ...]]:
    """The values that all jobs share, the axes, and which are paired, of an invocation in which a list makes one job a value.

    `lists` are the inputs that take a list themselves: there, only a list of lists makes jobs. Of `dot` those remain that vary.
    """
    takes_list = set(lists)
    shared: dict[str, object] = {}
    axes: list[Axis] = []
    for name, value in values.items():
        inner = isinstance(value, (list, tuple)) and bool(value) and all(isinstance(one, (list, tuple)) for one in value)
        if isinstance(value, (list, tuple)) and (inner if name in takes_list else True):
            axes.append(Axis(name, tuple(value)))
        else:
            shared[name] = value
    varying = {axis.name for axis in axes}
    return shared, tuple(axes), tuple(name for name in dot if name in varying)


def parse(text: str, kind: str, directory: str) -> tuple[object, ...]:
    """The values in the text of `--over NAME=TEXT` for an input of a Boutiques type.

    `@FILE` has a value a line; for files, a pattern gives what it matches, in natural order; for numbers, `1..10` and `0..1:0.25`
    are ranges; otherwise values stand between commas. Paths count from `directory`. Raises `UsageError`.
    """
    if text.startswith("@"):
        values: list[object] = [line for line in _lines(os.path.join(directory, text[1:])) if line]
    elif kind == "File":
        values = list(_files(text, directory))
    else:
        values = list(text.split(","))
    if kind == "Number":
        return tuple(number for value in values for number in _numbers(str(value)))
    if kind == "Flag":
        return tuple(_flag(str(value)) for value in values)
    return tuple(values)


def _lines(path: str) -> list[str]:
    try:
        with open(path, "rb") as stream:
            return stream.read().decode("utf-8", "surrogateescape").splitlines()
    except OSError as error:
        raise UsageError(f"cannot read the list of values {printable(path)}: {error.strerror}") from error


def _files(text: str, directory: str) -> list[str]:
    if os.path.lexists(os.path.join(directory, text)):
        return [text]
    if not glob.has_magic(text):
        return text.split(",")
    found = glob.glob(os.path.join(glob.escape(directory), text), recursive=True)
    if not found:
        raise UsageError(f"no file matches {printable(text)}", f"patterns count from {printable(directory)}")
    if not os.path.isabs(text):
        found = [os.path.relpath(path, directory) for path in found]
    return sorted(found, key=natural)


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """A key that sorts `sub-2` before `sub-10`."""
    return tuple((int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"([0-9]+)", name))


def _numbers(text: str) -> list[object]:
    matched = _RANGE.fullmatch(text)
    if matched is None:
        return [_number(text)]
    from decimal import Decimal

    first, last, step = (Decimal(part) for part in (matched[1], matched[2], matched[3] or "1"))
    if step == 0 or last < first:
        raise UsageError(
            f"{text} is no range: it goes from the smaller to the larger, by steps above 0", "as in 1..10 or 0..1:0.25"
        )
    count = int((last - first) / step) + 1
    if count > MOST_JOBS:
        raise UsageError(f"the range {text} has {count:,} values, more than {MOST_JOBS:,}", "take larger steps")
    return [_number(str(first + step * at)) for at in range(count)]


def _number(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{printable(text)!r} is not a number", "ranges are written 1..10 or 0..1:0.25") from None


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise UsageError(f"a flag is true or false, not {printable(text)!r}")
    return text.lower() == "true"
