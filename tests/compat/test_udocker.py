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
from tests.compat.conftest import program
from tests.images.build import directory, file, layer, symlink, whiteout
from tests.images.udockerdir import UdockerDirectory
from tests.journeys.conftest import BUSYBOX
from tests.peers.docker_registry import PASSWORD, USER
from tests.product import Sampan

IMAGE = "machine:1"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def clean(udocker):
    """Its containers end with a test."""
    yield udocker
    for line in udocker("ps").lines[1:]:
        udocker("unprotect", line.split()[0])
        udocker("rm", "-f", line.split()[0])


@pytest.fixture
def empty(tmp_path, udocker):
    """The same program with nothing in its store, and a home of its own."""
    store = Sampan(tmp_path / "store", tmp_path)
    store.good("shims", tmp_path / "shims")
    yield program(store, "udocker")
    for id in store("ps", "-aq", "--no-trunc").lines:
        store("rm", "-f", id)


def test_each_verb_and_option_is_used_here():
    text = Path(__file__).read_text()
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
def test_each_mode_runs(clean, mode):
    """With output as it was written, and the payload's own status: in udocker R modes lose both without a terminal."""
    clean.good("create", "--name=moded", IMAGE)
    clean.good("run", "moded", "sh", "-c", "echo kept > /kept")
    clean.good("setup", f"--execmode={mode}", "--force", "moded")
    assert clean.good("setup", "moded").lines == [f"execmode: {mode}", "nvidiamode: False"]
    done = clean("run", "--nobanner", "moded", "sh", "-c", "cat /kept; echo \u00e9; echo err >&2; exit 7")
    assert (done.status, done.text, done.err) == (7, "kept\n\u00e9\n", "err\n")
    assert mode in clean.good("ps", "-m").text


# Options of run


def run(udocker, *words, script, status=0, **rest):
    done = udocker("run", "--rm", *words, IMAGE, "sh", "-c", script, **rest)
    assert done.status == status, done.err
    return done


def test_what_a_container_sees(clean, tmp_path):
    (tmp_path / "file").write_text("of the host\n")
    script = f"cat /mnt/file {tmp_path}/file"
    assert run(clean, f"--volume={tmp_path}:/mnt:ro", "-v", f"{tmp_path}/file", script=script).text == "of the host\n" * 2
    done = clean("run", "--rm", "-v", f"{tmp_path}:/mnt:ro", IMAGE, "touch", "/mnt/new")
    assert (done.status, "Read-only" in done.err, (tmp_path / "new").exists()) == (1, True, False)
    assert run(clean, script=f"ls -d {tmp_path} 2>/dev/null; ls /dev/null; cat /proc/1/comm").lines[0] == "/dev/null"
    assert int(run(clean, script="ls /proc | grep -c '^[0-9]'").text) > 3  # the host's
    assert run(clean, "--novol=/proc", script="ls /proc | wc -l").text == "0\n"
    assert run(clean, "--nosysdirs", script="ls /proc /sys | grep -c '[0-9]'; ls /dev | grep -c sda; true").lines[0] == "0"
    assert run(clean, "--bindhome", script="ls ~guest >/dev/null; ls $0; ls -d " + str(clean.store.directory)).lines
    assert run(clean, "--device=/dev/null", "--dri", script="echo x > /dev/null; echo well").text == "well\n"
    assert run(clean, "--dns=9.9.9.9", "--dns-search=example.org", script="cat /etc/resolv.conf").lines
    text = run(clean, "--dns", "9.9.9.9", "--dns-search", "example.org", script="cat /etc/resolv.conf").text
    assert ("9.9.9.9" in text, "example.org" in text) == (True, True)
    clean.good("create", "--name=lender", IMAGE)
    clean.good("run", "--volumes-from=lender", "--rm", IMAGE, "true")


def test_mount_points_in_directories_of_the_host_are_made(clean, tmp_path):
    """As miniwdl binds its inputs: files in a directory that is bound itself."""
    (tmp_path / "work").mkdir()
    (tmp_path / "input").write_text("in\n")
    done = run(
        clean, "-v", f"{tmp_path}/work:/w", "-v", f"{tmp_path}/input:/w/d/x", "-w", "/w", script="cat d/x; echo out > result"
    )
    assert (done.text, (tmp_path / "work/result").read_text()) == ("in\n", "out\n")


