"""Which engine is taken, and what is said when none works: probes are answered by stand-ins for the native programs."""

from __future__ import annotations

import os

import pytest

from sampan import settings
from sampan.container.asks import Ask
from sampan.engine.choose import choose, load
from sampan.engine.intercept import NEEDS
from sampan.errors import CannotHonour, HostError, NoEngine, ProgramMissing

pytestmark = pytest.mark.client

GOOD_RUN = "openat2 ok\nuser-namespace ok\nmount-namespace ok\noverlay ok\nwhiteout ok\nopaque ok\n"
NO_NAMESPACES = "user-namespace 1 operation not permitted\nmount-namespace 1 operation not permitted\n"
GOOD_INTERCEPT = "".join(f"{name} ok\n" for name in (*NEEDS, "openat2", "landlock"))


@pytest.fixture
def host(tmp_path):
    """`host(run, intercept)`: settings of a host whose native programs answer so; `None`: the program is missing."""

    def make(run: str | None, intercept: str | None):
        programs = tmp_path / "programs"
        programs.mkdir()
        for name, answer in (("sampan-run", run), ("sampan-intercept", intercept)):
            if answer is not None:
                (programs / name).write_text(f"#!/bin/sh\ncat <<'X'\n{answer}X\n")
                (programs / name).chmod(0o755)
        return settings.load(
            {"SAMPAN_PROGRAMS": str(programs), "SAMPAN_RUNTIME_DIR": str(tmp_path / "runtime"), "HOME": str(tmp_path)}
        )

    return make


@pytest.fixture(autouse=True)
def x86_64(monkeypatch):
    """The machine the engine is written for, whatever this one is."""
    own = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*own[:4], "x86_64")))


def test_namespaces_come_first(host):
    engine, can = choose((), "auto", host(GOOD_RUN, GOOD_INTERCEPT), None)
    assert (engine.name, can.engine) == ("namespace", "namespace")


def test_interception_where_namespaces_are_refused(host):
    engine, can = choose((Ask("binds", "-v", must=True),), "auto", host(NO_NAMESPACES, GOOD_INTERCEPT), None)
    assert engine.name == "intercept"
    assert {"shared-root", "landlock", "private-copy"} <= can.features
    assert not {"memory-overlay", "kept-overlay", "own-network"} & can.features


def test_what_no_working_engine_can_is_named(host):
    with pytest.raises(CannotHonour, match=r"intercept: --network none"):
        choose((Ask("own-network", "--network none", must=True),), "auto", host(NO_NAMESPACES, GOOD_INTERCEPT), None)


@pytest.mark.parametrize("name", NEEDS)
def test_each_thing_that_is_missing_is_named(host, name):
    answer = GOOD_INTERCEPT.replace(f"{name} ok", f"{name} 1 operation not permitted")
    engine = load("intercept", host(GOOD_RUN, answer))
    probe = engine.probe(None)
    assert probe.can is None
    ((reason, help),) = probe.obstacles
    assert reason == f"{NEEDS[name][0]} ({name}: 1 operation not permitted)"
    assert help


def test_no_answer_at_all(host):
    """The kernel killed it: the address of its program is taken, or the limit of address space is very low."""
    ((reason, _),) = load("intercept", host(GOOD_RUN, "")).probe(None).obstacles
    assert "no answer" in reason


def test_a_kernel_without_landlock_or_openat2(host):
    answer = GOOD_INTERCEPT.replace("landlock ok", "landlock 38 x").replace("openat2 ok", "openat2 38 x")
    probe = load("intercept", host(GOOD_RUN, answer)).probe(None)
    assert "landlock" not in probe.can.features
    assert "without openat2" in probe.notes[-1]


def test_another_machine(host, monkeypatch):
    own = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*own[:4], "riscv64")))
    ((reason, _),) = load("intercept", host(GOOD_RUN, GOOD_INTERCEPT)).probe(None).obstacles
    assert "this machine is riscv64" in reason


def test_every_reason_is_said_when_nothing_works(host):
    refused = GOOD_INTERCEPT.replace("filter ok", "filter 1 operation not permitted")
    with pytest.raises(NoEngine, match=r"namespace: .*; intercept: the kernel or a policy refuses seccomp filters"):
        choose((), "auto", host(NO_NAMESPACES, refused), None)


def test_a_missing_program_leaves_the_other_engines(host):
    engine, _ = choose((), "auto", host(None, GOOD_INTERCEPT), None)
    assert engine.name == "intercept"


def test_a_named_engine_whose_program_is_missing(host):
    with pytest.raises(ProgramMissing, match="sampan-intercept is not installed"):
        choose((), "intercept", host(GOOD_RUN, None), None)


def test_a_program_that_cannot_be_executed(host, tmp_path):
    """As on a file system that is mounted noexec, where access(2) is content and execve is not."""
    made = host(GOOD_RUN, GOOD_INTERCEPT)
    (tmp_path / "programs/sampan-run").write_text("#!/no/such/interpreter\n")
    with pytest.raises(HostError, match="cannot execute"):
        choose((), "namespace", made, None)
    assert choose((), "auto", made, None)[0].name == "intercept"


def test_answers_are_remembered(host, tmp_path):
    made = host(GOOD_RUN, GOOD_INTERCEPT)
    count = tmp_path / "count"
    program = tmp_path / "programs/sampan-intercept"
    program.write_text(program.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\necho x >> {count}\n"))
    for _ in range(3):
        assert load("intercept", made).probe(None).can is not None
    assert count.read_text() == "x\n"
