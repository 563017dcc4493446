"""Find what the payload has left of the outputs that are expected, without ever following a link out of the working directory.

The payload is over by now, so nothing changes under the hands of who looks.
"""

from __future__ import annotations

import glob
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sampan.errors import printable
from sampan.jobs import phases
from sampan.jobs.phases import Failed
from sampan.jobs.spec import STREAMS

if TYPE_CHECKING:
    from sampan.jobs.spec import Job, Output

MAX_MATCHES = 10_000
MAX_ENTRIES = 1_000_000
MAX_LINKS = 40


@dataclass(frozen=True)
class Found:
    """A file or directory of an output: `place` is where it lies, `path` what it is called, relative to the working directory."""

    output: Output
    path: str
    place: str

    @property
    def is_stream(self) -> bool:
        """Whether it is what the payload wrote to a stream, which stays where it is."""
        return self.output.path in STREAMS


def find(job: Job, directory: str, work: str, *, partial: bool = False) -> list[Found]:
    """All outputs. Raises `Failed` for one that is missing or may not be taken; `partial`: those are left out."""
    found: list[Found] = []
    for output in job.outputs:
        try:
            found += _of_one(output, directory, work, job.directory)
        except Failed:
            if not partial:
                raise
    return found


def _of_one(output: Output, directory: str, work: str, inside: str) -> list[Found]:
    if output.path in STREAMS:
        name = output.path[1:]
        return [Found(output, name, f"{directory}/{name}")]
    names = _matches(output, work)
    if not names and not output.optional:
        raise Failed(
            phases.OUTPUT_MISSING, f"the output {output.name!r} is missing: nothing at {printable(output.path)}{_instead(output, work)}",
            "look at its stderr: `sampan job logs` shows it",
        )  # fmt: skip
    if len(names) > 1 and not output.many:
        raise Failed(
            phases.OUTPUT_REFUSED,
            f"the output {output.name!r} should be one file, and {len(names)} match {printable(output.path)}: "
            f"{', '.join(printable(name) for name in names[:3])}{', ...' if len(names) > 3 else ''}",
            "make the pattern narrower, or let the output be many",
        )
    if len(names) > MAX_MATCHES:
        raise Failed(
            phases.OUTPUT_REFUSED,
            f"the output {output.name!r} is {len(names)} files, and {MAX_MATCHES} may be",
            "let it be a directory",
        )
    return [Found(output, name, _checked(output, name, work, inside)) for name in names]


def _matches(output: Output, work: str) -> list[str]:
    if not output.is_pattern:
        return [output.path] if os.path.lexists(f"{work}/{output.path}") else []
    start = len(work) + 1
    return sorted(path[start:] for path in glob.iglob(f"{glob.escape(work)}/{output.path}"))


def _instead(output: Output, work: str) -> str:
    """What there is instead, if it is little enough to be told."""
    try:
        names = sorted(os.listdir(os.path.dirname(f"{work}/{output.path}")))
    except OSError:
        return ", not even its directory"
    if not names:
        return ", and nothing else was left there"
    return f"; there are {', '.join(printable(name) for name in names[:5])}{', ...' if len(names) > 5 else ''}"


def _checked(output: Output, name: str, work: str, inside: str) -> str:
    """Where it lies, links followed as the payload saw them. Raises `Failed`."""
    try:
        place = _resolved(work, name, inside)
    except _Outside as error:
        raise Failed(
            phases.OUTPUT_REFUSED, f"the output {output.name!r}, {printable(name)}, is a link that leads out of the job: {error}",
            "let the program copy what it points to",
        ) from error  # fmt: skip
    try:
        kind = os.lstat(place).st_mode
    except OSError:
        raise Failed(phases.OUTPUT_MISSING, f"the output {output.name!r}, {printable(name)}, is a link to nothing") from None
    if stat.S_ISDIR(kind):
        _check_tree(output, name, place)
    elif not stat.S_ISREG(kind):
        raise Failed(phases.OUTPUT_REFUSED, f"the output {output.name!r}, {printable(name)}, is neither a file nor a directory")
    return place


class _Outside(Exception):
    """A link leads somewhere else."""


def _resolved(root: str, name: str, inside: str) -> str:
    """The path below `root` that `name` means where `root` is seen as `inside`. Raises `_Outside`."""
    done: list[str] = []
    rest = [part for part in reversed(name.split("/")) if part not in ("", ".")]
    links = 0
    while rest:
        part = rest.pop()
        if part == "..":
            if not done:
                raise _Outside("..")
            done.pop()
            continue
        try:
            target = os.readlink("/".join((root, *done, part)))
        except OSError:
            done.append(part)
            continue
        links += 1
        if links > MAX_LINKS:
            raise _Outside("it leads in a circle")
        if target.startswith("/"):
            if target != inside and not target.startswith(f"{inside}/"):
                raise _Outside(printable(target))
            target, done = target[len(inside) :], []
        rest += [one for one in reversed(target.split("/")) if one not in ("", ".")]
    return "/".join((root, *done))


def _check_tree(output: Output, name: str, place: str) -> None:
    """A directory is taken whole: every link in it must stay in it, and there is nothing but files, directories and links."""
    count = 0
    for base, directories, names in os.walk(place):
        for entry in (*directories, *names):
            count += 1
            path = f"{base}/{entry}"
            kind = os.lstat(path).st_mode
            told = f"the output {output.name!r}, {printable(name)}, holds {printable(os.path.relpath(path, place))}"
            if count > MAX_ENTRIES:
                raise Failed(
                    phases.OUTPUT_REFUSED, f"the output {output.name!r}, {printable(name)}, has more than {MAX_ENTRIES} entries"
                )
            if stat.S_ISLNK(kind):
                target = os.readlink(path)
                try:
                    if target.startswith("/"):
                        raise _Outside(target)
                    _resolved(place, os.path.relpath(path, place), "/")
                except _Outside:
                    raise Failed(
                        phases.OUTPUT_REFUSED,
                        f"{told}, a link that leads out of it: {printable(target)}",
                        "let the program copy what it points to",
                    ) from None
            elif not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
                raise Failed(phases.OUTPUT_REFUSED, f"{told}, which is neither a file, a directory nor a link")
