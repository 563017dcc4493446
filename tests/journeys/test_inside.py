"""What is in a container: diff, commit, export and cp, of an overlay and of a private copy, at rest and running."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import tarfile
from dataclasses import replace

import pytest

from sampan.host import native
from tests.engines.conftest import PROBES

CHANGE = """
set -e
echo new > /etc/new; mkdir -p /opt/deep/er; printf four > /opt/deep/er/f; ln -s f /opt/deep/er/link; ln /opt/deep/er/f /opt/hard
rm /etc/os-release; rm -rf /usr/share/doc; mkdir -p /usr/share/doc; echo x > /usr/share/doc/only
chmod 4755 /opt/deep/er/f; mkfifo /opt/pipe; echo more >> /etc/passwd; mkdir /opt/locked; echo s > /opt/locked/s; chmod 0 /opt/locked
touch -d @1000000000 /opt/old; mv /usr/bin/env /usr/bin/env2
"""


@pytest.fixture(scope="module")
def stocked(tmp_path_factory, machine_reference):
    """A store with the image, once for this file."""
    from tests.product import Sampan

    directory = tmp_path_factory.mktemp("inside")
    found = Sampan(directory / "store", directory, machine_reference)
    found.good("pull", machine_reference)
    return found


@pytest.fixture(scope="module")
def copying(stocked):
    """The same store, used by a launcher for which the kernel has no overlay: its containers are private copies."""
    programs = stocked.directory / "programs"
    programs.mkdir()
    real = os.path.join(os.environ.get("SAMPAN_PROGRAMS", native.PACKAGED), "sampan-run")
    (programs / "sampan-run").write_text(f'#!/bin/sh\nexec {real} --without=overlay "$@"\n')
    (programs / "sampan-run").chmod(0o755)
    return type(stocked)(stocked.home, stocked.directory, stocked.image, variables={"SAMPAN_PROGRAMS": str(programs)})


@pytest.fixture(scope="module")
def intercepting(stocked):
    """The same store, used by the engine without namespaces: its containers are private copies with a table of owners."""
    can, why = PROBES["intercept"]
    if can is None:
        pytest.skip(f"the engine intercept does not work here: {why}")
    return replace(stocked, variables={"SAMPAN_ENGINE": "intercept"})


@pytest.fixture(params=["overlay", "copy", "intercept"])
def box(request, stocked):
    """All ways to keep changes; what is there at the end is removed."""
    others = {"copy": "copying", "intercept": "intercepting"}
    found = request.getfixturevalue(others[request.param]) if request.param in others else stocked
    yield found
    for id in found("ps", "-aq", "--no-trunc").lines:
        if len(id) == 64:
            found("rm", "-f", id)


def isolated(box):
    """The bare view, where the engine has namespaces for it."""
    return () if box.variables.get("SAMPAN_ENGINE") else ("--isolate",)


def keep_of(box, name):
    return json.loads(box.good("inspect", "--type", "container", name).out)[0]["keep"]


def members(data: bytes):
    """Of each name of an archive what it is; link groups by what their names lead to."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = {}
        for member in tar:
            content = tar.extractfile(member).read() if member.isreg() else member.linkname
            kind = "link" if member.islnk() else member.type
            found[member.name.removeprefix("./")] = (kind, member.mode, member.uid, member.gid, member.mtime, content)
        return found


def changed(box, name, *options):
    done = box("run", "--root", "--name", name, *options, box.image, "sh", "-c", CHANGE)
    assert done.status == 0, done.err
    return done


def test_a_diff_names_what_was_done_and_nothing_else(box, request):
    changed(box, "cd")
    assert keep_of(box, "cd") == ("overlay" if request.node.callspec.params["box"] == "overlay" else "copy")
    lines = box.good("diff", "cd").lines
    assert [line for line in lines if not line.startswith("D /usr/share/doc/")] == [
        "C /etc", "A /etc/new", "D /etc/os-release", "C /etc/passwd", "A /opt", "A /opt/deep", "A /opt/deep/er", "A /opt/deep/er/f",
        "A /opt/deep/er/link", "A /opt/hard", "A /opt/locked", "A /opt/locked/s", "A /opt/old", "A /opt/pipe", "C /usr/bin",
        "D /usr/bin/env", "A /usr/bin/env2", "C /usr/share", "C /usr/share/doc",
        "A /usr/share/doc/only",
    ]  # fmt: skip
    assert {"kind": "A", "path": "/etc/new"} in json.loads(box.good("diff", "--format", "json", "cd").out)


