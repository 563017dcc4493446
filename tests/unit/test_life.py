"""Which processes belong to a container: never one that only cannot be seen either."""

from __future__ import annotations

import signal
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


def test_what_could_not_stop_goes_on_and_is_stopped_again(monkeypatch):
    """A parent waits in vfork(2) for a child that was stopped before it executed a program: neither can be stopped so."""
    sent = []

    def state_of(pid):
        return "D" if pid == 1 and sent.count((1, signal.SIGSTOP)) < 2 else "T"

    monkeypatch.setattr(life, "here", lambda _: None)
    monkeypatch.setattr(life, "inside", lambda _: [1, 2])
    monkeypatch.setattr(life, "_signal", lambda pid, number: sent.append((pid, number)))
    monkeypatch.setattr(life.processes, "state_of", state_of)
    life.pause(SimpleNamespace())
    stop, go_on = [(1, signal.SIGSTOP), (2, signal.SIGSTOP)], [(1, signal.SIGCONT), (2, signal.SIGCONT)]
    assert sent == [*stop, *go_on, *stop]
