"""Inputs at a server that wants a token: launched over several files, with the token in a file, in a variable, and missing."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.journeys.launches import Lab
from tests.peers.guarded import guarded

SECRET = "eyJhbGciOiJub25lIn0.tell-nobody.y"


@pytest.fixture
def server():
    with guarded(SECRET) as found:
        found.files = {f"/t{number}.txt": b"a cat\n" * number for number in (1, 2)}
        yield found


def with_tokens(lab: Lab, value: str, **more: str) -> Lab:
    return replace(lab, sampan=replace(lab.sampan, variables={**lab.sampan.variables, "SAMPAN_TOKENS": value, **more}))


def holders(*places: Path) -> list[str]:
    return subprocess.run(["grep", "-rlF", SECRET, *places], capture_output=True, text=True).stdout.splitlines()


@pytest.mark.parametrize("kind", ["file", "env"])
def test_over_several_files(lab, server, tmp_path, kind):
    token = tmp_path / "token"
    token.write_text(SECRET)
    source = f"file:{token}" if kind == "file" else "env:LAB_TOKEN"
    lab = with_tokens(lab, f"{server.host}={source}", LAB_TOKEN=SECRET if kind == "env" else "")
    words = ["--over", f"text={server.url}/t1.txt,{server.url}/t2.txt", lab.descriptor(), "--word", "cat"]
    assert "finished" in lab.good("job", "submit", "--wait", *words).text
    lab.good("job", "fetch", "--crate", "last", "crate")
    assert [(lab.place / f"crate/{n}/t{n}.txt.count").read_text() for n in (1, 2)] == ["1\n", "2\n"]
    assert "nothing differs" in lab.good("rerun", "crate").err
    assert {shown for _, _, shown in server.seen} == {f"Bearer {SECRET}"}
    assert SECRET not in lab.good("config").text
    (line,) = lab.good(
        "job", "bundle", "-o", "bundles", "--form", "native", lab.descriptor(), "--text", f"{server.url}/t2.txt", "--word", "cat"
    ).lines
    assert os.path.exists(f"{line}/job/work/t2.txt")
    batch = [path for path in lab.sampan.home.parent.iterdir() if path.name.startswith(f"{lab.sampan.home.name}-")]
    found = holders(tmp_path, *batch)
    # A job that waits has a key of its shell beside it, until its bundle is taken in or it is cancelled.
    waiting = [str(path) for path in (tmp_path / "executions").rglob("credentials.json")]
    assert sorted(found) == sorted([str(token), *waiting])
    assert len(waiting) == (1 if kind == "env" else 0)
    lab.good("job", "cancel", "last")
    assert holders(tmp_path) == [str(token)]


def test_without_it(lab, server, tmp_path):
    words = [lab.descriptor(), "--text", f"{server.url}/t1.txt", "--word", "cat"]
    for value, said in (
        ("", "refuses"),
        (f"{server.host}=file:{tmp_path}/gone", f"cannot be read: {tmp_path}/gone: No such file"),
    ):
        done = with_tokens(lab, value)("job", "submit", "--wait", *words)
        assert (done.status, said in done.err) == (1, True), done.err
        assert "the setting tokens" in done.err
    before = set(os.listdir(tmp_path / "executions"))
    for value, said in (
        (f"{server.host}=env:NOT_SET", "the variable NOT_SET is not set"),
        (f"{server.host}={SECRET}", "its part 1 does not name a host"),
    ):
        done = with_tokens(lab, value)("job", "submit", "--wait", *words)
        assert (done.status, said in done.err, SECRET in done.err) == (125, True, False), done.err
    assert set(os.listdir(tmp_path / "executions")) == before, "what is refused leaves nothing"
