"""`sampan app` and `sampan bosh` as a person uses them: real containers, a catalogue, help and completion from the descriptor."""

from __future__ import annotations

import json
import os

import pytest

from tests.apps.made import document, one, output

GREP = "grep -c [TEXT] [FILE] >[COUNT]; cat [COUNT]"


def grep_descriptor(image: str | None, **more) -> dict:
    inputs = [
        one("TEXT", description="what to look for"),
        one("FILE", "File"),
        one("N", "Number", optional=True, minimum=1, value_key=""),
    ]
    del inputs[2]["value-key"]
    container = {"container_image": {"type": "docker", "image": image}} if image else {}
    return document(GREP, inputs, output_files=[output("COUNT", "[TEXT].count")], name="grep count", **container, **more)


@pytest.fixture
def place(tmp_path, shared_sampan):
    """A working directory with a descriptor, and data beside it."""
    (tmp_path / "work").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/my input.txt").write_text("a $(id) b\nplain\na $(id)\n")
    (tmp_path / "work/grep.json").write_text(json.dumps(grep_descriptor(shared_sampan.image)))
    return tmp_path / "work"


@pytest.mark.parametrize("engine", ["namespace", "intercept"])
def test_launch_in_a_container(shared_sampan, place, engine):
    done = shared_sampan(
        "app", "launch", "--engine", engine, "grep.json", "--TEXT", "$(id)", "--FILE", "../data/my input.txt", cwd=place
    )
    if done.status == 125 and "engine" in done.err:
        pytest.skip(done.err.strip())
    assert (done.status, done.text) == (0, "2\n"), done.err
    assert (place / "$(id).count").read_text() == "2\n"
    assert os.stat(place / "$(id).count").st_uid == os.getuid()


def test_launch_says_what_happened_to_programs(shared_sampan, place):
    (place / "values.json").write_text(json.dumps({"TEXT": "plain", "FILE": "../data/my input.txt"}))
    done = shared_sampan.good("app", "launch", "--json", "grep.json", "values.json", cwd=place)
    found = json.loads(done.text)
    assert (found["application"], found["exit-code"], found["outputs"]) == (
        "grep count/1", 0, [{"id": "COUNT", "paths": ["plain.count"], "problem": ""}],
    )  # fmt: skip
    assert done.err == "1\n", "the program's own output"


def test_the_inputs_cannot_be_changed_and_nothing_else_is_there(shared_sampan, place):
    (place / "sh.json").write_text(
        json.dumps(
            document(
                "(echo x >[A]); ls [B]/ | head -1; echo $HOME $PWD",
                [one("A", "File"), one("B")],
                container_image={"type": "docker", "image": shared_sampan.image},
            )
        )
    )
    done = shared_sampan("app", "launch", "sh.json", "--A", "../data/my input.txt", "--B", str(shared_sampan.home), cwd=place)
    assert "Read-only file system" in done.err
    assert "cannot access" in done.err, "a directory of the host that was not named"
    assert done.lines[-1].endswith(str(place))


def test_a_file_that_was_valid_is_checked_again_once_it_changes(shared_sampan, place):
    words = ["app", "simulate", "known.json", "--TEXT", "a", "--FILE", "x"]
    good = grep_descriptor(None)
    for made in (good, {**good, "inputs": []}, good, {**good, "shell": "sh"}):
        (place / "known.json").write_text(json.dumps(made))
        for _ in range(2):
            assert shared_sampan(*words, cwd=place).status == (0 if made == good else 125), made


