"""A full disk while bundles are packed and taken in: one sentence, nothing half-written, and on it goes when there is room."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.journeys.launches import Lab

# Twice of five whole runs a native bundle was not packed here, for a reason that was not found and never came back alone.
pytestmark = pytest.mark.skipif("SAMPAN_LARGE_IMAGES" not in os.environ, reason="a test of `make test-peers`")


def in_small_place(lab: Lab, script: str) -> tuple[list[str], str]:
    """What a script says, by lines, in namespaces of its own, where `small` is a file system of 80 MB; and what it says on stderr.

    It has `fill ROOM`, after which there is so much left, and `clear`.
    """
    (lab.place / "small").mkdir(exist_ok=True)
    begin = """mount -t tmpfs -o size=80m none small || exit 3
    fill() { cat /dev/zero >small/full 2>/dev/null; truncate -s -$1 small/full; }
    clear() { rm small/full; }
    """
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", begin + script, "sh", *lab.sampan.command()],
        capture_output=True, text=True, cwd=lab.place, env=lab.sampan.environment(), timeout=200,
    )  # fmt: skip
    if "unshare" in done.stderr or done.returncode == 3:
        pytest.skip("no user namespaces")
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize(
    ("words", "room"),
    [
        ("--form native", 8192),  # not even its first file
        ("--form native", 400_000),  # not all of an input
        ("--form native", 3_000_000),  # not all of a directory of inputs
        ("--form native", 9_000_000),  # not all of the image
        ("--pyz any.pyz", 8192),
        ("--pyz any.pyz", 3_000_000),
        ("--pyz any.pyz", 9_000_000),
    ],
)
def test_packing(lab, words, room):
    """A bundle does not fit; when the place is larger, the same execution is packed, under the same name."""
    (lab.place / "set/locked").mkdir(parents=True)
    for number in range(20):
        (lab.place / f"set/locked/{number}").write_bytes(os.urandom(200_000))
    (lab.place / "set/locked").chmod(0o555)
    (lab.place / "any.pyz").write_bytes(b"stands for it")
    lab.descriptor(
        command_line="wc -l [TEXT] >[LINES]; ls [SET]/locked; : [WORD]",
        inputs=[
            {"id": "text", "name": "a text", "type": "File", "value-key": "[TEXT]"},
            {"id": "set", "name": "a directory", "type": "File", "value-key": "[SET]"},
            {"id": "word", "name": "a word", "type": "String", "value-key": "[WORD]"},
        ],
    )
    (lab.place / "t.txt").write_bytes(b"a cat\n" * 100_000)
    script = f"""fill {room}
    "$@" job bundle -o small/b {words} count.json --text t.txt --set set --word a; echo $?
    find small/b | wc -l; "$@" -q job retry last; echo $?
    find small/b | wc -l; clear; "$@" -q job retry last
    ls -A small/b; ls small/b/*/run.sh | wc -l"""
    said, err = in_small_place(lab, script)
    status, left, again, left_again, id, *names = said
    assert (status, left, again, left_again) == ("125", "1", "125", "1"), said
    assert names == [f"{id}-1-1", "1"], err
    errors = [line for line in err.splitlines() if line.startswith("sampan: cannot")]
    assert errors == [f"sampan: cannot make the bundle {lab.place}/small/b/{id}-1-1: no space left"] * 2
    assert f"hint: make room; once that is mended, `sampan job retry {id}` goes on from here" in err


@pytest.mark.parametrize("room", [0, 60_000, 200_000, 600_000])
def test_taking(lab, room):
    """The place of the executions is full: the job waits as before, with nothing new in its directory, and is taken in later."""
    lab.descriptor(
        name="program",
        command_line="head -c 100000 /dev/zero; head -c 300000 /dev/zero >one; mkdir d; head -c 300000 /dev/zero >d/x; : [N]",
        inputs=[{"id": "n", "name": "n", "type": "Number", "value-key": "[N]"}],
        output_files=[{"id": "one", "name": "o", "path-template": "one"}, {"id": "d", "name": "d", "path-template": "d"}],
    )
    script = f"""export SAMPAN_EXECUTIONS=$PWD/small/x
    "$@" -q job bundle -o b --form native program.json --n 1 >/dev/null; b/*/run.sh >/dev/null
    fill {room}; "$@" job take b/*; echo $?
    cd small/x/*/jobs/1/1; find . -name '.sampan-part*' -o -name claim -o -size 0 ! -name stderr; cd - >/dev/null
    find small/x -name one -o -name x -type f -o -name stdout | xargs -r stat -c %s | sort -u | tr '\\n' ' '; echo
    "$@" job show last 1 --format json; clear; "$@" -q job take b/*; echo $?
    "$@" -q job fetch last results >/dev/null; cat results/one results/d/x | wc -c"""
    said, err = in_small_place(lab, script)
    status, sizes, *shown, taken, again, fetched = said
    assert (status, again, fetched) == ("125", "0", "600000"), "\n".join([*said, err])
    assert set(sizes.split()) <= {"100000", "300000"}, "what is there is whole"
    assert json.loads("\n".join(shown))["state"] == "queued"
    assert taken.endswith(": finished")
    (error,) = [line for line in err.splitlines() if line.startswith("sampan: ")]
    assert error.startswith("sampan: cannot take the bundle b/")
    assert error.endswith(": No space left on device")
    assert "hint: make room" in err
