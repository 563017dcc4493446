"""Health checks: a command inside, again and again, and what is written down of it."""

from __future__ import annotations

import os
import re
import time

import pytest

from tests.native.watching import PIDS, PLAIN, processes, until

both_spaces = pytest.mark.parametrize("spaces", [PLAIN, PIDS])
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def checked(watched):
    """Runs a payload that sleeps, with a check whose script may use /go."""
    (watched.directory / "go").mkdir()
    bind = ("bind", str(watched.directory / "go"), "/go", "")

    def start(script, *records, every="0.1", limit="5", retries="2", period="0", **options):
        health = ("health", every, limit, retries, period, "sh", "-c", script)
        options.setdefault("argv", ("sleep", "60"))
        watched.detach(bind, health, *records, **options)
        return watched

    return start


def state(watched):
    return watched.read("health") if watched.has("health") else {}


def reaches(watched, status, seconds=10.0):
    return until(lambda: state(watched).get("status") == status and state(watched), seconds, f"{status} after {state(watched)}")


@both_spaces
def test_from_starting_to_healthy_to_unhealthy_and_back(spaces, checked, watched):
    checked("echo said; echo err >&2; test ! -e /go/bad", every="0.3", spaces=spaces)
    first = state(watched)
    assert first == {"format": 1, "status": "starting", "streak": 0, "checked": None, "exit": None, "output": ""}
    found = reaches(watched, "healthy")
    assert (found["streak"], found["exit"], found["output"]) == (0, 0, "said\nerr\n")
    assert MOMENT.fullmatch(found["checked"])
    (watched.directory / "go/bad").touch()
    found = until(lambda: state(watched)["streak"] == 1 and state(watched))
    assert (found["status"], found["exit"]) == ("healthy", 1)
    assert reaches(watched, "unhealthy")["streak"] >= 2
    (watched.directory / "go/bad").unlink()
    assert reaches(watched, "healthy")["streak"] == 0


def test_failures_in_the_start_period_do_not_count_until_one_went_well(checked, watched):
    checked("test -e /go/good", retries="1", period="60")
    until(lambda: state(watched)["checked"] is not None)
    time.sleep(0.5)
    assert (state(watched)["status"], state(watched)["streak"], state(watched)["exit"]) == ("starting", 0, 1)
    (watched.directory / "go/good").touch()
    reaches(watched, "healthy")
    (watched.directory / "go/good").unlink()
    reaches(watched, "unhealthy")


def test_after_the_start_period_failures_count(checked, watched):
    checked("false", retries="3", period="0.5")
    begun = time.monotonic()
    assert reaches(watched, "unhealthy")["streak"] == 3
    assert time.monotonic() - begun >= 0.5


@both_spaces
def test_a_check_that_takes_too_long_is_ended_with_its_children(spaces, checked, watched, marker):
    script = f"echo begun; trap '' TERM; sleep {marker}; sleep {marker}"
    checked(script, limit="0.3", retries="1", spaces=spaces)
    found = reaches(watched, "unhealthy")
    assert (found["exit"], found["output"]) == (124, "begun\n")
    os.kill(watched.payload()["pid"], 9)
    watched.exit()
    until(lambda: not processes(marker))


@both_spaces
def test_a_check_is_where_the_payload_is(spaces, checked, watched):
    """Directory, variables, ids, namespaces, limits, root."""
    script = "pwd; echo $WORD $PATH; id -u; id -g; umask; ulimit -n; ls -d /only; ls /proc/self/fd | wc -l; test $(cat /go/uts) = $(readlink /proc/self/ns/uts) && echo same"
    proc = [] if spaces == PIDS else [("bind", "/proc", "/proc", "")]
    checked(
        script, *proc, ("mkdir", "/only", "0755"), ("mkdir", "/there", "0755"), ("env", "WORD=word"), ("cwd", "/there", "refuse"), ("umask", "027"),
        ("limit", "nofile", "77", "77"), spaces=spaces + ",uts", argv=("sh", "-c", "readlink /proc/self/ns/uts > /go/uts; sleep 60"), ids=(5, 6),
    )  # fmt: skip
    assert reaches(watched, "healthy")["output"].split() == [
        "/there",
        "word",
        "/bin",
        "5",
        "6",
        "0027",
        "77",
        "/only",
        "4",
        "same",
    ]


def test_output_is_bounded_and_valid(checked, watched):
    checked(
        r"""printf 'a\377\303\251"\\\t'; dd if=/dev/zero bs=1000 count=200 status=none | tr '\0' x; exit 3""",
        ("bind", "/dev", "/dev", ""),
    )
    found = until(lambda: state(watched).get("exit") == 3 and state(watched))
    assert found["output"] == 'a\N{REPLACEMENT CHARACTER}é"\\\t' + "x" * (4096 - 7)


def test_a_check_that_cannot_be_run(checked, watched):
    watched.detach(("health", "0.1", "5", "1", "0", "none"), argv=("sleep", "60"))
    found = reaches(watched, "unhealthy")
    assert found["exit"] == 127
    assert 'there is no program "none" inside' in found["output"]


def test_a_check_killed_by_a_signal(checked, watched):
    checked("kill -SEGV $$", retries="1")
    assert reaches(watched, "unhealthy")["exit"] == 139


def test_checks_end_with_the_payload(checked, watched, marker):
    checked(f"sleep {marker}", limit="60", argv=("sh", "-c", "until test -e /go/end; do sleep 0.02; done; exit 4"))
    until(lambda: processes(marker))
    (watched.directory / "go/end").touch()
    assert watched.exit(3)["status"] == 4
    assert not processes(marker)


def test_checks_end_with_the_watcher(checked, watched, marker):
    checked(f"sleep {marker}", limit="60")
    until(lambda: processes(f"sleep\0{marker}"))
    os.kill(watched.payload()["watcher"]["pid"], 9)
    until(lambda: not processes(marker))


def test_a_check_without_a_command_of_its_own_time_limit(checked, watched):
    """TIMEOUT 0 is the interval."""
    checked("sleep 60", limit="0", every="0.2", retries="1")
    assert reaches(watched, "unhealthy")["exit"] == 124