def test_exit_codes_and_missing_outputs(shared_sampan, place):
    image = {"type": "docker", "image": shared_sampan.image}
    codes = [{"code": 7, "description": "the seventh reason"}]
    (place / "e.json").write_text(
        json.dumps(
            document(
                "exit [A]",
                [one("A", "Number")],
                container_image=image,
                error_codes=codes,
                output_files=[{"id": "o", "name": "o", "path-template": "o.txt"}],
            )
        )
    )
    done = shared_sampan("app", "launch", "e.json", "--A", "7", cwd=place)
    assert (done.status, "ended with exit status 7: the seventh reason" in done.err) == (7, True)
    done = shared_sampan("app", "launch", "e.json", "--A", "0", cwd=place)
    assert done.status == 125
    assert "not all of its outputs are there: o" in done.err
    done = shared_sampan("app", "launch", "e.json", "--A", "-1e", cwd=place)
    assert (done.status, 'A: must be a number, not "-1e"' in done.err) == (125, True)


def test_a_signal_ends_the_program_and_is_told(shared_sampan, place):
    (place / "k.json").write_text(
        json.dumps(document("kill -9 $$; echo [A]", container_image={"type": "docker", "image": shared_sampan.image}))
    )
    assert shared_sampan("app", "launch", "k.json", "--A", "x", cwd=place).status == 137


def test_help_and_completion_come_from_the_descriptor(shared_sampan, place):
    shown = shared_sampan.good("app", "launch", "grep.json", "--help", cwd=place).text
    assert "--TEXT TEXT  what to look for (required)" in shown
    assert "--N NUMBER   N (at least 1)" in shown
    words = shared_sampan.good("completion", "--words", "--", "app", "launch", "grep.json", "--", cwd=place).lines
    assert words == ["--TEXT", "--FILE", "--N", "--help"] or sorted(words) == sorted(["--TEXT", "--FILE", "--N", "--help"])


def test_simulate_example_show(shared_sampan, place):
    line = shared_sampan.good("app", "simulate", "grep.json", "--TEXT", "it's", "--FILE", "x", cwd=place).text
    assert line == "grep -c 'it'\\''s' x >'it'\\''s.count'; cat 'it'\\''s.count'\n"
    assert json.loads(shared_sampan.good("app", "example", "grep.json", cwd=place).text) == {
        "TEXT": "TEXT",
        "FILE": "/path/to/FILE",
    }
    shown = json.loads(shared_sampan.good("app", "show", "--json", "grep.json", cwd=place).text)
    assert shown["identifier"] == "grep count/1"
    assert "grep -c [TEXT]" in shared_sampan.good("app", "show", "grep.json", cwd=place).text


def test_validate(shared_sampan, place):
    (place / "bad.json").write_text('{"name": 1}')
    done = shared_sampan("app", "validate", "grep.json", "bad.json", "gone.json", cwd=place)
    assert (done.status, done.text) == (125, "grep.json is valid\n")
    assert "name: must be a text, not 1" in done.err
    assert "cannot read gone.json: No such file" in done.err
    rows = json.loads(shared_sampan("app", "validate", "--json", "grep.json", "bad.json", cwd=place).text)
    assert [row["valid"] for row in rows] == [True, False]
    assert {"place": "name", "what": "must be a text, not 1"} in rows[1]["problems"]


def test_the_catalogue(sampan, tmp_path):
    for version in ("1.9", "1.10"):
        (tmp_path / f"{version}.json").write_text(json.dumps(grep_descriptor(None, tool_version=version)))
    assert sampan.good("app", "add", "1.9.json", "1.10.json").lines == ["grep count/1.9", "grep count/1.10"]
    assert sampan.good("app", "add", "1.9.json").lines == ["grep count/1.9"], "the same again is no fault"
    (tmp_path / "other.json").write_text(json.dumps(grep_descriptor(None, tool_version="1.9", author="x")))
    assert sampan("app", "add", "other.json").status == 125
    assert [row["version"] for row in json.loads(sampan.good("app", "list", "--json").text)] == ["1.10", "1.9"]
    assert json.loads(sampan.good("app", "show", "--json", "grep count").text)["identifier"] == "grep count/1.10"
    (tmp_path / "f.txt").write_text("x\nx\n")
    done = sampan.good("app", "launch", "grep count/1.9", "--TEXT", "x", "--FILE", "f.txt")
    assert (done.text, "runs on this machine itself" in done.err) == ("2\n", True)
    assert "did you mean grep count" in sampan("app", "launch", "grep cout").err
    sampan.good("store", "move", str(tmp_path / "elsewhere"))
    assert sampan.good("app", "rm", "grep count/1.9").lines == ["grep count/1.9"]
    assert [row["version"] for row in json.loads(sampan.good("app", "list", "--json").text)] == ["1.10"]


