"""Which images may go: what no list wants any more, and what no link leads to any more. Pure.

A link goes when the last list that wanted it wants it no more. Its directory stays for some days of grace, because jobs that were told
its path may still run; that holds as well for the directory that a tag led to before it was moved. Only what sampan has published
itself is ever removed, and only with `--prune`.
"""

from __future__ import annotations

import calendar
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sampan.distribute.state import State

if TYPE_CHECKING:
    from collections.abc import Collection

DAY = 86400


@dataclass(frozen=True)
class Retired:
    """What has to be removed from the repository, and the state that is left."""

    state: State
    links: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()


def unlinked(before: State, after: State, now: str) -> State:
    """`after`, where every directory that has lost its last link since `before` is noted with the time."""
    there = after.directories()
    lost = {record.directory for record in before.records.values()} - there
    leaving = {**dict.fromkeys(sorted(lost), now), **after.leaving}
    return State(after.records, {directory: since for directory, since in leaving.items() if directory not in there})


def retire(state: State, label: str, wished: Collection[tuple[str, str]], now: str, grace: float) -> Retired:
    """Take out what the list `label` wanted and wants no more (`wished` has the keys of what it does), and what has no link for `grace` seconds."""
    records = {}
    gone: list[str] = []
    for key, record in state.records.items():
        lists = tuple(name for name in record.lists if name != label)
        if key in wished or label not in record.lists:
            records[key] = record
        elif lists:
            records[key] = replace(record, lists=lists)
        else:
            gone += record.links
    kept = {link for record in records.values() for link in record.links}
    noted = unlinked(state, State(records, state.leaving), now)
    expired = tuple(sorted(path for path, since in noted.leaving.items() if seconds(now) - seconds(since) >= grace))
    leaving = {path: since for path, since in noted.leaving.items() if path not in expired}
    return Retired(State(records, leaving), tuple(link for link in gone if link not in kept), expired)


def seconds(text: str) -> int:
    """An ISO 8601 time in UTC as seconds since 1970; 0 for what is none, so that it counts as long ago."""
    try:
        return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return 0