def test_variables(clean, tmp_path):
    (tmp_path / "list").write_text("FROM_FILE=f\n")
    done = run(
        clean, "-e", "A=1", "--env=B", "--env-file", tmp_path / "list", script="echo $A $B $FROM_FILE $HOSTS", B="2", HOSTS="h"
    )
    assert done.text == "1 2 f\n"
    assert run(clean, "--hostenv", script="echo $HOSTS", HOSTS="h").text == "h\n"
    done = run(clean, script="echo $HOME $USER; env | grep ^container_ | sort | cut -d= -f1")
    assert done.lines == ["/root root", "container_execmode", "container_names", "container_ruser", "container_uuid"]


def test_users(clean):
    me, name = os.getuid(), subprocess.run(["id", "-un"], capture_output=True, text=True).stdout.strip()
    assert run(clean, script="id -u").text == "0\n"
    assert run(clean, "--user=guest", script="id -un; echo $HOME").lines[0] == "guest"
    assert run(clean, "-u", "1000:1000", script="id -u; id -g; wc -l < /etc/passwd").lines[:2] == ["1000", "1000"]
    lines = run(clean, "--user=1000:1000", script="cat /etc/passwd").lines
    assert [line for line in lines if line.count(":") != 6] == []
    assert run(clean, f"--user={name}", script="id -u").text == f"{me}\n"
    assert (
        run(
            clean, "--hostauth", f"--user={name}", script="id -un; cmp /etc/passwd /proc/1/root/etc/passwd 2>/dev/null; true"
        ).lines[0]
        == name
    )
    assert (
        run(clean, "--containerauth", script="cat /etc/passwd").text
        == run(clean, "--containerauth", f"--user={me}", script="cat /etc/passwd").text
    )
    assert "no-such" in clean.bad(1, "run", "--user=no-such", IMAGE, "true")


def test_what_is_run(clean, tmp_path):
    assert clean.good("run", "--rm", "--entrypoint=echo a", IMAGE, "b").text == "a b\n"
    assert clean.good("run", "--rm", "--entrypoint=", IMAGE, "echo", "c").text == "c\n"
    assert run(clean, "--workdir=/usr", "--cpuset-cpus=0", script="pwd; nproc").text == "/usr\n1\n"
    assert run(clean, "--nometa", script="pwd").text == "/\n"
    assert clean.good("run", "--rm", "-i", "-t", "-a", "-P", "--netcoop", IMAGE, "cat", stdin=b"in").text == "in"
    assert run(clean, "--publish=8080:8080", script="true").err == ""
    assert "port 80 of the container is port 80 here" in clean.bad(1, "run", "-p", "8080:80", IMAGE, "true")
    assert "--kernel is ignored" in run(clean, "--kernel=3.2.1", script="true").err
    tree = clean.good("inspect", "-p", IMAGE).text.strip()
    assert clean.good("run", f"--location={tree}", "ls", "/").text == run(clean, script="ls /").text
    assert clean("run", IMAGE, "no-such-program").status == 127
    assert run(clean, script="kill -9 $$", status=137)


def test_pull_says_when(clean, registry, machine_reference):
    assert "--pull never" in clean.bad(1, "run", "--pull=never", "no-such:1", "true")
    other = ("--rm", "--pull=always", "--platform=linux/amd64", "--registry", f"http://{registry.host}", "test/machine:1", "true")
    clean.good("run", *other)
    clean.good("rmi", "-f", "test/machine:1")
    first = clean.good("run", "--name=again", "--pull=reuse", IMAGE, "sh", "-c", "echo x >> /made; cat /made")
    second = clean.good("run", "--name=again", "--pull=reuse", IMAGE, "sh", "-c", "echo x >> /made; cat /made")
    assert (first.text, second.text) == ("x\n", "x\nx\n")
    assert "is in use" in clean.bad(1, "run", "--name=again", IMAGE, "true")
    assert "is in use" in clean.bad(1, "create", "--name=again", IMAGE)
    assert "['again']" in clean.good("ps").text
    clean.good("create", "--name=again", "--force", IMAGE)
    assert len(clean.good("ps").lines) == 3