def test_import_of_a_directory(sampan, tmp_path):
    base = tmp_path / "repository/tools"
    base.mkdir(parents=True)
    (base / "good.json").write_text(json.dumps(grep_descriptor(None)))
    old = grep_descriptor(None, tool_version="0", schema_version="0.4", walltime_estimate=60)
    (base / "old.json").write_text(json.dumps({**old, "container-image": {"type": "singularity", "url": "docker://a/b:1"}}))
    (base / "bad.json").write_text(json.dumps({**grep_descriptor(None), "inputs": []}))
    (base / "package.json").write_text('{"name": "something else"}')
    done = sampan("app", "import", "repository")
    assert (done.status, done.lines) == (125, ["grep count/1", "grep count/0"])
    assert "inputs: must not be empty" in done.err
    assert "2 of 3 descriptors are kept" in done.err


def test_the_tests_of_a_descriptor(shared_sampan, place):
    tests = [
        {"name": "two", "invocation": {"TEXT": "a", "FILE": "t.txt"}, "assertions": {"exit-code": 0, "output-files": [{"id": "COUNT", "md5-reference": "6ddb4095eb719e2a9f0a3f95677d24e0"}]}},
        {"name": "wrong", "invocation": {"TEXT": "a", "FILE": "t.txt"}, "assertions": {"exit-code": 3}},
    ]  # fmt: skip
    (place / "t.txt").write_text("a\nb\nca\n")
    (place / "t.json").write_text(json.dumps(grep_descriptor(shared_sampan.image, tests=tests)))
    done = shared_sampan("app", "test", "t.json", cwd=place)
    assert done.status == 125
    assert done.lines[1] == "wrong: failed: the exit status is 0, not 3"
    assert done.lines[0].startswith("two: ")
    assert sorted(os.listdir(place)) == ["grep.json", "t.json", "t.txt"]


def test_the_words_of_bosh(shared_sampan, place):
    values = json.dumps({"TEXT": "plain", "FILE": "../data/my input.txt"})
    assert shared_sampan.good("bosh", "validate", "grep.json", cwd=place).text == "OK\n"
    assert (
        shared_sampan.good("bosh", "exec", "simulate", "grep.json", "-i", values, cwd=place)
        .lines[-1]
        .startswith("grep -c plain '../data/my input.txt'")
    )
    done = shared_sampan.good(
        "bosh",
        "exec",
        "launch",
        "--stream",
        "--no-pull",
        "--no-automounts",
        "--provenance",
        '{"jobid": "7"}',
        "-v",
        "../data:/more",
        "grep.json",
        values,
        cwd=place,
    )
    assert done.lines[0] == "1"
    assert "\t- plain.count (COUNT, Required)" in done.lines
    records = list((shared_sampan.directory / ".cache/boutiques/data").glob("grep-count_*.json"))
    record = next(
        found
        for found in map(json.loads, (path.read_text() for path in records))
        if found["additional-information"] == {"jobid": "7"}
    )
    assert record["public-output"]["output-files"]["COUNT"]["file-name"] == "plain.count"
    assert json.loads(shared_sampan.good("bosh", "evaluate", "grep.json", values, "output-files/", cwd=place).text) == {
        "COUNT": "plain.count"
    }
    assert shared_sampan("bosh", "validate", "{}", cwd=place).status == 99
    assert shared_sampan.good("bosh", "exec", "prepare", "grep.json", cwd=place).text.startswith("Container location: ")
