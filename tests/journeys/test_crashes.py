"""Kill -9 at any point of any command that writes: the store works, fsck finds nothing, and the same command then succeeds.

CRASH_POINTS says how often (50), CRASH_SEED where. A command that is to be killed as well is an entry of `ACTIONS`: its words, and
what it may say when it is run again although the killed one had done its work.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass

import pytest

from sampan.events import Task
from sampan.store import fsck
from sampan.store.layout import open_store
from tests.images.build import Layout, directory, file, hardlink, layer, symlink, whiteout
from tests.peers.forked import Forked

POINTS = int(os.environ.get("CRASH_POINTS", "50"))
SEED = int(os.environ.get("CRASH_SEED", "1"))


@dataclass(frozen=True)
class Action:
    """A command; `done` are words of its error when there is nothing left to do."""

    words: tuple[str, ...]
    done: str = ""


def actions(reference, archive) -> dict[str, Action]:
    one, two, three = (reference(tag) for tag in ("one", "two", "three"))
    return {
        "pull": Action(("pull", one)),
        "pull above a base": Action(("pull", two)),
        "pull of the same files": Action(("pull", three)),
        "load": Action(("load", "-i", archive)),
        "create": Action(("create", "--name", "kept", two, "true"), "is in use"),
        "rm": Action(("rm", "kept"), "there is no container"),
        "rmi": Action(("rmi", one), "no image"),
        "gc": Action(("store", "gc", "--grace", "0")),
        "prune": Action(("store", "prune", "--to", "400kB"), "still takes"),
        "repair": Action(("store", "fsck", "--repair", "--contents")),
    }


@pytest.fixture
def reference(faulty, tmp_path):
    chance = random.Random(1)
    layout = Layout(tmp_path / "layout")
    pieces = [file(f"d{number % 7}/{number}", chance.randbytes(chance.choice([10, 5000, 20_000]))) for number in range(60)]
    base = layer([*[directory(f"d{number}") for number in range(7)], *pieces, hardlink("h", "d0/0"), symlink("l", "d1")])
    top = layer([whiteout("d2"), directory("d3", 0o500), *[file(f"l/n{number}", b"n" * 6000) for number in range(20)]])
    layout.tag("one", layout.image([base]))
    layout.tag("two", layout.image([base, top], {"Cmd": ["true"]}))
    layout.tag(
        "three", layout.image([layer([*pieces[::-1], file("more", b"m")]), layer([file("most", chance.randbytes(300_000))])])
    )
    faulty.add(layout)
    return lambda tag: f"{faulty.host}/x:{tag}"


def test_killed_at_any_point(sampan, reference, tmp_path):
    chance = random.Random(SEED)
    archive = str(tmp_path / "one.tar")
    sampan.good("pull", reference("one"))
    sampan.good("save", "-o", archive, reference("one"))
    sampan.good("rmi", reference("one"))
    table = actions(reference, archive)
    store = open_store(str(sampan.home))
    killed: Counter[str] = Counter()
    with Forked(sampan) as forked:
        steps = {}
        for name in table:
            status, said = forked(*table[name].words)
            assert status == 0 or table[name].done in said, f"{name}: {said}"
            steps[name] = max(forked.events, 10)
        point = 0
        while sum(killed.values()) < POINTS:
            point += 1
            assert point < 10 * POINTS, killed
            name = chance.choice(list(table))
            action = table[name]
            # Some by time, as an out-of-memory killer does; most before a certain step.
            where = {"kill_after": chance.random() * 0.1} if point % 4 == 0 else {"kill_at": chance.randint(1, steps[name])}
            status, said = forked(*action.words, **where)
            assert status in (-9, 0) or (action.done and action.done in said), f"{name} {where}: {status} {said}"
            killed[name] += status == -9
            context = f"point {point}: {name} {where} ended with {status}"
            assert [damage.sentence for damage in fsck.check(store, contents=True, task=Task())] == [], context
            if status == -9 and chance.random() < 0.5:
                status, said = forked(*action.words)
                assert status == 0 or (action.done and action.done in said), f"{context}: {said}"
        for name in ("load", "pull", "pull above a base", "pull of the same files", "rm", "create", "gc"):
            status, said = forked(*table[name].words)
            assert status == 0 or (table[name].done and table[name].done in said), f"{name}: {said}"
    assert [damage.sentence for damage in fsck.check(store, contents=True, task=Task())] == []
    left = [name for name in os.listdir(store.join("tmp")) if not name.endswith((".partial", ".tree"))]
    assert left == []
    assert sampan.good("ps", "-a").text.count("kept") == 1
    print(dict(killed))
