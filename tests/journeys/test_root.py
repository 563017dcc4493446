"""Root under one id: package managers, useradd and tar end well, and the owners they set are shown, committed and exported."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.journeys.test_inside import members
from tests.journeys.test_services import image
from tests.product import Sampan

APT = "apt/ dpkg/ diffutils passwd/ login/ tar/ debconf zlib1g libzstd1 libbz2-1.0 liblzma5 libstdc++6 libxxhash0 liblz4-1 perl-base adduser/ libcap2-bin/"
CONTROL = (
    "Package: owned\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: files of several owners\n"
)
SCRIPT = """#!/bin/sh
set -e
groupadd -g 777 owned
useradd -u 776 -g owned -m -d /var/lib/owned owned
install -d -o owned -g owned -m 2750 /var/lib/owned/spool
chown -h owned:owned /usr/share/owned/link
chown root:owned /usr/share/owned/setgid
chmod 2755 /usr/share/owned/setgid
"""
PREPARE = "mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates /etc/apt/apt.conf.d /var/cache/apt/archives/partial /var/lib/apt/lists/partial; touch /var/lib/dpkg/status; "


@pytest.fixture(scope="module")
def box(registry, tmp_path_factory):
    """A store with an image that has apt, dpkg and useradd."""
    if not os.path.exists("/usr/bin/dpkg-deb") or not os.path.exists("/usr/sbin/useradd"):
        pytest.skip("dpkg and passwd are not installed on this machine, from whose packages the image is made")
    directory = tmp_path_factory.mktemp("root")
    found = Sampan(directory / "store", directory, image(registry, "apt", APT))
    found.good("pull", found.image)
    yield found
    for id in found("ps", "-aq", "--no-trunc").lines:
        if len(id) == 64:
            found("rm", "-f", id)


@pytest.fixture
def machine(box, engine):
    """The same store used with each engine."""
    return replace(box, variables={"SAMPAN_ENGINE": engine})


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """A package with a file of another owner, and a script that makes more."""
    place = tmp_path_factory.mktemp("package")
    tree = place / "owned"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr/share/owned").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(CONTROL)
    (tree / "DEBIAN/postinst").write_text(SCRIPT)
    (tree / "DEBIAN/postinst").chmod(0o755)
    (tree / "usr/share/owned/file").write_text("content")
    (tree / "usr/share/owned/setgid").write_text("content")
    (tree / "usr/share/owned/link").symlink_to("file")
    done = subprocess.run(["dpkg-deb", "-b", "--root-owner-group", tree, place / "owned.deb"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return place / "owned.deb"


def test_apt_installs_and_the_owners_go_into_the_image(machine, package, engine):
    install = (
        PREPARE
        + "apt-get -o Debug::NoLocking=1 install -y /owned.deb && dpkg -s owned && stat -c '%u:%g %a %n' /var/lib/owned/spool"
    )
    done = machine(
        "run", "--root", "--name", f"apt-{engine}", "-v", f"{package}:/owned.deb:ro", machine.image, "bash", "-c", install
    )
    assert done.status == 0, done.err + done.text
    assert "Status: install ok installed" in done.text
    assert done.lines[-1] == "776:777 2750 /var/lib/owned/spool"
    machine.good("commit", f"apt-{engine}", "owned:1")
    look = "stat -c '%U:%G %a' /var/lib/owned/spool /usr/share/owned/setgid /usr/share/owned/link; id owned"
    assert machine.good("run", "--root", "owned:1", "sh", "-c", look).lines == [
        "owned:owned 2750", "root:owned 2755", "owned:owned 777", "uid=776(owned) gid=777(owned) groups=777(owned)",
    ]  # fmt: skip
    for name in (f"apt-{engine}", "owned:1"):
        found = members(machine.good("export", name).out)
        assert found["var/lib/owned/spool"][1:4] == (0o2750, 776, 777)
        assert found["usr/share/owned/setgid"][1:4] == (0o2755, 0, 777)
        assert found["usr/share/owned/link"][2:4] == (776, 777)
        assert found["usr/share/owned/file"][2:4] == (0, 0)


def test_tar_ends_well_and_its_owners_are_shown(box):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, kind, uid, gid in (
            ("d", tarfile.DIRTYPE, 5, 6),
            ("d/f", tarfile.REGTYPE, 7, 8),
            ("d/p", tarfile.FIFOTYPE, 9, 10),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.uid, member.gid, member.mode = kind, uid, gid, 0o755
            tar.addfile(member)
        member = tarfile.TarInfo("d/null")
        member.type, member.devmajor, member.devminor, member.mode = tarfile.CHRTYPE, 1, 3, 0o666
        tar.addfile(member)
    script = "cd /opt 2>/dev/null || mkdir /opt && cd /opt; tar xpf -; stat -c '%n %u:%g %F' d d/f d/p d/null; tar cf - d | tar tvf - --numeric-owner | cut -d' ' -f1,2"
    done = box("run", "--root", "--isolate", box.image, "bash", "-c", script, stdin=stream.getvalue())
    assert (done.status, done.err) == (0, "")
    assert done.lines[:4] == [
        "d 5:6 directory",
        "d/f 7:8 regular empty file",
        "d/p 9:10 fifo",
        "d/null 0:0 character special file",
    ]
    assert (
        sorted(done.lines[4:]) == ["crw-rw-rw- 0/0", "drwxr-xr-x 5/6", "-rwxr-xr-x 7/8", "prwxr-xr-x 9/10"]
        or len(done.lines) == 8
    )


CALLS = """
import os, stat
def shown(path, **more):
    status = os.stat(path, **more)
    return status.st_uid, status.st_gid