def test_a_protected_container_survives_its_run(clean):
    clean.good("create", "--name=safe", IMAGE)
    clean.good("protect", "safe")
    clean.good("run", "--rm", "safe", "true")
    assert " P W " in clean.good("ps").text
    assert "is protected" in clean.bad(1, "setup", "--execmode=P1", "safe")
    clean.good("unprotect", "safe")
    clean.good("run", "--rm", "safe", "true")
    assert len(clean.good("ps").lines) == 1


# Containers and images


def test_names(clean):
    id = clean.good("create", IMAGE).text.strip()
    clean.good("name", id, "first")
    clean.good("rename", "first", "second")
    assert "['second']" in clean.good("ps").text
    assert "there is no container" in clean.bad(1, "rename", "first", "third")
    assert "cannot be the name" in clean.bad(1, "name", "second", "a/b")
    assert "one name here" in clean.good("name", "second", "third").err
    assert "there is no container" in clean.bad(1, "rm", "second")
    clean.good("rm", "-f", "third")


def test_lists(clean):
    clean.good("create", "--name=listed", IMAGE)
    head, line = clean.good("ps", "-m", "-s", "-p").lines
    assert head.split() == ["CONTAINER", "ID", "P", "M", "MOD", "SIZE", "PLATFORM", "NAMES", "IMAGE"]
    assert line.split()[1:4] == [".", "W", "P1"]
    assert line.split()[5:] == ["linux/amd64", "['listed']", IMAGE]
    assert clean.good("-q", "images", "--all", "--no-trunc").lines == [f"{IMAGE}    ."]
    assert clean.good("images", "-p").lines[1].split() == ["linux/amd64", ".", IMAGE]
    found = clean.good("images", "-l").lines
    assert [line.endswith(" MB)") for line in found[3:]] == [True] * 3
    assert os.path.isdir(found[2].strip())


def test_where_files_lie(clean):
    """A layer over an image has no one place; a mode that needs a copy makes one, with what was changed."""
    clean.good("create", "--name=placed", IMAGE)
    clean.good("run", "placed", "sh", "-c", "echo kept > /kept; rm /etc/passwd")
    assert "setup --execmode=P1" in clean.bad(1, "inspect", "-p", "placed")
    clean.good("setup", "--execmode=P1", "--purge", "--fixperm", "placed")
    root = Path(clean.good("inspect", "-p", "placed").text.strip())
    assert ((root / "kept").read_text(), (root / "etc/passwd").exists(), (root / "etc/group").exists()) == ("kept\n", False, True)
    assert clean.store.good("diff", "placed").lines.count("A /kept") == 1
    clean.good("clone", "--name=again", "placed")
    assert clean.good("run", "again", "cat", "/kept").text == "kept\n"
    assert clean.good("images").lines == ["REPOSITORY", f"{IMAGE}    ."]


def test_modes_that_cannot_be(clean):
    clean.good("create", "--name=moded", IMAGE)
    assert "singularity" in clean.bad(1, "setup", "--execmode=S1", "moded")
    assert "there is no execution mode 'Q1'" in clean.bad(1, "setup", "--execmode=Q1", "moded")
    assert "--nvidia is not possible" in clean.bad(1, "setup", "--nvidia", "moded")
    done = clean("create", "--name=other", IMAGE, UDOCKER_DEFAULT_EXECUTION_MODE="R1")
    assert (done.status, clean.good("setup", "other").lines[0]) == (0, "execmode: R1")
    done = clean("run", "--rm", IMAGE, "true", UDOCKER_DEFAULT_EXECUTION_MODE="S1")
    assert (done.status, "singularity" in done.err) == (1, True)


def test_tags_and_protection_of_images(clean):
    clean.good("tag", IMAGE, "other:2")
    assert "already" in clean.bad(1, "tag", IMAGE, "other:2")
    clean.good("protect", "other:2")
    assert "other:2    P" in clean.good("images").lines
    assert "is protected" in clean.bad(1, "rmi", "other:2")
    assert "is protected" in clean.bad(1, "tag", "other:2", "third:1")
    clean.good("unprotect", "other:2")
    clean.good("rmi", "other:2")
    assert "there is no image" in clean.bad(1, "protect", "other:2")
    assert "no image" in clean.bad(1, "rmi", "other:2")
    assert "no image" in clean.bad(1, "verify", "other:2")


