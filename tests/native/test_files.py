"""A launch file as a file: executable by itself, movable with its tree, another user's, with its tree gone."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from sampan.engine.encoding import header


def call(path, *arguments, **options):
    done = subprocess.run([str(path), *arguments], capture_output=True, text=True, **options)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def echo(launch, roots):
    """An executable launch file that echoes its arguments, for a `sampan-run` at a path."""

    def write(program):
        plan = launch.plan(roots.record("ro"), ("default-arg", "none"), ("args", "replace"), argv=("echo", "-n"))
        return launch.write(plan, header(str(program)), mode=0o755)

    return write


def test_runs_by_its_first_line(program, echo):
    path = echo(program)
    assert path.read_bytes().startswith(b"#!" + program.encode() + b"\nsampan-launch 1\0")
    assert call(path) == (0, "none", "")
    assert call(path, "a b", "", "--check", "c\nd") == (0, "a b  --check c\nd", "")


@pytest.mark.parametrize("folder", ["with blank", "it's", 'quo"te', "$HOME `x` \\", "x" * 130, "tab\there"])
@pytest.mark.parametrize("shell", ["/bin/sh", "bash", "busybox sh"])
def test_runs_by_the_shell_where_a_first_line_cannot_say_it(folder, shell, program, echo, tmp_path):
    (tmp_path / folder).mkdir()
    moved = shutil.copy(program, tmp_path / folder / "sampan-run")
    path = echo(moved)
    if len(str(moved)) > 120 or " " in folder or "\t" in folder:
        assert path.read_bytes().startswith(b"#!/bin/sh\nexec '")
    if shell == "/bin/sh":
        assert call(path, "a b", "'\"$x") == (0, "a b '\"$x", "")
    elif path.read_bytes().startswith(b"#!/bin/sh"):
        words = shell.split()
        if shutil.which(words[0]) is None:
            pytest.skip(f"{words[0]} is not installed")
        assert call(words[0], *words[1:], path, "a b", "'\"$x") == (0, "a b '\"$x", "")


def test_found_in_path_and_through_links(program, echo, tmp_path):
    path = echo(program)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "tool").symlink_to(path)
    assert call("tool", "x", env={"PATH": f"{tools}:/usr/bin:/bin"}) == (0, "x", "")


def test_a_folder_moves_as_one(program, launch, roots, tmp_path):
    """Tree, program, changes and a bound folder beside the launch file, all named relative to it."""
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    roots.tree.rename(bundle / "tree")
    shutil.copy(program, bundle / "run")
    for name in ("upper", "work", "data"):
        (bundle / name).mkdir()
    (bundle / "data/x").write_text("moved along\n")
    root = ("root-overlay", "tree", "upper", "./work/", "refuse")
    plan = launch.plan(
        ("touch", "used"),
        root,
        ("bind", "data", "/data", "ro"),
        argv=("sh", "-c", "cat /data/x; echo 1 >> /count; grep -c . /count"),
    )
    file = launch.write(plan)
    file.rename(bundle / "launch")
    (bundle / "used").touch()
    os.utime(bundle / "used", (1, 1))
    assert call(program, bundle / "launch", cwd="/") == (0, "moved along\n1\n", "")
    moved = bundle.rename(tmp_path / "else where")
    assert call("./run", "launch", cwd=moved) == (0, "moved along\n2\n", "")
    (tmp_path / "link").symlink_to(moved / "launch")
    assert call(program, tmp_path / "link") == (0, "moved along\n3\n", "")
    assert (moved / "used").stat().st_mtime > 1


def test_touch_never_fails(launch, roots, tmp_path):
    (tmp_path / "used").touch()
    os.utime(tmp_path / "used", (1, 1))
    marks = [("touch", str(tmp_path / "none/x")), ("touch", "/proc/version"), ("touch", str(tmp_path / "used"))]
    assert launch.sh(*marks, roots.record("ro"), script="echo fine") == "fine\n"
    assert (tmp_path / "used").stat().st_mtime > 1


def test_another_users(launch, roots):
    assert launch.sh(("owner", str(os.getuid())), roots.record("ro"), script="echo mine") == "mine\n"
    said = launch.refused(("owner", str(os.getuid() + 1)), ("image", "debian:12"), roots.record("ro"))
    assert said == (
        f"sampan: cannot start debian:12: this launch file belongs to user {os.getuid() + 1}\nhint: make your own with `sampan wrap`\n"
    )


def test_its_tree_is_gone(program, launch, roots):
    path = launch.write(launch.plan(("image", "debian:12"), roots.record("ro")), header(program), mode=0o755)
    shutil.rmtree(roots.tree)
    status, out, err = call(path)
    assert (status, out) == (125, "")
    assert (
        err
        == f"sampan: cannot start debian:12: its tree is gone: there is no directory {roots.tree}\nhint: make it again with `sampan wrap`\n"
    )


def test_its_program_is_gone(echo, tmp_path):
    path = echo(tmp_path / "gone" / "sampan-run")
    with pytest.raises(FileNotFoundError):
        call(path)