def test_what_was_only_read_or_written_back_does_not_differ(box):
    script = "cat /etc/passwd > /dev/null; cp /etc/passwd /tmp/p; touch /usr/bin/env; cat /tmp/p > /etc/passwd; rm /tmp/p"
    box.good("run", "--root", *isolated(box), "--name", "same", box.image, "sh", "-c", script)
    assert [
        line for line in box.good("diff", "same").lines if not line.endswith((" /tmp", " /usr/bin/env", " /etc/passwd"))
    ] == []
    box.good("create", "--name", "fresh", box.image, "true")
    assert box.good("diff", "fresh").out == b""


def test_a_committed_image_is_the_container(box):
    changed(box, "cc")
    exported = box.good("export", "cc").out
    id = box.good(
        "commit", "-m", "with more", "-a", "Ana", "-c", 'CMD ["cat", "/opt/hard"]', "-c", "ENV A=b", "cc", "made:1"
    ).text.strip()
    assert members(box.good("export", "made:1").out) == members(exported)
    assert members(exported)["opt/hard"][1] == 0o4755
    assert members(exported)["opt/old"][4] == 1000000000
    assert "etc/os-release" not in members(exported)
    assert box.good("run", "made:1").out == b"four"
    assert box.good("run", "made:1", "sh", "-c", "echo $A").out == b"b\n"
    config = json.loads(box.good("inspect", "--config", "made:1").out)
    assert (config["author"], config["history"][-1]["comment"], config["config"]["Cmd"]) == (
        "Ana",
        "with more",
        ["cat", "/opt/hard"],
    )
    assert len(config["rootfs"]["diff_ids"]) == sum(not step.get("empty_layer") for step in config["history"])
    assert id.startswith("sha256:")
    assert box.good("inspect", "--format", ".Id", "made:1").text.strip() == id
    assert box.good("store", "fsck", "--contents").status == 0
    box.good("rmi", "made:1")


