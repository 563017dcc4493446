"""`udocker`: what its own functional tests ask, every option, and none of the faults that it is known for."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from sampan.cli import PROGRAMS
from sampan.compat.program import table_of
from tests.images.build import directory, file, layer, symlink, whiteout
from tests.images.udockerdir import UdockerDirectory
from tests.journeys.conftest import BUSYBOX

IMAGE = "machine:1"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_each_verb_and_option_is_used_here():
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_udocker*.py"))
    found = __import__(PROGRAMS["udocker"][0], fromlist=["PROGRAM"]).PROGRAM
    assert [verb for verb in found.verbs if f'"{verb.split()[-1]}"' not in text] == []
    options = [(verb, option) for verb in found.verbs for option in table_of(found, verb).options]
    unused = [
        (verb, option.spellings[-1])
        for verb, option in (*options, *(("", option) for option in found.options))
        if not any(re.search(rf"""["' ]{re.escape(one)}["'= ]""", text) for one in option.spellings)
    ]
    assert unused == []


# What udocker's own functional tests ask


def test_words_that_ask_for_nothing(empty, tmp_path):
    for words in ([], ["help"], ["-h"], ["--help"], ["run", "--help"]):
        assert "run" in empty.good(*words).text
    for words in (["-V"], ["--version"], ["version"], ["--allow-root", "--version"]):
        assert empty.good(*words).lines[0].startswith("version: 1.3.17")
    assert "topdir = " in empty.good("showconf").text == empty.good("listconf").text
    for words in (["install"], ["install", "--force"], ["install", "--purge"]):
        empty.good(*words)
    assert (tmp_path / ".udocker/repos").is_dir()
    assert not os.listdir(tmp_path / ".udocker/bin")


def test_one_round(empty, registry, machine_reference, tmp_path):
    server, image = f"http://{registry.host}", "test/machine:1"
    assert "test/machine" in empty.good("search", "-a", f"--registry={server}", "machine").text
    assert empty.good("search", "--list-tags", "--registry", server, "test/machine").lines == ["1"]
    empty.good("pull", f"--registry={server}", image)
    empty.good("pull", image, UDOCKER_REGISTRY=server)
    assert empty.good("verify", image).text == "Info: image Ok\n"
    assert empty.good("images").lines == ["REPOSITORY", f"{image}    ."]
    assert json.loads(empty.good("inspect", image).text)["architecture"]
    id = empty.good("create", image).text.strip()
    assert UUID.fullmatch(id)
    assert UUID.fullmatch(empty.good("-q", "create", "--name=cont", image).text.strip())
    assert len(empty.good("ps").lines) == 3
    empty.good("name", id, "other")
    assert "['other']" in empty.good("ps").text
    empty.good("rmname", "other")
    assert (id in empty.good("ps").text, "other" in empty.good("ps").text) == (True, False)
    assert json.loads(empty.good("inspect", id).text)["config"]
    empty.good("run", id, "sh", "-c", "echo made > /made")
    empty.good("clone", "--name=mine", id)
    assert empty.good("run", "mine", "cat", "/made").text == "made\n"
    with tarfile.open(exported(empty, tmp_path, id)) as archive:
        assert "made" in archive.getnames()
    empty.good("rm", id)
    assert empty.good("setup", "cont").lines[0] == "execmode: P1"
    assert "container_names=cont\n" in empty.good("run", "cont", "env").text
    empty.good("setup", "--execmode=F3", "cont")
    assert empty.good("run", "cont", "sh", "-c", "echo $container_execmode").text == "F3\n"
    empty.good("mkrepo", tmp_path / "more")
    empty.good(f"--repo={tmp_path / 'more'}", "pull", f"--registry={server}", image)
    empty.good(f"--repo={tmp_path / 'more'}", "verify", image)
    empty.good("save", "-o", tmp_path / "image.tar", image)
    empty.good("protect", "cont")
    assert "is protected" in empty.bad(1, "rm", "cont")
    empty.good("unprotect", "cont")
    empty.good("rm", "cont")
    assert empty.good("load", "-i", tmp_path / "image.tar").lines == [image]
    root = tmp_path / "cont.tar"
    empty.good("import", root, "mine:latest")
    assert UUID.fullmatch(empty.good("import", "--tocontainer", "--name=mycont", root).text.strip())
    assert UUID.fullmatch(empty.good("import", "--clone", "--name=plain", root).text.strip())  # which is no clone
    assert empty.good("run", "mycont", "cat", "/made").text == empty.good("run", "plain", "cat", "/made").text == "made\n"
    empty.good("rmi", image)
    assert image not in empty.good("images").text


