"""Several real users inside (`--subids`): owners on disk are true, and all of it can be read, copied, committed and removed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from sampan.container import ids
from sampan.errors import CannotHonour
from sampan.host import subids
from sampan.host.accounts import Account
from tests.journeys.test_inside import members
from tests.product import Sampan


@pytest.fixture(scope="module")
def box(tmp_path_factory, machine_reference):
    name = pwd.getpwuid(os.getuid()).pw_name
    if not shutil.which("newuidmap") or not any(
        line.startswith(f"{name}:") for line in Path("/etc/subuid").read_text().splitlines()
    ):
        pytest.skip("this user has no range in /etc/subuid")
    directory = tmp_path_factory.mktemp("subids")
    found = Sampan(directory / "store", directory, machine_reference)
    found.good("pull", machine_reference)
    yield found
    for id in found("ps", "-aq", "--no-trunc").lines:
        if len(id) == 64:
            found("rm", "-f", id)


CHANGE = "mkdir -p /d/e; echo x > /d/e/f; chmod 4711 /d/e/f; chown -R 44:45 /d; chmod 700 /d; chown 7:8 /etc/passwd"


def test_owners_are_real_and_go_along(box):
    script = (
        f'{CHANGE}; id -u; python3 -Bc \'import os; os.setgid(44); os.setuid(44); print(os.listdir("/d")); os.listdir("/root")\''
    )
    done = box("run", "--subids", "--name", "real", box.image, "bash", "-c", script)
    assert (done.status, done.lines) == (1, ["0", "['e']"])
    assert "Permission denied: '/root'" in done.err
    assert "private copy" in done.err
    assert box.good("diff", "real").lines == ["A /d", "A /d/e", "A /d/e/f", "C /etc/passwd"]
    found = members(box.good("export", "real").out)
    assert found["d"][1:4] == (0o700, 44, 45)
    assert found["etc/passwd"][2:4] == (7, 8)
    box.good("commit", "real", "real:1")
    assert members(box.good("export", "real:1").out) == found
    for how in ("--subids", "--root"):
        assert box.good("run", how, "real:1", "stat", "-c", "%u:%g %a", "/d/e", "/etc/passwd").lines == ["44:45 755", "7:8 644"]
    directory = next((box.home / "containers").glob("*/rootfs/d"))
    assert directory.stat().st_uid not in (os.getuid(), 44)
    box.good("rm", "real")
    assert not list((box.home / "containers").glob("*/rootfs"))
    assert not list((box.home / "tmp").iterdir())
    box.good("rmi", "real:1")


def test_what_is_thrown_away_leaves_nothing(box):
    assert box("run", "--subids", box.image, "sh", "-c", f"{CHANGE}; exit 3").status == 3
    assert box("run", "--subids", "--rm", "--name", "gone", box.image, "sh", "-c", f"{CHANGE}; exit 4").status == 4
    assert [name for name in os.listdir(box.home / "containers") if name != "names"] == []


def test_users_of_the_image_in_a_container_that_runs(box):
    box.good("run", "-d", "--subids", "--name", "live", "-u", "guest", box.image, "sleep", "60")
    assert box.good("exec", "live", "id", "-u").text == "1234\n"
    assert box.good("exec", "-u", "0", "live", "id", "-u").text == "0\n"
    assert box.good("exec", "-u", "77:78", "live", "sh", "-c", "id -u; id -g").lines == ["77", "78"]
    (box.directory / "file").write_text("x")
    box.good("cp", "file", "live:/etc/copied")
    assert box.good("exec", "live", "stat", "-c", "%u:%g", "/etc/copied").text == "0:0\n"
    packed = subprocess.run(
        ["tar", "c", "--owner=33", "--group=34", "-C", box.directory, "file"], capture_output=True, check=True
    ).stdout
    box.good("cp", "-", "live:/etc", stdin=packed)
    assert box.good("exec", "live", "stat", "-c", "%u:%g", "/etc/file").text == "33:34\n"
    box.good("rm", "-f", "live")
    assert not list((box.home / "tmp").iterdir())


def test_an_id_beyond_the_ranges_is_refused(box):
    done = box("run", "--subids", "-u", "4000000", box.image, "true")
    assert (done.status, "no such id" in done.err) == (125, True)
    done = box("wrap", "--subids", "-o", "w", box.image)
    assert (done.status, "private copy" in done.err) == (125, True)
    assert "private copy" in box.good("run", "--dry-run", "--subids", box.image, "true").text


def test_ranges_are_read_as_newuidmap_reads_them(tmp_path):
    account = Account(1000, 1000, "ana", "ana", "/home/ana")
    (tmp_path / "uid").write_text("bob:100000:65536\nana:165536:1000\n# no\nana:x:3\nana:5\n1000:300000:5\nana:7:0\n")
    (tmp_path / "gid").write_text("ana:400000:10\n")
    found = subids.ranges(account, str(tmp_path / "uid"), str(tmp_path / "gid"))
    assert found == (((165536, 1000), (300000, 5)), ((400000, 10),))
    maps = ids.several((1000, 1000), *found)
    assert maps.uids == ((0, 1000, 1), (1, 165536, 1000), (1001, 300000, 5))
    assert ids.from_document(maps.document(), "it").document() == maps.document()
    with pytest.raises(CannotHonour) as caught:
        subids.ranges(Account(5, 5, "eve", "eve", "/"), str(tmp_path / "uid"), str(tmp_path / "missing"))
    assert "eve has no range" in caught.value.sentence
    assert "usermod --add-subuids 300005-365540" in str(caught.value.hint)