def test_other_programs_take_the_committed_image(stocked, tmp_path):
    changed(stocked, "other")
    stocked.good("commit", "other", "other:1")
    stocked.good("save", "-o", tmp_path / "other.tar", "other:1")
    done = subprocess.run(
        ["skopeo", "copy", "-q", "--insecure-policy", f"docker-archive:{tmp_path}/other.tar", f"oci:{tmp_path}/layout:1"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    stocked.good("rm", "other")
    stocked.good("rmi", "other:1")


def test_a_commit_without_a_name_is_reached_by_its_id(box):
    changed(box, "cn")
    id = box.good("commit", "cn").text.strip()
    assert box.good("run", id, "cat", "/etc/new").out == b"new\n"
    assert box.good("commit", "cn").text.strip() != ""
    box.good("rmi", "-f", id)


def test_a_commit_keeps_what_the_container_was_asked_for(box):
    box.good(
        "create",
        "--name",
        "asked",
        "-e",
        "X=1",
        "-e",
        "HOME",
        "-l",
        "job=7",
        "-w",
        "/opt",
        "--stop-signal",
        "INT",
        box.image,
        "echo",
        "hi",
    )
    box.good("commit", "asked", "asked:1")
    run = json.loads(box.good("inspect", "--config", "asked:1").out)["config"]
    assert (run["Cmd"], run["Labels"], run["WorkingDir"], run["StopSignal"]) == (["echo", "hi"], {"job": "7"}, "/opt", "INT")
    assert "X=1" in run["Env"]
    assert not any(pair.startswith("HOME") for pair in run["Env"])
    box.good("rmi", "asked:1")


def test_running_ones_are_read_and_copied_too(box):
    box.good("run", "-d", "--root", "--name", "live", box.image, "sh", "-c", "echo a > /etc/live; mkdir /opt; sleep 60")
    (box.directory / "in.txt").write_text("from outside")
    for _ in range(100):
        if "A /opt" in box.good("diff", "live").lines:
            break
    box.good("cp", "in.txt", "live:/opt/")
    assert box.good("exec", "live", "cat", "/opt/in.txt").out == b"from outside"
    box.good("cp", "live:/opt/in.txt", "back.txt")
    assert (box.directory / "back.txt").read_text() == "from outside"
    seen = box("cp", "live:/proc/version", "-")
    if isolated(box):
        assert b"Linux" in members(seen.out)["version"][5]
    else:
        assert (seen.status, "is /proc/version of this machine" in seen.err) == (125, True), seen.err
    box.good("commit", "live", "live:1")
    assert box.good("run", "live:1", "cat", "/opt/in.txt").out == b"from outside"
    assert members(box.good("export", "live").out)["etc/live"][5] == b"a\n"
    assert box.good("exec", "live", "true").status == 0
    box.good("rm", "-f", "live")
    box.good("rmi", "live:1")


def test_without_namespaces_owners_go_along_too(stocked):
    """The engine `intercept` has a private copy and a table of owners."""
    if "intercept" not in stocked.good("doctor").text or stocked("run", "--engine", "intercept", stocked.image, "true").status:
        pytest.skip("the engine intercept does not run here")
    script = "mkdir /d; touch /d/x; chown 33:44 /d/x; chmod 4755 /d/x"
    stocked.good("run", "--engine", "intercept", "--root", "--name", "imitated", stocked.image, "sh", "-c", script)
    assert {"A /d", "A /d/x"} <= set(stocked.good("diff", "imitated").lines)
    stocked.good("commit", "imitated", "imitated:1")
    for name in ("imitated", "imitated:1"):
        assert members(stocked.good("export", name).out)["d/x"][1:4] == (0o4755, 33, 44)
    stocked.good("cp", "imitated:/d/x", "imitated.x")
    stocked.good("rm", "imitated")
    stocked.good("rmi", "imitated:1")


# cp


@pytest.fixture
def pair(box):
    """A container, and a directory of the host with one of everything."""
    box.good("create", "--root", "--name", "pair", box.image, "sh")
    here = box.directory / "here"
    subprocess.run(["rm", "-rf", str(here)], check=True)
    (here / "src/sub").mkdir(parents=True)
    (here / "src/a").write_text("A")
    (here / "src/sub/b").write_text("B")
    (here / "src/link").symlink_to("a")
    os.link(here / "src/a", here / "src/hard")
    (here / "src/a").chmod(0o4751)
    return lambda *words, **more: box("cp", *words, cwd=here, **more), here, lambda: members(box.good("cp", "pair:/", "-").out)


@pytest.mark.parametrize(
    ("source", "goal", "names"),
    [
        ("src/a", "/tmp/x", ["tmp/x"]),
        ("src/a", "/tmp", ["tmp/a"]),
        ("src/a", "/tmp/", ["tmp/a"]),
        ("src/a", "tmp/y", ["tmp/y"]),
        ("src", "/tmp/new", ["tmp/new", "tmp/new/a", "tmp/new/hard", "tmp/new/link", "tmp/new/sub", "tmp/new/sub/b"]),
        ("src", "/tmp", ["tmp/src", "tmp/src/a", "tmp/src/hard", "tmp/src/link", "tmp/src/sub", "tmp/src/sub/b"]),
        ("src/.", "/tmp", ["tmp/a", "tmp/hard", "tmp/link", "tmp/sub", "tmp/sub/b"]),
        ("src/.", "/tmp/n", ["tmp/n", "tmp/n/a", "tmp/n/hard", "tmp/n/link", "tmp/n/sub", "tmp/n/sub/b"]),
        ("src/link", "/tmp", ["tmp/link"]),
    ],
)
def test_into_a_container_by_dockers_rules(pair, source, goal, names):
    cp, _, _ = pair
    assert cp(source, f"pair:{goal}").status == 0
    found = members(cp("pair:/tmp", "-").out)
    assert sorted(name for name in found if name != "tmp") == names
    top = next((name for name in names if name.endswith(("/a", "/x", "/y"))), None)
    if top:
        assert found[top][1:4] == (0o4751, 0, 0)


def test_out_of_a_container_by_dockers_rules(pair):
    cp, here, _ = pair
    assert cp("src", "pair:/data").status == 0
    assert cp("pair:/data", "out").status == 0
    assert sorted(os.listdir(here / "out")) == ["a", "hard", "link", "sub"]
    assert os.path.samefile(here / "out/a", here / "out/hard")
    assert os.readlink(here / "out/link") == "a"
    assert (here / "out/a").stat().st_mode & 0o7777 == 0o751  # no setuid on the host
    (here / "into").mkdir()
    assert cp("pair:/data", "into").status == 0
    assert os.listdir(here / "into") == ["data"]
    assert cp("pair:/data/link", "into/l").status == 0
    assert os.readlink(here / "into/l") == "a"
    assert cp("-L", "pair:/data/link", "into/followed").status == 0
    assert (here / "into/followed").read_text() == "A"
    assert cp("pair:/data/.", "into").status == 0
    assert (here / "into/sub/b").read_text() == "B"


def test_archives_in_and_out(pair):
    cp, here, _ = pair
    packed = subprocess.run(["tar", "c", "-C", here, "src"], capture_output=True, check=True).stdout
    assert cp("-", "pair:/opt", stdin=packed).status == 125  # there is no /opt
    assert cp("-", "pair:/tmp", stdin=packed).status == 0
    found = members(cp("pair:/tmp/src", "-").out)
    assert sorted(found) == ["src", "src/a", "src/hard", "src/link", "src/sub", "src/sub/b"]
    bad = cp("-", "pair:/tmp", stdin=b"no archive" * 200)
    assert (bad.status, len(bad.err.splitlines()) <= 2, "cannot copy" in bad.err) == (125, True, True)


def test_links_of_the_container_do_not_lead_out(pair, box):
    """What an image links to lies in the image: `/etc/passwd` of the host is not read, its directories are not written."""
    cp, here, _ = pair
    (here / "target").mkdir()
    script = f"ln -s /etc/passwd /p; ln -s {here}/target /d; ln -s ../../../../../../.. /up; echo inside > /etc/passwd"
    box.good("run", "--root", *isolated(box), "--name", "links", box.image, "sh", "-c", script)
    assert cp("-L", "links:/p", "p").status == 0
    assert (here / "p").read_text() == "inside\n"
    assert cp("links:/up/etc/passwd", "q").status == 0
    assert (here / "q").read_text() == "inside\n"
    done = cp("src/a", "links:/d/a")
    assert (done.status, os.listdir(here / "target")) == (125, [])
    assert cp("src/a", "links:/up/tmp/a").status == 0
    # An archive cannot leave the directory either, by names or by links in it.
    for name, link in (("../escaped", ""), ("l/escaped", str(here))):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            if link:
                member = tarfile.TarInfo("l")
                member.type, member.linkname = tarfile.SYMTYPE, link
                tar.addfile(member)
            tar.addfile(tarfile.TarInfo(name))
        assert cp("-", "links:/tmp", stdin=stream.getvalue()).status == 125
        assert not (here / "escaped").exists()


def test_what_comes_out_does_not_follow_links_of_the_host(pair):
    """`out/sub` is a link here: what is in the container's `sub` must not go where it leads."""
    cp, here, _ = pair
    assert cp("src", "pair:/data").status == 0
    (here / "out").mkdir()
    (here / "elsewhere").mkdir()
    (here / "out/sub").symlink_to(here / "elsewhere")
    done = cp("pair:/data/.", "out")
    assert (done.status, os.listdir(here / "elsewhere")) == (125, [])


def test_owners_go_along_with_an_archive(pair):
    cp, _, _ = pair
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        member = tarfile.TarInfo("owned")
        member.uid, member.gid, member.mode = 33, 44, 0o640
        tar.addfile(member)
        member = tarfile.TarInfo("null")
        member.type, member.devmajor, member.devminor = tarfile.CHRTYPE, 1, 3
        tar.addfile(member)
    assert cp("-", "pair:/tmp", stdin=stream.getvalue()).status == 0
    found = members(cp("pair:/tmp", "-").out)
    assert found["tmp/owned"][1:4] == (0o640, 33, 44)
    assert found["tmp/null"][0] == tarfile.CHRTYPE


# Wrong input


@pytest.fixture
def bad(stocked):
    stocked.good("create", "--name", "bad", stocked.image, "true")
    (stocked.directory / "file").write_text("x")
    yield stocked
    stocked.good("rm", "bad")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["diff", "no-such"], "there is no container"),
        (["commit", "no-such"], "there is no container"),
        (["export", "no-such"], "no-such"),
        (["commit", "bad", "Upper:1"], "Upper"),
        (["commit", "bad", "x@sha256:" + "0" * 64], "digest"),
        (["commit", "-c", "RUN x", "bad"], "RUN"),
        (["cp", "a", "b"], "neither"),
        (["cp", "bad:/a", "bad:/b"], "container to container"),
        (["cp", "bad:", "b"], "CONTAINER:PATH"),
        (["cp", "bad:/no/such", "b"], "/no/such"),
        (["cp", "bad:/etc/passwd", "no/such/dir"], "no/such"),
        (["cp", "bad:/etc/passwd", "missing/"], "there is no directory"),
        (["cp", "./missing", "bad:/tmp"], "missing"),
        (["cp", "/etc/passwd", "bad:/etc/passwd/x"], "/etc/passwd"),
        (["cp", "/etc", "bad:/etc/passwd"], "no directory"),
        (["cp", "bad:/etc", "file"], "no directory"),
        (["ps", "--filter", "x=1"], "filter"),
        (["ps", "--filter", "status=gone"], "gone"),
        (["ps", "--format", "{{.Nope}}"], "Nope"),
        (["ps", "--format", "{{.ID"], "}}"),
        (["ps", "-n", "some"], "number"),
        (["prune", "-f", "--filter", "size=1"], "filter"),
        (["prune", "-f", "--filter", "until=soon"], "soon"),
        (["prune"], "nobody can be asked"),
    ],
)
def test_wrong_input_is_one_sentence_and_125(bad, words, said):
    done = bad(*words)
    lines = done.err.splitlines()
    assert (done.status, done.out) == (125, b"")
    assert lines[0].startswith("sampan: ")
    assert said in done.err
    assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("hint: "))


