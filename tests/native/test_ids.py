"""Maps of more than one id, and payloads that are somebody else inside."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.native.conftest import as_user
from tests.native.watching import PIDS, PLAIN, until

both_spaces = pytest.mark.parametrize("spaces", [PLAIN, PIDS])


def subordinate(kind):
    """(first, count) of the ids that /etc/subuid or /etc/subgid gives this user."""
    me = (str(os.getuid()), pwd.getpwuid(os.getuid()).pw_name)
    for line in Path(f"/etc/{kind}").read_text().splitlines():
        name, first, count = line.split(":")
        if name in me and int(count) > 2000:
            return first, count
    return None


@pytest.fixture(scope="module")
def tools():
    if os.getuid() == 0:
        return ("map-tools", "/none", "/none")  # root needs none
    found = shutil.which("newuidmap"), shutil.which("newgidmap")
    if None in found or not os.path.exists("/etc/subuid") or subordinate("subuid") is None or subordinate("subgid") is None:
        pytest.skip("this user has no subordinate ids")
    return ("map-tools", *found)


@pytest.fixture
def mapped(tools, launch, roots):
    """A plan with root inside as the caller and ids from 1 as subordinate ones."""
    uids, gids = (("100000", "65536"),) * 2 if os.getuid() == 0 else (subordinate("subuid"), subordinate("subgid"))

    def plan(*records, argv=("true",), spaces=PLAIN, root=None, chosen=tools):
        maps = [
            ("uid-map", "0", "caller", "1"), ("uid-map", "1", uids[0], "2000"),
            ("gid-map", "0", "caller", "1"), ("gid-map", "1", gids[0], "2000"), chosen,
        ]  # fmt: skip
        return [
            ("image", "x"),
            ("unshare", spaces),
            *maps,
            root or roots.record("rw"),
            *records,
            ("env", "PATH=/bin"),
            ("exec", *argv),
        ]

    plan.first = int(uids[0])
    return plan


def run(launch, plan, **options):
    with launch.start(plan, **options) as process:
        out, err = process.communicate(timeout=30)
    return subprocess.CompletedProcess([], process.returncode, out, err)


@both_spaces
def test_files_get_their_real_owners(spaces, mapped, launch, roots):
    script = "touch /a /b; chown 7:8 /b; stat -c '%u:%g' /a /b; cat /proc/self/setgroups"
    bind = ("proc", "/proc") if spaces == PIDS else ("bind", "/proc", "/proc", "")
    done = run(launch, mapped(bind, argv=("sh", "-c", script), spaces=spaces))
    assert (done.stdout.split(), done.stderr) == (["0:0", "7:8", "allow"], "")
    assert ((roots.tree / "a").stat().st_uid, (roots.tree / "b").stat().st_uid) == (os.getuid(), mapped.first + 6)


@both_spaces
def test_the_payload_is_somebody_else(spaces, mapped, launch):
    bind = ("proc", "/proc") if spaces == PIDS else ("bind", "/proc", "/proc", "")
    script = "id -u; id -g; id -G; grep CapEff /proc/self/status"
    done = run(launch, mapped(bind, ("user", "33", "44", "5,6"), argv=("sh", "-c", script), spaces=spaces))
    assert done.stdout.split() == ["33", "44", "44", "5", "6", "CapEff:", "0000000000000000"]
    done = run(launch, mapped(bind, ("user", "33", "44", ""), argv=("id", "-G"), spaces=spaces))
    assert done.stdout.split() == ["44"]


@both_spaces
def test_an_id_that_the_map_does_not_have(spaces, mapped, launch):
    for records, kind in ([("user", "5000", "0", "")], "user 5000"), ([("user", "0", "5000", "")], "group 5000"):
        done = run(launch, mapped(*records, spaces=spaces))
        assert done.returncode == 125
        assert (
            done.stderr
            == f"sampan: cannot start x: it cannot run as {kind}: there is no such id in its map\nhint: `--subids` maps more than one\n"
        )


@as_user
def test_a_map_of_one_id_has_one_user_and_no_groups(launch, roots):
    me = (str(os.getuid()), str(os.getgid()))
    assert launch.out(roots.record("ro"), ("user", *me, ""), argv=("id", "-u")) == f"{me[0]}\n"
    said = launch.refused(roots.record("ro"), ("user", *me, "7"))
    assert "it cannot have the groups 7" in said
    assert "hint: a map of one id has no other groups" in said
    assert "it cannot run as user 7: there is no such id in its map" in launch.refused(
        roots.record("ro"), ("user", "7", me[1], "")
    )


@as_user
@both_spaces
def test_what_the_tools_say_is_passed_on(spaces, mapped, launch, tmp_path):
    tool = tmp_path / "newuidmap"
    tool.write_text('#!/bin/sh\necho "newuidmap: $# words, not for you" >&2\necho second >&2\nexit 1\n')
    tool.chmod(0o755)
    done = run(launch, mapped(chosen=("map-tools", str(tool), str(tool)), spaces=spaces))
    assert done.returncode == 125
    first, second = done.stderr.splitlines()
    assert first == f"sampan: cannot start x: {tool} refused the id map: newuidmap: 7 words, not for you"
    assert second == "hint: `sampan doctor` shows which ids /etc/subuid and /etc/subgid give you"
    done = run(launch, mapped(chosen=("map-tools", "/none/newuidmap", "/none/newgidmap"), spaces=spaces))
    assert "/none/newuidmap refused the id map: No such file or directory" in done.stderr
    tool.write_text("#!/bin/sh\nexit 0\n")  # says yes and does nothing
    done = run(launch, mapped(chosen=("map-tools", str(tool), str(tool)), spaces=spaces))
    assert done.returncode == 125


@as_user
def test_ids_that_are_not_ones_own(mapped, launch):
    plan = [r for r in mapped() if r[0] != "map-tools"]
    plan = [("uid-map", "0", "0", "1") if r == ("uid-map", "0", "caller", "1") else r for r in plan if "1" not in r[1:2]]
    done = run(launch, plan)
    assert (done.returncode, f'"uid-map" names the id 0 of this machine, and yours is {os.getuid()}' in done.stderr) == (
        125,
        True,
    )


@pytest.mark.parametrize("spaces", [PLAIN, PIDS])
def test_remove_under_the_map(spaces, mapped, launch, roots, tmp_path):
    """What belongs to other ids can only be removed under the same map."""
    state = tmp_path / "state"
    (state / "upper").mkdir(parents=True)
    (state / "work").mkdir()
    root = ("root-overlay", str(roots.tree), str(state / "upper"), str(state / "work"), "refuse")
    script = "mkdir -p /opt/deep/er; touch /opt/deep/er/file; chown -R 55:66 /opt/deep; chmod 700 /opt/deep; stat -c %u /opt/deep; exit 3"
    plan = mapped(("watch", "logs,remove", str(state), "15", "5", "0"), argv=("sh", "-c", script), spaces=spaces, root=root)
    done = run(launch, plan)
    assert (done.returncode, done.stderr, state.exists()) == (3, "", False)


def test_another_command_has_the_map_too(mapped, launch, watched):
    """`enter` and checks of a container with a longer map."""
    watch = ("watch", "detach", str(watched.directory), "15", "5", "0")
    health = ("health", "0.1", "5", "1", "0", "id", "-u")
    plan = mapped(watch, ("fds", ""), health, ("user", "33", "44", ""), ("proc", "/proc"), argv=("sleep", "60"), spaces=PIDS)
    done = run(launch, plan)
    assert (done.returncode, done.stderr) == (0, "")
    payload = watched.payload()
    enter = ("enter", str(payload["pid"]), str(payload["start"]), PIDS)
    done = run(launch, [enter, ("user", "77", "88", "5"), ("env", "PATH=/bin"), ("exec", "sh", "-c", "id -u; id -G")])
    assert (done.stdout.split(), done.stderr) == (["77", "88", "5"], "")
    done = run(launch, [enter, ("env", "PATH=/bin"), ("exec", "id", "-u")])
    assert done.stdout.split() == ["0"]
    assert (
        until(lambda: watched.has("health") and watched.read("health")["exit"] is not None and watched.read("health"))["output"]
        == "33\n"
    )