os.chdir("/opt")
open("f", "w").close()
os.chown("f", 1, 2)
assert shown("f") == (1, 2)
os.chown("f", -1, 3)
assert shown("f") == (1, 3)
descriptor = os.open("f", os.O_RDWR)
os.fchown(descriptor, 4, -1)
assert (os.fstat(descriptor).st_uid, os.fstat(descriptor).st_gid) == (4, 3)
os.rename("f", "g")
assert shown("g") == (4, 3)
os.link("g", "h")
assert shown("h") == (4, 3)
os.symlink("g", "l")
assert shown("l") == (4, 3)
assert shown("l", follow_symlinks=False) == (0, 0)
os.lchown("l", 5, 6)
assert shown("l", follow_symlinks=False) == (5, 6)
assert shown("g") == (4, 3)
os.chmod("g", 0o400)
os.chown("g", 0, 0)
assert shown("g") == (0, 0)
directory = os.open("/opt", os.O_RDONLY)
os.chown("g", 8, 9, dir_fd=directory)
assert shown("g", dir_fd=directory) == (8, 9)
os.unlink("g"); os.unlink("h")
open("g", "w").close()
assert shown("g") == (0, 0)
for path, number in (("no", 2), ("f/x", 2), ("g/x", 20)):
    try:
        os.chown(path, 1, 1)
        raise SystemExit(path)
    except OSError as error:
        assert error.errno == number, error
os.setgroups([1]); os.setresgid(1, 1, 1); os.setresuid(1, 1, 1)
assert stat.S_ISDIR(os.stat("/proc/self").st_mode)
assert os.stat("/proc/self/fd/0") and os.stat("/dev/null").st_rdev == os.makedev(1, 3)
os.chown("/dev/stdout", 1, 1)
os.chown("/proc/self/fd/1", 1, 1)
# On a mount of the machine nothing is noted.
open("/tmp/of-the-host", "w").close()
os.chown("/tmp/of-the-host", 1, 1)
assert shown("/tmp/of-the-host") == (0, 0)
assert os.listxattr("/tmp/of-the-host") == []
os.unlink("/tmp/of-the-host")
if os.fork() == 0:
    os.chown("g", 9, 9)
    os._exit(0)
os.wait()
assert shown("g") == (9, 9)
try:
    os.wait()
    raise SystemExit("it has a child that it does not know")
except ChildProcessError:
    pass
print("all")
"""


@pytest.mark.parametrize("options", [(), ("--isolate",), ("--init",), ("--name", "kept"), ("-u", "root")])
def test_what_a_program_sees_of_owners(box, options):
    if "--isolate" in options:
        script = CALLS.replace("/tmp/of-the-host", "/dev/shm/of-the-host")
    else:
        script = CALLS
    words = ["--root"] if "-u" not in options else []
    code = f"import os\nos.path.isdir('/opt') or os.mkdir('/opt')\n{script}"
    done = box("run", *words, *options, box.image, "python3", "-c", code)
    assert (done.status, done.text) == (0, "all\n"), done.err
    if "--name" in options:
        found = members(box.good("export", "kept").out)
        assert found["opt/l"][2:4] == (5, 6)
        assert found["opt/g"][2:4] == (9, 9)
        box.good("rm", "kept")


def supervisors():
    found = 0
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            found += path.read_text() == "sampan-owners\n" and path.stat().st_uid == os.getuid()
        except OSError:
            continue
    return found


def test_a_program_that_joins_has_it_too_and_nothing_stays(box):
    box.good(
        "run",
        "-d",
        "--root",
        "--name",
        "joined",
        box.image,
        "sh",
        "-c",
        "mkdir -p /opt; touch /opt/x; chown 3:4 /opt/x; sleep 60",
    )
    end = time.monotonic() + 10
    while box("exec", "joined", "stat", "-c", "%u:%g", "/opt/x").text != "3:4\n":
        assert time.monotonic() < end
    box.good("exec", "joined", "chown", "5:6", "/opt/x")
    assert box.good("exec", "joined", "stat", "-c", "%u:%g", "/opt/x").text == "5:6\n"
    assert supervisors() > 0
    box.good("rm", "-f", "joined")
    end = time.monotonic() + 10
    while supervisors():
        assert time.monotonic() < end, "a supervisor has stayed"
        time.sleep(0.05)


def test_an_image_shows_its_own_owners(machine, tmp_path):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        member = tarfile.TarInfo("opt/of image")
        member.uid, member.gid, member.mode = 33, 34, 0o640
        tar.addfile(member)
    machine.good("run", "--root", "--name", "base", machine.image, "mkdir", "-p", "/opt")
    (tmp_path / "one.tar").write_bytes(stream.getvalue())
    with (tmp_path / "one.tar").open("rb") as archive:
        assert machine("cp", "-", "base:/", stdin=archive.read()).status == 0
    machine.good("commit", "base", "with-owner:1")
    assert machine.good("run", "--root", "with-owner:1", "stat", "-c", "%u:%g", "/opt/of image").text == "33:34\n"
    script = "chmod 600 '/opt/of image'; stat -c '%u:%g %a' '/opt/of image'; mv '/opt/of image' /opt/moved"
    done = machine.good("run", "--root", "--name", "more", "with-owner:1", "sh", "-c", script)
    assert done.text == "33:34 600\n"
    machine.good("rm", "base", "more")


def test_pipes_end_with_the_payload(box):
    """The process beside it keeps no stream open."""
    begin = time.monotonic()
    assert box.good("run", "--root", box.image, "echo", "x").out == b"x\n"
    assert time.monotonic() - begin < 20