def test_changes_in_memory_are_refused_by_name(stocked):
    stocked.good("run", "-d", "--rm", "--name", "gone", stocked.image, "sleep", "60")
    for command in (["diff", "gone"], ["commit", "gone"], ["export", "gone"]):
        done = stocked(*command)
        assert (done.status, "in memory" in done.err) == (125, True)
    stocked.good("rm", "-f", "gone")


def test_a_copy_keeps_starters_away(stocked):
    """While an archive comes in, the container's overlay has a holder."""
    stocked.good("create", "--root", "--name", "busy", stocked.image, "true")
    process = stocked.popen("cp", "-", "busy:/tmp", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    mark = next(iter((stocked.home / "containers").glob("*/container.json"))).parent
    directory = stocked.home / "containers" / json.loads(stocked.good("inspect", "--type", "container", "busy").out)[0]["id"]
    for _ in range(200):
        if (directory / "borrowed").exists():
            break
        subprocess.run(["sleep", "0.05"], check=True)
    assert mark.exists()
    for words in (["start", "busy"], ["rm", "busy"]):
        done = stocked(*words)
        assert (done.status, "sampan cp" in done.err) == (125, True), done.err
    process.communicate(bytes(10240))
    assert process.returncode == 0
    stocked.good("start", "busy")
    stocked.good("rm", "busy")


# Lists


def test_lists_are_filtered_as_dockers_users_expect(box):
    one = box.good("create", "--name", "one", "-l", "job=1", "-l", "x", box.image, "true").text.strip()
    two = box.good("create", "--name", "two", "-l", "job=2", box.image, "true").text.strip()
    box.good("run", "--timeout", "60", "--name", "three", box.image, "sh", "-c", "exit 0")

    def names(*filters):
        words = [word for text in filters for word in ("--filter", text)]
        return box.good("ps", "-a", *words, "--format", "{{.Names}}").text.split()

    assert names() == ["three", "two", "one"]
    assert names("label=job") == ["two", "one"]
    assert names("label=job=1") == ["one"]
    assert names("label=job", "label=x") == ["one"]
    assert names("name=o") == ["two", "one"]
    assert names("name=one", "name=three") == ["three", "one"]
    assert names("status=created") == ["two", "one"]
    assert names("exited=0") == ["three"]
    assert names(f"id={one[:9]}") == ["one"]
    assert names("before=two") == ["one"]
    assert names(f"since={one}") == ["three", "two"]
    assert names(f"ancestor={box.image}") == ["three", "two", "one"]
    assert names("ancestor=other:1") == []
    assert box.good("ps", "-q", "--filter", "label=job").out == b""
    assert box.good("ps", "-lq", "--no-trunc", "--filter", "label=job").lines == [two]
    assert box.good("ps", "-n", "2", "--filter", "name=t", "--format", "{{.Names}}").lines == ["three", "two"]
    assert box.good("ps", "-q", "--filter", "status=created").lines == [two[:12], one[:12]]
    table = box.good(
        "ps", "-a", "--filter", "name=o", "--filter", "name=three", "--format", 'table {{.Names}}\\t{{.Label "job"}}'
    ).lines
    assert [line.split() for line in table] == [["NAMES", "JOB"], ["three"], ["two", "2"], ["one", "1"]]
    line = json.loads(box.good("ps", "-l", "--filter", "name=three", "--format", "{{json .}}").text)
    assert (line["Names"], line["State"]) == ("three", "exited")


def test_prune_takes_what_does_not_run(box):
    box.good("create", "--name", "old", "-l", "keep", box.image, "true")
    box.good("create", "--name", "other", box.image, "true")
    box.good("run", "-d", "--name", "runs", box.image, "sleep", "60")
    assert box.good("prune", "-f", "--filter", "until=1h").out == b""
    done = box.good("prune", "-f", "--filter", "label!=keep")
    assert re.fullmatch("[0-9a-f]{64}\n", done.text)
    assert "freed" in done.err
    assert sorted(box.good("ps", "-a", "--format", "{{.Names}}").text.split()) == ["old", "runs"]
    box.good("prune", "-f")
    assert box.good("ps", "-a", "--format", "{{.Names}}").text.split() == ["runs"]
    box.good("rm", "-f", "runs")
