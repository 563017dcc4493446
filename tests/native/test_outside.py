"""`outside`: a program of this machine in the merged root."""

from __future__ import annotations

import os

import pytest

KINDS = pytest.mark.parametrize("kind", ["ro", "rw", "memory", "overlay"])


@KINDS
def test_the_current_directory_is_the_merged_root(kind, launch, roots):
    records = [] if kind == "ro" else [("mkdir", "/new", "0755")]
    script = "cat etc/hosts; ls -d new etc; test -e /etc/os-release && echo machine; readlink /proc/self/root"
    done = launch.run(roots.record(kind), *records, ("outside",), argv=("/bin/sh", "-c", script))
    expected = ["of the image", "etc", *([] if kind == "ro" else ["new"]), "machine", "/"]
    assert (done.stdout.splitlines(), done.returncode if kind != "ro" else 0) == (expected, 0)


def test_changes_are_kept(launch, roots):
    launch.out(roots.record("overlay"), ("outside",), argv=("/bin/sh", "-c", "rm etc/hosts; echo new > etc/passwd"))
    assert launch.sh(roots.record("overlay"), script="ls /etc; cat /etc/passwd") == "passwd\nnew\n"


@KINDS
def test_mounts_are_there(kind, launch, roots, tmp_path):
    (tmp_path / "x").write_text("bound")
    out = launch.out(roots.record(kind), ("bind", str(tmp_path), "/mnt", "ro"), ("outside",), argv=("/bin/sh", "-c", "cat mnt/x"))
    assert out == "bound"


def test_programs_are_the_machines(launch, roots):
    done = launch.run(roots.record("memory"), ("outside",), ("image", "x"), argv=("none-such",))
    assert (done.returncode, done.stderr) == (
        127, 'sampan: cannot start x: there is no program "none-such" on this machine in any directory of PATH (/bin)\n',
    )  # fmt: skip


def test_rights(launch, roots):
    """As root inside, to read what an image gives to nobody; as oneself none."""
    (roots.tree / "etc/shadow").write_text("secret")
    (roots.tree / "etc/shadow").chmod(0)
    argv = ("/bin/sh", "-c", "cat etc/shadow; grep CapEff /proc/self/status")
    assert launch.out(roots.record("memory"), ("outside",), argv=argv, ids=(0, 0)).startswith("secretCapEff")
    if os.getuid() != 0:
        done = launch.run(roots.record("memory"), ("outside",), argv=argv)
        assert ("secret" in done.stdout, "0000000000000000" in done.stdout) == (False, True)


def test_with_a_watcher(launch, roots):
    done = launch.run(
        roots.record("memory"), ("watch", "", "", "15", "5", "0"), ("outside",), argv=("/bin/sh", "-c", "ls -d etc; exit 6")
    )
    assert (done.stdout, done.returncode) == ("etc\n", 6)
