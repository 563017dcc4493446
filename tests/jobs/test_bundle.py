"""Jobs that travel where nothing is shared: a bundle is moved, run with another store or without Python, and fetched."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from sampan.errors import HostError, UsageError
from sampan.jobs import bundle, credentials, directory, native, phases
from sampan.jobs.bundle import Form
from sampan.jobs.credentials import Credentials
from sampan.jobs.spec import Input, Limits, Output
from sampan.jobs.status import Staged, Status


def run_away(lab, packed: Path, tmp_path: Path, **variables: str) -> int:
    """On another node: moved, no Python and no store of ours, a bare environment."""
    moved = tmp_path / "another node" / "b"
    moved.parent.mkdir()
    packed.rename(moved)
    environment = {"PATH": "/nonexistent:/usr/bin:/bin", "HOME": "/", **variables}
    return subprocess.run([str(moved / "run.sh")], env=environment, cwd="/", timeout=120).returncode, moved


def made(lab, tmp_path, script: str, **rest) -> str:
    (tmp_path / "data").write_text("some data")
    inputs = (Input("here", f"file://{tmp_path}/data", "here"), Input("sent", "inputs/sent"))
    outputs = (Output("out", "out"), Output("far", "f*", destination=f"file://{tmp_path}/results/"), Output("err", ":stderr"))
    return lab.make(script, inputs=inputs, outputs=outputs, files={"sent": b"sent"}, **rest)


def test_without_python(lab, tmp_path):
    place = made(lab, tmp_path, "cat here sent >out; echo far >far; echo said; echo wrong >&2; pwd; [ ! -e /tmp/.X ]")
    target = tmp_path / "bundle"
    bundle.pack(place, str(target), Form("native"), lab.session, "mine")
    assert sorted(os.listdir(target)) == ["bundle.json", "job", "launch", "run.sh", "sampan-run", "tree"]
    launch = (target / "launch").read_bytes()
    assert os.fsencode(lab.session.store.path) not in launch
    assert os.fsencode(place) not in launch
    (tmp_path / "data").unlink()
    code, moved = run_away(lab, target, tmp_path)
    assert code == 0, Path(moved, "job/stderr").read_text()
    again = subprocess.run([str(moved / "run.sh")], cwd="/", timeout=60).returncode
    assert again == phases.TAKEN
    assert bundle.mark_of(str(moved)) == "mine"
    found = bundle.fetch(str(moved), place, lab.session)
    assert (found.state, found.exit) == ("done", 0), found
    assert Path(place, "outputs/out").read_text() == "some datasent"
    assert (moved / "job/work/out").read_text() == "some datasent", "a bundle stays as it came back"
    assert (tmp_path / "results/far").read_text() == "far\n"
    assert directory.last_lines(place, "stdout") == ["said", "/work"]
    assert directory.status_of(place) == found
    with pytest.raises(UsageError, match="has ended already"):
        bundle.fetch(str(moved), place, lab.session)


@pytest.mark.parametrize(
    ("script", "more", "code"),
    [
        ("exit 4", {}, phases.ENDED),
        ("sleep 20", {"limits": Limits(time=0.5)}, phases.OVER_TIME),
        ("ln -s /etc/passwd out; touch far", {}, phases.OUTPUT_REFUSED),
        ("touch far", {}, phases.OUTPUT_MISSING),
    ],
)
def test_without_python_and_wrong(lab, tmp_path, script, more, code):
    place = made(lab, tmp_path, script, **more)
    bundle.pack(place, str(tmp_path / "bundle"), Form("native"), lab.session)
    with pytest.raises(UsageError, match="has not run"):
        bundle.fetch(str(tmp_path / "bundle"), place, lab.session)
    ended, moved = run_away(lab, tmp_path / "bundle", tmp_path)
    assert ended == (code if code >= phases.ENDED else 0)
    found = bundle.fetch(str(moved), place, lab.session)
    assert (found.state, found.code) == ("failed", code)
    assert phases.CODES[code][0] == found.phase


def pyz() -> str:
    base = os.environ.get("SAMPAN_TEST_BASE", "")
    path = os.environ.get("SAMPAN_TEST_PYZ") or (f"{base}/sampan.pyz" if base else "")
    if not path or not os.path.exists(path):
        pytest.skip("no sampan.pyz here: the set-up builds it, and SAMPAN_TEST_BASE names its directory")
    return path


def test_with_python(lab, tmp_path):
    place = made(lab, tmp_path, "cat here sent >out; echo far >far; echo wrong >&2")
    target = tmp_path / "bundle"
    bundle.pack(place, str(target), Form("pyz", pyz()), lab.session)
    assert sorted(os.listdir(target)) == ["bundle.json", "job", "run.sh", "sampan.pyz"]
    (tmp_path / "data").write_text("changed since")
    code, moved = run_away(lab, target, tmp_path, SAMPAN_RUNTIME_DIR=str(tmp_path / "r"))
    assert code == 0, directory.last_lines(str(moved / "job"), "log")
    assert not (moved / "store").exists()
    found = bundle.fetch(str(moved), place, lab.session)
    assert (found.state, found.exit) == ("done", 0), found
    assert Path(place, "outputs/out").read_text() == "some datasent"
    assert (tmp_path / "results/far").read_text() == "far\n"


def test_credentials_go_along_only_where_they_are_needed(lab, tmp_path):
    archive = tmp_path / "any.pyz"
    archive.write_bytes(b"stands for it")
    for number, (uri, needed) in enumerate((("file:///etc/hostname", False), ("http://127.0.0.1:9/x", True))):
        place = lab.make("true", inputs=(Input("in", uri, "in"),))
        credentials.save(place, Credentials(http={"http://127.0.0.1:9": "Bearer x"}))
        target = tmp_path / f"b{number}"
        bundle.pack(place, str(target), Form("pyz", str(archive)), lab.session)
        assert (target / "job/credentials.json").exists() is needed


def test_what_cannot_be_packed_leaves_nothing(lab, tmp_path):
    gone = lab.make("true", inputs=(Input("in", "file:///nonexistent/x"),))
    for form in bundle.FORMS:
        with pytest.raises((HostError, UsageError)):
            bundle.pack(gone, str(tmp_path / "b"), Form(form), lab.session)
        assert not (tmp_path / "b").exists()
    with pytest.raises(UsageError, match="has no form 'zip'"):
        Form("zip")


def test_directories_without_permission_to_write_go_too(lab, tmp_path):
    """A copy of a locked directory, of which the last file cannot be read."""
    for name in ("set/a", "set/b"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "x").write_text("x")
        (tmp_path / name / "y").write_text("y")
        (tmp_path / name / "y").chmod(0 if name == "set/b" else 0o600)
        (tmp_path / name).chmod(0o555)
    if os.getuid() == 0:
        pytest.skip("root reads everything")
    place = lab.make("true", inputs=(Input("set", f"file://{tmp_path}/set"),))
    archive = tmp_path / "any.pyz"
    archive.write_bytes(b"stands for it")
    for form in (Form("native"), Form("pyz", str(archive))):
        with pytest.raises(HostError, match="Permission denied") as caught:
            bundle.pack(place, str(tmp_path / "b"), form, lab.session)
        assert "[Errno" not in caught.value.sentence, "one sentence, and no list of them"
        assert not (tmp_path / "b").exists()


def test_a_directory_with_what_is_no_file_is_refused(lab, tmp_path):
    (tmp_path / "set").mkdir()
    os.mkfifo(tmp_path / "set/pipe")
    place = lab.make("true", inputs=(Input("set", f"file://{tmp_path}/set", how="copy"),))
    with pytest.raises(HostError, match="it is neither a file, a directory nor a link"):
        bundle.pack(place, str(tmp_path / "b"), Form("native"), lab.session)


def test_what_belongs_to_a_machine_is_taken_out():
    records = [
        ("owner", "1000"), ("touch", "/s/used"), ("uid-map", "5", "1000", "1"), ("root-memory", "/s/tree", "99", "read-only"),
        ("bind", "/j/work", "/work", ""), ("bind", "/etc/hosts", "/etc/hosts", "optional"), ("watch", "", "/j", "15", "10.000", "0.000"), ("exec", "true"),
    ]  # fmt: skip
    assert native.relocatable(records, {"/s/tree": "tree", "/j/work": "job/work", "/j": "job"}) == [
        ("uid-map", "5", "caller", "1"), ("root-memory", "tree", "0", "read-only"), ("bind", "job/work", "/work", ""),
        ("bind", "/etc/hosts", "/etc/hosts", "optional"), ("watch", "", "job", "15", "10.000", "0.000"), ("exec", "true"),
    ]  # fmt: skip


def came_back(lab, tmp_path, path: str, changes: dict) -> Path:
    """A bundle of a job that has run as `changes` of its status say, made by hand: it was away, and anything may be in it."""
    archive = tmp_path / "any.pyz"
    archive.write_bytes(b"stands for it")
    place = tmp_path / "back"
    bundle.pack(path, str(place), Form("pyz", str(archive)), lab.session)
    (place / "job/outputs").mkdir()
    (place / "job/outputs/out").write_text("result")
    status = Status(**{"state": "done", "code": 0, "exit": 0, "claimed": "2026-01-01T00:00:00.000Z", **changes})
    (place / "job/status.json").write_text(json.dumps(status.document()))
    return place


def test_a_bundle_cannot_name_files_of_the_one_who_takes_it_in(lab, tmp_path):
    path = lab.make("true", outputs=(Output("out", "out"), Output("far", "far", destination="https://example.org/r/")))
    said = tuple(
        Staged(name, name, uri, "", 1, "file")
        for name, uri in (("out", "file:///etc/passwd"), ("far", "file:///etc/passwd"), ("far", "https://example.org/r/far"))
    )
    place = came_back(lab, tmp_path, path, {"outputs": said})
    (place / "job/stderr").symlink_to("/etc/passwd")
    found = bundle.fetch(str(place), path, lab.session)
    assert [(one.name, one.uri) for one in found.outputs] == [("out", "outputs/out"), ("far", "https://example.org/r/far")]
    assert not Path(path, "stderr").exists()


def test_what_cannot_be_taken_in_is_taken_in_later(lab, tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    (results / "out").write_text("something else")
    path = lab.make("true", outputs=(Output("out", "out", destination=f"file://{results}/"),))
    place = came_back(lab, tmp_path, path, {})
    with pytest.raises(HostError, match="there is something else"):
        bundle.fetch(str(place), path, lab.session)
    assert directory.state_of(path).word == "created"
    (results / "out").unlink()
    assert bundle.fetch(str(place), path, lab.session).state == "done"
    assert (results / "out").read_text() == "result"


def test_a_damaged_bundle_is_refused_and_may_come_back_once_more(lab, tmp_path):
    path = lab.make("true", outputs=(Output("out", "out"),))
    place = came_back(lab, tmp_path, path, {})
    whole = (place / "job/status.json").read_text()
    (place / "job/status.json").write_text(whole[:40])
    with pytest.raises(UsageError, match="is damaged"):
        bundle.fetch(str(place), path, lab.session)
    with pytest.raises(UsageError, match="is no bundle"):
        bundle.mark_of(str(tmp_path))
    (place / "job/status.json").write_text(whole)
    assert bundle.fetch(str(place), path, lab.session).state == "done"


def test_what_was_wrong_on_the_node_is_taken_in_as_it_was(lab, tmp_path):
    """A full disk there is no full disk here; and what a status says is made fit for a terminal."""
    path = lab.make("true", outputs=(Output("out", "out"),))
    said = {"state": "failed", "code": phases.OUTPUT_NO_SPACE, "phase": "stage-out", "cause": "no room \x1b[2J", "node": "n\n1"}
    place = came_back(lab, tmp_path, path, said)
    found = bundle.fetch(str(place), path, lab.session)
    assert (found.state, found.code, found.cause, found.node) == ("failed", phases.OUTPUT_NO_SPACE, "no room \\x1b[2J", "n\\n1")


def test_a_code_that_there_is_not(lab, tmp_path):
    path = lab.make("true")
    place = came_back(lab, tmp_path, path, {"code": 1234})
    with pytest.raises(UsageError, match="is damaged"):
        bundle.fetch(str(place), path, lab.session)