def exported(udocker, place, container):
    path = place / "cont.tar"
    udocker.good("export", "-o", path, container)
    return path


@pytest.mark.parametrize("mode", ["P1", "P2", "F1", "F2", "F3", "F4", "R1", "R2", "R3"])
def test_each_mode_runs(tidy, mode):
    """With output as it was written, and the payload's own status: in udocker R modes lose both without a terminal."""
    tidy.good("create", "--name=moded", IMAGE)
    tidy.good("run", "moded", "sh", "-c", "echo kept > /kept")
    tidy.good("setup", f"--execmode={mode}", "--force", "moded")
    assert tidy.good("setup", "moded").lines == [f"execmode: {mode}", "nvidiamode: False"]
    done = tidy("run", "--nobanner", "moded", "sh", "-c", "cat /kept; echo \u00e9; echo err >&2; exit 7")
    assert (done.status, done.text, done.err) == (7, "kept\n\u00e9\n", "err\n")
    assert mode in tidy.good("ps", "-m").text


# Options of run


def run(udocker, *words, script, status=0, **rest):
    done = udocker("run", "--rm", *words, IMAGE, "sh", "-c", script, **rest)
    assert done.status == status, done.err
    return done


def test_what_a_container_sees(tidy, tmp_path):
    (tmp_path / "file").write_text("of the host\n")
    script = f"cat /mnt/file {tmp_path}/file"
    assert run(tidy, f"--volume={tmp_path}:/mnt:ro", "-v", f"{tmp_path}/file", script=script).text == "of the host\n" * 2
    done = tidy("run", "--rm", "-v", f"{tmp_path}:/mnt:ro", IMAGE, "touch", "/mnt/new")
    assert (done.status, "Read-only" in done.err, (tmp_path / "new").exists()) == (1, True, False)
    assert run(tidy, script=f"ls -d {tmp_path} 2>/dev/null; ls /dev/null; cat /proc/1/comm").lines[0] == "/dev/null"
    assert int(run(tidy, script="ls /proc | grep -c '^[0-9]'").text) > 3  # the host's
    assert run(tidy, "--novol=/proc", script="ls /proc | wc -l").text == "0\n"
    assert run(tidy, "--nosysdirs", script="ls /proc /sys | grep -c '[0-9]'; ls /dev | grep -c sda; true").lines[0] == "0"
    assert run(tidy, "--bindhome", script="ls ~guest >/dev/null; ls $0; ls -d " + str(tidy.store.directory)).lines
    assert run(tidy, "--device=/dev/null", "--dri", script="echo x > /dev/null; echo well").text == "well\n"
    assert run(tidy, "--dns=9.9.9.9", "--dns-search=example.org", script="cat /etc/resolv.conf").lines
    text = run(tidy, "--dns", "9.9.9.9", "--dns-search", "example.org", script="cat /etc/resolv.conf").text
    assert ("9.9.9.9" in text, "example.org" in text) == (True, True)
    tidy.good("create", "--name=lender", IMAGE)
    tidy.good("run", "--volumes-from=lender", "--rm", IMAGE, "true")


def test_mount_points_in_directories_of_the_host_are_made(tidy, tmp_path):
    """As miniwdl binds its inputs: files in a directory that is bound itself."""
    (tmp_path / "work").mkdir()
    (tmp_path / "input").write_text("in\n")
    done = run(
        tidy, "-v", f"{tmp_path}/work:/w", "-v", f"{tmp_path}/input:/w/d/x", "-w", "/w", script="cat d/x; echo out > result"
    )
    assert (done.text, (tmp_path / "work/result").read_text()) == ("in\n", "out\n")


def test_variables(tidy, tmp_path):
    (tmp_path / "list").write_text("FROM_FILE=f\n")
    done = run(
        tidy, "-e", "A=1", "--env=B", "--env-file", tmp_path / "list", script="echo $A $B $FROM_FILE $HOSTS", B="2", HOSTS="h"
    )
    assert done.text == "1 2 f\n"
    assert run(tidy, "--hostenv", script="echo $HOSTS", HOSTS="h").text == "h\n"
    done = run(tidy, script="echo $HOME $USER; env | grep ^container_ | sort | cut -d= -f1")
    assert done.lines == ["/root root", "container_execmode", "container_names", "container_ruser", "container_uuid"]


