"""Bearer tokens of web servers: they get where they belong, from files and variables that settings name, and are kept nowhere."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sampan.errors import BadSetting, UsageError
from sampan.jobs import bundle, credentials, directory, phases, tokens, work
from sampan.jobs.bundle import Form
from sampan.jobs.credentials import Credentials
from sampan.jobs.spec import Input, Output
from sampan.jobs.tokens import Source
from sampan.runtime.session import Session
from tests.peers.guarded import guarded

SECRET = "eyJhbGciOiJub25lIn0.tell-nobody.x"


@pytest.fixture
def server():
    with guarded(SECRET) as found:
        found.files["/in.txt"] = b"for friends\n"
        yield found


@pytest.fixture
def held(lab, server, tmp_path):
    """The file with the token, which the settings of the lab name."""
    place = tmp_path / "token"
    place.write_text(f"{SECRET}\n")
    lab.session = Session(lab.session.settings.override("tokens", (f"{server.host}=file:{place}",)))
    return place


def holders(place: Path, *besides: Path) -> list[str]:
    found = subprocess.run(["grep", "-rlF", SECRET, place], capture_output=True, text=True).stdout.splitlines()
    return [name for name in found if Path(name) not in besides]


def test_inputs_and_outputs_with_a_token_in_a_file(lab, server, held, tmp_path):
    outputs = (Output("out", "out", destination=f"{server.url}/results/"),)
    place, found = lab.do(
        "cat in.txt in.txt >out; cat $JOB/*.json $JOB/claim $JOB/payload; env", inputs=(Input("in", f"{server.url}/in.txt"),), outputs=outputs,
        request={"environment": (f"JOB={lab.path}/job-1",), "volumes": (f"{lab.path}/job-1:{lab.path}/job-1",)},
    )  # fmt: skip
    assert found.state == "done", found
    assert server.files["/results/out"] == b"for friends\n" * 2
    assert {shown for _, _, shown in server.seen} == {f"Bearer {SECRET}"}
    assert holders(tmp_path, held) == []
    assert not os.path.exists(f"{place}/credentials.json")


def test_a_token_that_is_renewed_while_the_job_runs(lab, server, held):
    """The file is read for each request: what stage-out shows is what lies there then."""
    outputs = (Output("out", "out", destination=f"{server.url}/results/"),)
    place = lab.make(
        "cat in.txt >out; echo newer >$TOKEN", inputs=(Input("in", f"{server.url}/in.txt"),), outputs=outputs,
        request={"environment": (f"TOKEN={held}",), "volumes": (f"{held}:{held}",)},
    )  # fmt: skip
    found = work.work(place, lab.session)
    assert (found.code, found.phase) == (phases.OUTPUT_DENIED, "stage-out"), found
    assert server.seen[-1] == ("PUT", "/results/out", "Bearer newer")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: "),
        (b"", "is none: "),
        (b"two words", "is none: "),
        (b"x\ny: z\n", "is none: "),
        (b"\xff\xfe", "is none: "),
        (b"wrong", "refuses"),
    ],
)
def test_what_lets_nobody_in(lab, server, held, content, said):
    held.unlink() if content is None else held.write_bytes(content)
    _, found = lab_do(lab, Input("in", f"{server.url}/in.txt"))
    assert (found.code, found.phase, found.exit) == (phases.INPUT_DENIED, "stage-in", None), found
    assert said in found.cause
    assert "the setting tokens" in found.hint or content not in (None, b"wrong")
    assert not server.seen or server.seen[-1][2] == "Bearer wrong"


def lab_do(lab, one: Input):
    place = lab.make("true", inputs=(one,))
    return place, work.work(place, lab.session)


def test_a_host_to_which_a_server_leads_does_not_see_it(lab, server, held):
    with guarded(None) as other:
        other.files["/x"] = b"open"
        server.elsewhere = f"{other.url}/x"
        _, found = lab_do(lab, Input("in", f"{server.url}/elsewhere", "in"))
        assert found.state == "done", found
        assert other.seen == [("GET", "/x", "")]
        assert lab_do(lab, Input("in", f"{other.url}/x"))[1].state == "done"
        assert other.seen[-1] == ("GET", "/x", "")
    assert held.exists()


def test_what_the_setting_means():
    source = Source("file", "/t")
    assert tokens.sources(["data.example.org=file:/t"]) == {"https://data.example.org": source}
    assert tokens.sources(["Data.Example.ORG:443=file:/t"]) == {"https://data.example.org": source}
    assert tokens.sources(["http://data.example.org:8080=env:T"]) == {"http://data.example.org:8080": Source("env", "T")}
    assert set(tokens.sources(["127.0.0.1:81=file:~/t", "[::1]=env:A"])) == {
        "https://127.0.0.1:81", "http://127.0.0.1:81", "https://[::1]", "http://[::1]"
    }  # fmt: skip
    here = Credentials({}, {"https://H:443": "a"}, files=tokens.sources(["g=file:/nonexistent/t"]))
    assert [here.for_url(url) for url in ("https://h/x", "http://h/x", "https://h:444/x", "http://g/x")] == ["a", "", "", ""]


@pytest.mark.parametrize(
    "text", ["", "h", "h=", f"h={SECRET}", "h=file:", "h=file:t", "h=env:", "h=env:A B", "=file:/t", "a/b=file:/t", "u@h=env:A", "h:x=env:A", "http://=env:A"],
)  # fmt: skip
def test_a_setting_that_means_nothing(text):
    with pytest.raises(BadSetting, match="its part 1 does not name a host") as caught:
        tokens.sources([text])
    assert SECRET not in str(caught.value)


def test_a_token_of_the_shell_goes_with_the_job_and_is_gone_when_it_ends(lab, server, tmp_path):
    known = tokens.sources([f"{server.host}=env:T", "other.example.org=env:NOT_SET"])
    for script, code in (("cat in.txt", 0), ("false", phases.ENDED)):
        place = lab.make(script, inputs=(Input("in", f"{server.url}/in.txt"),))
        found = credentials.of_shell(directory.read(place), known, {"T": SECRET})
        assert found.expires
        credentials.save(place, found)
        assert os.stat(f"{place}/credentials.json").st_mode & 0o777 == 0o600
        assert lab.worker(place).wait(60) == code
        assert holders(tmp_path) == []
    place = lab.make("true", inputs=(Input("in", f"{server.url}/in.txt"),))
    with pytest.raises(UsageError, match="the variable T is not set"):
        credentials.of_shell(directory.read(place), known, {})
    credentials.save(place, found)
    assert work.give_up(place, "it was cancelled")
    assert holders(tmp_path) == []
    assert credentials.of_shell(directory.read(lab.make("true")), known, {}) == credentials.NONE


def test_a_bundle_carries_it_only_where_it_is_needed(lab, server, held, tmp_path):
    """Files of this machine are not there: what they hold goes along, with an end. A native bundle is filled here, and needs none."""
    archive = tmp_path / "any.pyz"
    archive.write_bytes(b"stands for it")
    place = lab.make("cat in.txt", inputs=(Input("in", f"{server.url}/in.txt"),))
    bundle.pack(place, str(tmp_path / "p"), Form("pyz", str(archive)), lab.session)
    carried = credentials.look(str(tmp_path / "p/job"))
    assert (carried.http, carried.expires != "") == ({server.url: f"Bearer {SECRET}"}, True)
    bundle.pack(place, str(tmp_path / "n"), Form("native"), lab.session)
    assert (tmp_path / "n/job/work/in.txt").read_bytes() == b"for friends\n"
    assert holders(tmp_path, held) == [str(tmp_path / "p/job/credentials.json")]
