"""Which processes belong to a container: never one that only cannot be seen either."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sampan.runtime import life

NAMESPACES = {10: "mnt:[1]", 20: "mnt:[2]", 21: "mnt:[2]", 30: "", 31: ""}
LABELS = {40: "sampan:a:b", 41: "sampan:a:b", 42: "sampan:c:b"}


@pytest.fixture
def of(monkeypatch):
    """The members of a container whose first process is this one."""
    namespaces = {**NAMESPACES, **dict.fromkeys(LABELS, "mnt:[1]")}
    monkeypatch.setattr(life.os, "getpid", lambda: 10)
    monkeypatch.setattr(life.processes, "namespace", lambda pid, _: namespaces[pid])
    monkeypatch.setattr(life.processes, "own_pids", lambda: sorted(namespaces))
    monkeypatch.setattr(life.processes, "intercepted", lambda pid: LABELS.get(pid, ""))

    def members(pid):
        monkeypatch.setattr(life.state, "inside", lambda _: SimpleNamespace(pid=pid, is_alive=lambda: True))
        return life.inside(SimpleNamespace(directory=""))

    return members


@pytest.mark.parametrize(("first", "found"), [(20, [20, 21]), (30, [30]), (10, [10]), (40, [40, 41]), (42, [42])])
def test_the_processes_of_a_container(of, first, found):
    assert of(first) == found