def test_users(tidy):
    me, name = os.getuid(), subprocess.run(["id", "-un"], capture_output=True, text=True).stdout.strip()
    assert run(tidy, script="id -u").text == "0\n"
    assert run(tidy, "--user=guest", script="id -un; echo $HOME").lines[0] == "guest"
    assert run(tidy, "-u", "1000:1000", script="id -u; id -g; wc -l < /etc/passwd").lines[:2] == ["1000", "1000"]
    lines = run(tidy, "--user=1000:1000", script="cat /etc/passwd").lines
    assert [line for line in lines if line.count(":") != 6] == []
    assert run(tidy, f"--user={name}", script="id -u").text == f"{me}\n"
    assert (
        run(
            tidy, "--hostauth", f"--user={name}", script="id -un; cmp /etc/passwd /proc/1/root/etc/passwd 2>/dev/null; true"
        ).lines[0]
        == name
    )
    assert (
        run(tidy, "--containerauth", script="cat /etc/passwd").text
        == run(tidy, "--containerauth", f"--user={me}", script="cat /etc/passwd").text
    )
    assert "no-such" in tidy.bad(1, "run", "--user=no-such", IMAGE, "true")


def test_what_is_run(tidy, tmp_path):
    assert tidy.good("run", "--rm", "--entrypoint=echo a", IMAGE, "b").text == "a b\n"
    assert tidy.good("run", "--rm", "--entrypoint=", IMAGE, "echo", "c").text == "c\n"
    assert run(tidy, "--workdir=/usr", "--cpuset-cpus=0", script="pwd; nproc").text == "/usr\n1\n"
    assert run(tidy, "--nometa", script="pwd").text == "/\n"
    assert tidy.good("run", "--rm", "-i", "-t", "-a", "-P", "--netcoop", IMAGE, "cat", stdin=b"in").text == "in"
    assert run(tidy, "--publish=8080:8080", script="true").err == ""
    assert "port 80 of the container is port 80 here" in tidy.bad(1, "run", "-p", "8080:80", IMAGE, "true")
    assert "--kernel is ignored" in run(tidy, "--kernel=3.2.1", script="true").err
    tree = tidy.good("inspect", "-p", IMAGE).text.strip()
    assert tidy.good("run", f"--location={tree}", "ls", "/").text == run(tidy, script="ls /").text
    assert tidy("run", IMAGE, "no-such-program").status == 127
    assert run(tidy, script="kill -9 $$", status=137)


def test_pull_says_when(tidy, registry, machine_reference):
    assert "--pull never" in tidy.bad(1, "run", "--pull=never", "no-such:1", "true")
    other = ("--rm", "--pull=always", "--platform=linux/amd64", "--registry", f"http://{registry.host}", "test/machine:1", "true")
    tidy.good("run", *other)
    tidy.good("rmi", "-f", "test/machine:1")
    first = tidy.good("run", "--name=again", "--pull=reuse", IMAGE, "sh", "-c", "echo x >> /made; cat /made")
    second = tidy.good("run", "--name=again", "--pull=reuse", IMAGE, "sh", "-c", "echo x >> /made; cat /made")
    assert (first.text, second.text) == ("x\n", "x\nx\n")
    assert "is in use" in tidy.bad(1, "run", "--name=again", IMAGE, "true")
    assert "is in use" in tidy.bad(1, "create", "--name=again", IMAGE)
    assert "['again']" in tidy.good("ps").text
    tidy.good("create", "--name=again", "--force", IMAGE)
    assert len(tidy.good("ps").lines) == 3


def test_a_protected_container_survives_its_run(tidy):
    tidy.good("create", "--name=safe", IMAGE)
    tidy.good("protect", "safe")
    tidy.good("run", "--rm", "safe", "true")
    assert " P W " in tidy.good("ps").text
    assert "is protected" in tidy.bad(1, "setup", "--execmode=P1", "safe")
    tidy.good("unprotect", "safe")
    tidy.good("run", "--rm", "safe", "true")
    assert len(tidy.good("ps").lines) == 1


# Containers and images


def test_names(tidy):
    id = tidy.good("create", IMAGE).text.strip()
    tidy.good("name", id, "first")
    tidy.good("rename", "first", "second")
    assert "['second']" in tidy.good("ps").text
    assert "there is no container" in tidy.bad(1, "rename", "first", "third")
    assert "cannot be the name" in tidy.bad(1, "name", "second", "a/b")
    assert "there is no container" in tidy.bad(1, "setup", id[:4])  # which may be the name of an image
    assert "one name here" in tidy.good("name", "second", "third").err
    assert "there is no container" in tidy.bad(1, "rm", "second")
    tidy.good("rm", "-f", "third")


