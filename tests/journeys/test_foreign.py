"""Images for another architecture, by qemu's user emulation: programs of 150 bytes that we assemble by hand."""

from __future__ import annotations

import os
import shutil
import struct

import pytest

from tests.images.build import Layout, directory, file, layer

HELLO = b"hello from arm64\n"
# mov x0,#1; adr x1,.+28; mov x2,#17; mov x8,#64 (write); svc 0; mov x0,#0; mov x8,#93 (exit); svc 0
WRITE = (0xD2800020, 0x100000E1, 0xD2800000 | len(HELLO) << 5 | 2, 0xD2800808, 0xD4000001, 0xD2800000, 0xD2800BA8, 0xD4000001)
# adr x0,.+32; mov x1,#0; mov x2,#0; mov x8,#221 (execve); svc 0; mov x0,#9; mov x8,#93 (exit); svc 0
EXEC = (0x10000100, 0xD2800001, 0xD2800002, 0xD2801BA8, 0xD4000001, 0xD2800120, 0xD2800BA8, 0xD4000001)


def elf(code: tuple[int, ...], data: bytes) -> bytes:
    """A static aarch64 program of one segment, code then data (man 5 elf)."""
    base, offset = 0x400000, 64 + 56
    text = struct.pack(f"<{len(code)}I", *code) + data
    header = (
        b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, base + offset, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, offset + len(text), offset + len(text), 0x1000)
    return header + segment + text


@pytest.fixture
def arm64(sampan, faulty, tmp_path):
    """An arm64 image beside an amd64 one, at the faulty registry; pulled by asking for it."""
    if os.uname().machine == "aarch64":
        pytest.skip("this machine is one")
    if shutil.which("qemu-aarch64-static") is None:
        pytest.skip("qemu-user-static is not installed")
    programs = [
        directory("bin"),
        file("bin/hello", elf(WRITE, HELLO), 0o755),
        file("bin/starter", elf(EXEC, b"/bin/hello\0"), 0o755),
    ]
    layout = Layout(tmp_path / "layout")
    layout.tag("1", layout.index([layout.image([layer(programs)], {"Cmd": ["hello"]}, platform="linux/arm64")]))
    faulty.add(layout)
    return f"{faulty.host}/x:1"


def test_a_foreign_program_runs_and_what_it_starts(sampan, arm64):
    assert "linux/arm64" in sampan("run", arm64).err
    assert sampan.good("run", "--platform", "linux/arm64", arm64).out == HELLO
    assert sampan.good("run", "--platform", "linux/arm64", arm64, "/bin/hello").out == HELLO
    assert sampan.good("run", "--platform", "linux/arm64", arm64, "starter").out == HELLO
    sampan.good("create", "--name", "arm", "--platform", "linux/arm64", arm64, "starter")
    assert sampan.good("start", "arm").out == HELLO


def test_doctor_says_which_can_run(sampan, arm64):
    said = sampan("doctor").text
    assert "arm64 by" in said
    assert "amd64" in said


def test_without_an_interpreter_the_hint_names_one(sampan, arm64, monkeypatch):
    sampan.good("pull", "--platform", "linux/arm64", arm64)
    done = sampan("run", "--platform", "linux/arm64", arm64, PATH="/nowhere")
    assert (done.status, "qemu-user-static" in done.err) == (125, True)
