"""Jobs for nodes with which nothing is shared: packed, carried away, run there, brought back, taken in."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from sampan.events import SILENT_NOTICE
from sampan.jobs import phases, s3
from sampan.jobs.credentials import S3Key
from sampan.registry import files
from sampan.registry.transport import Transport


def pyz() -> str:
    base = os.environ.get("SAMPAN_TEST_BASE", "")
    path = os.environ.get("SAMPAN_TEST_PYZ") or (f"{base}/sampan.pyz" if base else "")
    if not path or not os.path.exists(path):
        pytest.skip("no sampan.pyz here: the set-up builds it, and SAMPAN_TEST_BASE names its directory")
    return path


@pytest.fixture(params=["native", "pyz"])
def form(request) -> list[str]:
    """Options of `job bundle`."""
    return ["--form", "native"] if request.param == "native" else ["--pyz", pyz()]


def away(bundle: str, node: Path) -> int:
    """As on a node: at another place, with a bare environment, no store of ours, and for the native form nothing but a shell; its exit status."""
    shutil.move(bundle, node)
    place = node / os.path.basename(bundle)
    programs = node / "bin"
    programs.mkdir(exist_ok=True)
    native = (place / "launch").exists()
    for name in ("sh", "dirname", "mv", "grep") if native else ():
        target = programs / name
        target.exists() or target.symlink_to(shutil.which(name))
    environment = {"PATH": str(programs) if native else "/usr/bin:/bin", "HOME": "/", "SAMPAN_RUNTIME_DIR": str(node / "runtime")}
    return subprocess.run([str(place / "run.sh")], env=environment, cwd="/", timeout=120).returncode


def test_there_and_back(lab, tmp_path, form):
    lab.texts(1, 2, 3)
    descriptor = lab.descriptor()
    words = ["--over", "text=t*.txt", "--over", "word=cat,cow", descriptor]
    done = lab.good("job", "bundle", "-o", "bundles", *form, *words)
    assert "2 x" in done.err or "3 x 2 = 6 jobs" in done.err
    assert len(done.lines) == 6
    assert all(os.path.dirname(line) == str(lab.place / "bundles") for line in done.lines)
    id = os.path.basename(done.lines[0]).rsplit("-", 2)[0]
    assert set(lab.states(id)) == {"queued"}
    assert "has not come back" in lab.good("job", "show", id, "1").text
    done_before = lab("job", "take", done.lines[0])
    assert (done_before.status, "has not run" in done_before.err) == (125, True)
    node = tmp_path / "node"
    node.mkdir()
    (lab.place / "t1.txt").write_text("changed since")
    codes = [away(line, node) for line in done.lines]
    assert codes == [0, phases.ENDED] * 3
    back = [str(node / os.path.basename(line)) for line in done.lines]
    taken = lab("job", "take", *back)
    assert taken.status == 1
    assert [line.split(": ", 2)[:2] for line in taken.lines] == [
        [f"{id} {number}", "finished" if number % 2 else "failed"] for number in range(1, 7)
    ]
    assert lab("job", "take", back[0]).status == 125, "it has ended already"
    assert lab("job", "fetch", id, "results").status == 1
    assert [(lab.place / f"results/{n}/t{(n + 1) // 2}.txt.count").read_text() for n in (1, 3, 5)] == ["1\n", "2\n", "3\n"]
    assert "no line holds the word" in lab("job", "wait", id).err
    again = lab.good("job", "retry", id, "2")
    assert again.text.strip() == id
    assert (lab.place / f"bundles/{id}-2-2/run.sh").exists()
    lab.good("job", "cancel", id, "2")
    assert away(str(lab.place / f"bundles/{id}-2-2"), node) == phases.ENDED
    late = lab("job", "take", str(node / f"{id}-2-2"))
    assert (late.status, "has ended already" in late.err) == (125, True)


def test_what_is_asked_for_wrongly_leaves_nothing(lab, tmp_path):
    descriptor = lab.program("echo [N] >[OUT]")
    for words, said in (
        (["--form", "native", descriptor], "needs a directory for the bundles"),
        (["-o", "b", "--pyz", "gone.pyz", descriptor], "there is no"),
        (["-o", "b", "--form", "native", "--no-image", descriptor], "are for the form pyz"),
        (["-o", descriptor, "--form", "native", descriptor], "cannot make the directory of bundles"),
    ):
        done = lab("job", "bundle", *words)
        assert (done.status, said in done.err) == (125, True), done.err
    assert not list(lab.place.glob("b/*"))
    (tmp_path / "strange").mkdir()
    done = lab("job", "take", str(tmp_path / "strange"))
    assert (done.status, "is no bundle" in done.err) == (125, True)
    (tmp_path / "strange/bundle.json").write_text('{"job": "../../etc/1/1"}')
    done = lab("job", "take", str(tmp_path / "strange"))
    assert (done.status, "belongs to no execution that is kept here" in done.err) == (125, True)


def test_a_node_that_gets_the_image_itself(lab, tmp_path):
    (line,) = lab.good(
        "job", "bundle", "-o", "bundles", "--pyz", pyz(), "--no-image", lab.program("echo [N] >[OUT]"), "--n", "7"
    ).lines
    assert not (Path(line) / "job/image.tar").exists()
    node = tmp_path / "node"
    node.mkdir()
    assert away(line, node) == 0
    back = node / os.path.basename(line)
    assert lab.good("job", "take", str(back)).text.endswith(": finished\n")
    status = lab.show("last", "1")["attempts"][0]
    assert (status["state"], status["exit"]) == ("finished", 0)
    lab.good("job", "fetch", "last", "results")
    assert (lab.place / "results/out.txt").read_text() == "7\n"


def test_inputs_at_an_object_store_with_the_key_of_the_shell(lab, tmp_path, object_store):
    """The key goes along where it is needed, is never in a log, and is gone when the program runs."""
    lab.texts(2)
    key = S3Key(object_store.access, object_store.secret, endpoint=object_store.url)
    transport = Transport(SILENT_NOTICE, {})
    for url, source in (
        (s3.url_of("there", "", key).rstrip("/"), "/dev/null"),
        (s3.url_of("there", "t1.txt", key), str(lab.place / "t1.txt")),
    ):
        files.store(
            transport,
            url,
            lambda extra, url=url, source=source: s3.signed("PUT", url, key, digest_of(source), extra),
            source,
            "it",
        )
    transport.close()
    descriptor = lab.descriptor()
    shell = {"AWS_ACCESS_KEY_ID": key.access, "AWS_SECRET_ACCESS_KEY": key.secret, "AWS_ENDPOINT_URL": key.endpoint}
    lab = replace(lab, sampan=replace(lab.sampan, variables={**lab.sampan.variables, **shell}))
    words = [descriptor, "--text", "s3://there/t1.txt", "--word", "cat"]
    assert lab.good("job", "submit", "--wait", *words).text.endswith(": finished\n")
    lab.good("job", "fetch", "last", "here")
    assert (lab.place / "here/t1.txt.count").read_text() == "2\n"
    (line,) = lab.good("job", "bundle", "-o", "bundles", "--form", "native", *words).lines
    node = tmp_path / "node"
    node.mkdir()
    assert away(line, node) == 0
    assert lab.good("job", "take", str(node / os.path.basename(line))).text.endswith(": finished\n")
    holders = subprocess.run(["grep", "-rlF", key.secret, str(tmp_path)], capture_output=True, text=True).stdout
    assert holders == ""
    wrong = {**shell, "AWS_SECRET_ACCESS_KEY": "wrong"}
    done = lab("job", "submit", "--wait", *words, **wrong)
    assert (done.status, "failed in phase stage-in" in done.err) == (1, True), done.err


def digest_of(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_an_image_of_a_repository_is_used_where_it_lies(lab, tmp_path):
    """A descriptor may name it as `sampan run` does; a bundle with Python takes none along."""
    mounts = tmp_path / "cvmfs"
    (mounts / "images.example.org").mkdir(parents=True)
    own = replace(lab.sampan, home=tmp_path / "store", variables={**lab.sampan.variables, "SAMPAN_CVMFS_MOUNTS": str(mounts)})
    own.good("pull", own.image)
    (tree,) = (own.home / "trees").glob("*/rootfs")
    (mounts / "images.example.org/tools").symlink_to(tree)
    lab = replace(lab, sampan=own)
    image = {"type": "docker", "image": "cvmfs://images.example.org/tools"}
    words = [lab.program("echo [N] >[OUT]", container_image=image), "--n", "7"]
    lab.good("app", "launch", *words)
    assert (lab.place / "out.txt").read_text() == "7\n"
    assert lab.good("job", "submit", "--wait", *words).text.endswith(": finished\n")
    lab.good("job", "fetch", "--crate", "last", "crate")
    assert (lab.place / "crate/out.txt").read_text() == "7\n"
    assert "nothing differs" in lab.good("rerun", "crate").err
    (line,) = lab.good("job", "bundle", "-o", "bundles", "--pyz", pyz(), *words).lines
    assert sorted(os.listdir(f"{line}/job")) == ["job.json"]