def test_lists(tidy):
    tidy.good("create", "--name=listed", IMAGE)
    head, line = tidy.good("ps", "-m", "-s", "-p").lines
    assert head.split() == ["CONTAINER", "ID", "P", "M", "MOD", "SIZE", "PLATFORM", "NAMES", "IMAGE"]
    assert line.split()[1:4] == [".", "W", "P1"]
    assert line.split()[5:] == ["linux/amd64", "['listed']", IMAGE]
    assert tidy.good("-q", "images", "--all", "--no-trunc").lines == [f"{IMAGE}    ."]
    assert tidy.good("images", "-p").lines[1].split() == ["linux/amd64", ".", IMAGE]
    found = tidy.good("images", "-l").lines
    assert [line.endswith(" MB)") for line in found[3:]] == [True] * 3
    assert os.path.isdir(found[2].strip())


def test_where_files_lie(tidy):
    """A layer over an image has no one place; a mode that needs a copy makes one, with what was changed."""
    tidy.good("create", "--name=placed", IMAGE)
    tidy.good("run", "placed", "sh", "-c", "echo kept > /kept; rm /etc/passwd")
    assert "setup --execmode=P1" in tidy.bad(1, "inspect", "-p", "placed")
    tidy.good("setup", "--execmode=P1", "--purge", "--fixperm", "placed")
    root = Path(tidy.good("inspect", "-p", "placed").text.strip())
    assert ((root / "kept").read_text(), (root / "etc/passwd").exists(), (root / "etc/group").exists()) == ("kept\n", False, True)
    assert tidy.store.good("diff", "placed").lines.count("A /kept") == 1
    tidy.good("clone", "--name=again", "placed")
    assert tidy.good("run", "again", "cat", "/kept").text == "kept\n"
    assert tidy.good("images").lines == ["REPOSITORY", f"{IMAGE}    ."]


def test_modes_that_cannot_be(tidy):
    tidy.good("create", "--name=moded", IMAGE)
    assert "singularity" in tidy.bad(1, "setup", "--execmode=S1", "moded")
    assert "there is no execution mode 'Q1'" in tidy.bad(1, "setup", "--execmode=Q1", "moded")
    assert "--nvidia is not possible" in tidy.bad(1, "setup", "--nvidia", "moded")
    done = tidy("create", "--name=other", IMAGE, UDOCKER_DEFAULT_EXECUTION_MODE="R1")
    assert (done.status, tidy.good("setup", "other").lines[0]) == (0, "execmode: R1")
    done = tidy("run", "--rm", IMAGE, "true", UDOCKER_DEFAULT_EXECUTION_MODE="S1")
    assert (done.status, "singularity" in done.err) == (1, True)


def test_tags_and_protection_of_images(tidy):
    tidy.good("tag", IMAGE, "other:2")
    assert "already" in tidy.bad(1, "tag", IMAGE, "other:2")
    tidy.good("protect", "other:2")
    assert "other:2    P" in tidy.good("images").lines
    assert "is protected" in tidy.bad(1, "rmi", "other:2")
    assert "is protected" in tidy.bad(1, "tag", "other:2", "third:1")
    tidy.good("unprotect", "other:2")
    tidy.good("rmi", "other:2")
    assert "there is no image" in tidy.bad(1, "protect", "other:2")
    assert "no image" in tidy.bad(1, "rmi", "other:2")
    assert "no image" in tidy.bad(1, "verify", "other:2")


def test_archives(tidy, tmp_path):
    tidy.good("save", "--output", tmp_path / "image.tar", IMAGE)
    assert "is there already" in tidy.bad(1, "save", "-o", tmp_path / "image.tar", IMAGE)
    saved = tidy.good("save", "-", IMAGE).out
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        assert "manifest.json" in archive.getnames()
    assert tidy.good("load", "--input", tmp_path / "image.tar", "mine").lines == ["mine:1"]
    assert tidy.good("load", "-", stdin=saved).lines == tidy.good("load", stdin=saved).lines == [IMAGE]
    tidy.good("rmi", "mine:1")
    assert "not a root file system" in tidy.bad(1, "import", tmp_path / "image.tar", "wrong:1")
    tidy.good("create", "--name=source", IMAGE)
    tidy.good("run", "source", "sh", "-c", "mkdir -p /made/d; echo x > /made/d/f; ln /made/d/f /made/g; ln -s g /made/l")
    assert tidy.good("export", "source").out[:100] == tidy.good("export", "-", "source").out[:100] != b""
    tidy.good("export", "-o", "--clone", tmp_path / "clone.tar", "source")
    with tarfile.open(tmp_path / "clone.tar") as archive:
        names = archive.getnames()
        assert archive.getmember("ROOT/made/g").linkname == "ROOT/made/d/f"
    assert names[:3] == ["container.json", "imagerepo.name", "ROOT"] or names[:2] == ["container.json", "imagerepo.name"]
    for words, data in (
        (["--clone", "--name=copied", tmp_path / "clone.tar"], b""),
        (["--clone", "-"], (tmp_path / "clone.tar").read_bytes()),
    ):
        id = tidy.good("import", *words, stdin=data).text.strip()
        script = "cat /made/g /made/l; stat -c %h /made/g; echo $MADE_BY; pwd"
        assert tidy.good("run", id, "sh", "-c", script).lines[:3] == ["x", "x", "2"]
    assert json.loads(tidy.good("inspect", "copied").text)["config"] == json.loads(tidy.good("inspect", IMAGE).text)["config"]
    tidy.good("import", "--mv", "--platform=linux/amd64", exported(tidy, tmp_path, "source"), "root:1")
    assert not (tmp_path / "cont.tar").exists()
    tidy.good("rmi", "root:1")
    assert "needs a name" in tidy.bad(1, "import", tmp_path / "clone.tar")
    (tmp_path / "broken.tar").write_bytes((tmp_path / "clone.tar").read_bytes()[:5000])
    assert "broken.tar" in tidy.bad(1, "import", "--clone", tmp_path / "broken.tar")