def test_archives(clean, tmp_path):
    clean.good("save", "--output", tmp_path / "image.tar", IMAGE)
    assert "is there already" in clean.bad(1, "save", "-o", tmp_path / "image.tar", IMAGE)
    saved = clean.good("save", "-", IMAGE).out
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        assert "manifest.json" in archive.getnames()
    assert clean.good("load", "--input", tmp_path / "image.tar", "mine").lines == ["mine:1"]
    assert clean.good("load", "-", stdin=saved).lines == clean.good("load", stdin=saved).lines == [IMAGE]
    clean.good("rmi", "mine:1")
    assert "not a root file system" in clean.bad(1, "import", tmp_path / "image.tar", "wrong:1")
    clean.good("create", "--name=source", IMAGE)
    clean.good("run", "source", "sh", "-c", "mkdir -p /made/d; echo x > /made/d/f; ln /made/d/f /made/g; ln -s g /made/l")
    assert clean.good("export", "source").out[:100] == clean.good("export", "-", "source").out[:100] != b""
    clean.good("export", "-o", "--clone", tmp_path / "clone.tar", "source")
    with tarfile.open(tmp_path / "clone.tar") as archive:
        names = archive.getnames()
        assert archive.getmember("ROOT/made/g").linkname == "ROOT/made/d/f"
    assert names[:3] == ["container.json", "imagerepo.name", "ROOT"] or names[:2] == ["container.json", "imagerepo.name"]
    for words, data in (
        (["--clone", "--name=copied", tmp_path / "clone.tar"], b""),
        (["--clone", "-"], (tmp_path / "clone.tar").read_bytes()),
    ):
        id = clean.good("import", *words, stdin=data).text.strip()
        script = "cat /made/g /made/l; stat -c %h /made/g; echo $MADE_BY; pwd"
        assert clean.good("run", id, "sh", "-c", script).lines[:3] == ["x", "x", "2"]
    assert json.loads(clean.good("inspect", "copied").text)["config"] == json.loads(clean.good("inspect", IMAGE).text)["config"]
    clean.good("import", "--mv", "--platform=linux/amd64", exported(clean, tmp_path, "source"), "root:1")
    assert not (tmp_path / "cont.tar").exists()
    clean.good("rmi", "root:1")
    assert "needs a name" in clean.bad(1, "import", tmp_path / "clone.tar")
    (tmp_path / "broken.tar").write_bytes((tmp_path / "clone.tar").read_bytes()[:5000])
    assert "broken.tar" in clean.bad(1, "import", "--clone", tmp_path / "broken.tar")


# Registries


def test_manifests(clean, registry, machine_reference):
    found = json.loads(clean.good("manifest", "inspect", machine_reference).text)
    assert found["config"]["digest"]
    words = ["--platform=linux/amd64", f"--registry=http://{registry.host}", f"--index=http://{registry.host}", "test/machine:1"]
    assert json.loads(clean.good("manifest", "inspect", *words).text) == found
    assert "is not the address" in clean.bad(1, "pull", "--registry=http://", "x:1")


def test_logins(clean, tmp_path, basic_registry, machine_layout):
    keystore = {"UDOCKER_KEYSTORE": str(tmp_path / "keystore")}
    server = f"--registry=http://{basic_registry.host}"
    clean.good("login", f"--username={USER}", "--password=made-up", "--registry=https://no-such.example", **keystore)
    clean.good("login", "--username", USER, "--password-stdin", server, stdin=f"{PASSWORD}\n".encode(), **keystore)
    assert set(json.loads((tmp_path / "keystore").read_text())) == {"no-such.example", basic_registry.host}
    assert oct((tmp_path / "keystore").stat().st_mode & 0o777) == "0o600"
    assert "Caps Lock" in clean.good("login", f"--username={USER}", "--password=UPPER", server, **keystore).err
    assert "no terminal" in clean.bad(1, "login", server)
    clean.good("logout", server, **keystore)
    assert set(json.loads((tmp_path / "keystore").read_text())) == {"no-such.example"}
    clean.good("logout", "-a", **keystore)
    assert json.loads((tmp_path / "keystore").read_text()) == {}