# Faults of udocker that are none here


def test_the_payload_ends_with_its_udocker(tidy):
    for kind in (signal.SIGTERM, signal.SIGKILL):
        mark = f"sleep 6{os.getpid()}.{time.monotonic_ns() % 1000000}"
        process = subprocess.Popen(
            [tidy.name, "run", "--rm", IMAGE, *mark.split()], env=tidy.environment(), cwd=tidy.store.directory
        )
        until(lambda mark=mark: running(mark))
        process.send_signal(kind)
        process.wait()
        until(lambda mark=mark: not running(mark))


def running(mark):
    return subprocess.run(["pgrep", "-f", f"^{mark}"], capture_output=True).returncode == 0


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_many_at_once(empty, machine_reference):
    """Eight pull one image and make containers of it at the same time, all with a name that one of them gets."""
    words = [empty.name, "run", "--pull=reuse", "--name=shared", machine_reference, "true"]
    started = [
        subprocess.Popen(words, env=empty.environment(), cwd=empty.store.directory, stderr=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    said = [(process.communicate()[1], process.returncode) for process in started]
    assert all(status == 0 or "in use" in err or "runs already" in err for err, status in said), said
    assert any(status == 0 for _, status in said)
    assert len(empty.good("ps").lines) == 2


def test_layers_that_reach_out(empty, tmp_path):
    """A link of one layer is no way out for the next, and what a later layer deletes at the top is gone."""
    outside = tmp_path / "outside"
    outside.mkdir()
    first = layer([
        directory("bin"), file("bin/busybox", BUSYBOX.read_bytes(), 0o755), file("top.txt", b"x"), symlink("link", str(outside)),
    ])  # fmt: skip
    second = layer([whiteout("top.txt"), file("link/pwned", b"x")])
    old = UdockerDirectory(tmp_path / ".udocker")
    old.pulled("hostile:1", [first, second], {"Cmd": ["/bin/busybox", "ls", "/"]})
    done = empty("run", "--rm", "hostile:1")
    assert not list(outside.iterdir())
    assert "top.txt" not in done.text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu"], "did you mean `udocker run`?"),
        (["run"], "needs a container or an image"),
        (["run", "--volum=/x", IMAGE], "did you mean --volume?"),
        (["run", "-v", "relative:/x", IMAGE], "has to be absolute"),
        (["run", "-v", "/no/such:/x", IMAGE], "there is no /no/such here"),
        (["run", "--device=/dev/no-such", IMAGE], "no such device"),
        (["run", "--pull=sometimes", IMAGE], "sometimes"),
        (["create"], "IMAGE"),
        (["inspect", "no-such:1"], "there is no image no-such:1"),
        (["clone", "no-such"], "there is no container"),
        (["setup", "no-such"], "there is no container"),
        (["save", "-o", "x"], "needs an image"),
        (["save", IMAGE], "needs the file"),
        (["load", "-i", "/no/such"], "/no/such"),
        (["load", "-", "a", "b"], "takes one name"),
        (["export", "-o", "x"], "needs a container"),
        (["exec", "x", "ls"], "foreground"),
        (["push", "x"], "sends no images"),
        (["pull", "a b"], "is not a reference"),
    ],
)
def test_bad_input(udocker, words, said):
    assert said in udocker.bad(1, *words)