def test_search(clean, registry, machine_reference):
    found = clean.good("search", "--no-trunc", f"--index=http://{registry.host}", "machine").lines
    assert found[0].split() == ["NAME", "OFFICIAL", "DESCRIPTION", "STARS"]
    assert any("test/machine" in line for line in found[1:])
    done = clean("search", "--httpproxy=http://127.0.0.1:9", "--registry=http://registry.example", "x")
    assert (done.status, "the proxy on the way" in done.err) == (1, True), done.err


# Configuration


def test_configuration(empty, tmp_path):
    """As udocker's manual writes it, with and without a section, and as the file that is shipped has it."""
    (tmp_path / ".udocker").mkdir()
    own = tmp_path / ".udocker/udocker.conf"
    own.write_text(
        '[DEFAULT]\ntopdir = %(topdir)s/\ndefault_execution_mode = P2\ndockerio_registry_url = "https://mirror.example"\n'
    )
    text = empty.good("showconf").text
    assert "override_default_execution_mode = P2    (" in text
    assert "dockerio_registry_url = https://mirror.example    (" in text
    (tmp_path / "conf").write_text("override_default_execution_mode = 'R1'\nsysdirs_list = [\n  '/dev',\n  '/proc']\n")
    assert "override_default_execution_mode = R1" in empty.good(f"--config={tmp_path / 'conf'}", "showconf").text
    text = empty.good(f"--config={tmp_path / 'conf'}", "showconf", UDOCKER_DEFAULT_EXECUTION_MODE="F1").text
    assert "override_default_execution_mode = F1    (environment UDOCKER_DEFAULT_EXECUTION_MODE)" in text
    own.write_text("topdirs = x\n")
    assert "did you mean topdir?" in empty.bad(1, "images")
    own.write_text("what is this\n")
    assert "line 1 of" in empty.bad(1, "images")
    own.unlink()
    assert "there is no configuration file" in empty.bad(1, "--config=/no/such", "images")
    assert "is not a repository" in empty.bad(1, "--repo", tmp_path / "none", "images")
    empty.good("mkrepo", tmp_path / "there")
    assert "is there already" in empty.bad(1, "mkrepo", tmp_path / "there")
    for words in (["-D", "images"], ["--debug", "--insecure", "images"], ["-q", "ps"], ["--quiet", "ps"]):
        empty.good(*words)
    assert f"store = {tmp_path}/there/sampan" in empty.good("showconf", UDOCKER_DIR=str(tmp_path / "there")).text


# What udocker itself has left


def test_its_own_repository(empty, tmp_path, busybox_layers):
    old = UdockerDirectory(tmp_path / ".udocker")
    old.pulled("tool:1", busybox_layers, {"Cmd": ["/bin/busybox", "cat", "/etc/motd"]})
    files = {"bin/busybox": BUSYBOX.read_bytes(), "etc/motd": b"changed in udocker\n", "etc/passwd": b"root:x:0:0::/:/bin/sh\n"}
    (old.container("work", "tool:1", files) / "ROOT/bin/busybox").chmod(0o755)
    (tmp_path / ".udocker/repos/tool/1/PROTECT").touch()
    assert empty.good("images").lines[1:] == ["tool:1    P"]
    (line,) = empty.good("ps").lines[1:]
    assert line.split()[1:] == [".", "W", "['work']", "tool:1"]
    assert "leaves its files as they are" in empty.bad(1, "rm", "work")
    assert "in udocker's own repository" in empty.bad(1, "rmi", "tool:1")
    done = empty.good("run", "work")
    assert done.text == "changed in udocker\n"
    assert "is copied to the store" in done.err
    assert len(empty.good("ps").lines) == 2
    assert empty.good("run", "work").err == ""
    assert empty.good("run", "--rm", "tool:1").text == "two\n"
    empty.good("rm", "work")


# Faults of udocker that are none here


def test_the_payload_ends_with_its_udocker(clean):
    for kind in (signal.SIGTERM, signal.SIGKILL):
        mark = f"sleep 6{os.getpid()}.{time.monotonic_ns() % 1000000}"
        process = subprocess.Popen(
            [clean.name, "run", "--rm", IMAGE, *mark.split()], env=clean.environment(), cwd=clean.store.directory
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
