"""Each kind of root: what can be written, what is kept, what happens when the kernel refuses, what is left behind."""

from __future__ import annotations

import os
import shutil

import pytest

PROC = ("bind", "/proc", "/proc", "")
KINDS = ["ro", "rw", "memory", "overlay"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_tree_is_the_root(kind, launch, roots, both_ways):
    script = "ls / | head -3; cd /..; pwd; cat /etc/hosts; ls -d ../.."
    assert launch.sh(roots.record(kind), script=script, without=both_ways) == "bin\ndev\netc\n/\nof the image\n../..\n"


def test_a_read_only_root_cannot_be_written(launch, roots, untouched, both_ways):
    script = "(echo x > /new) 2>&1; (echo x >> /etc/hosts) 2>&1; rm /etc/hosts 2>&1; chmod 777 /etc 2>&1; true"
    said = launch.sh(roots.record("ro"), script=script, without=both_ways)
    assert said.count("Read-only file system") == 4
    assert (untouched / "etc/hosts").read_text() == "of the image\n"


def test_a_private_copy_is_written(launch, roots, both_ways):
    launch.sh(roots.record("rw"), script="echo x > /new; rm /etc/hosts", without=both_ways)
    assert (roots.tree / "new").read_text() == "x\n"
    assert not (roots.tree / "etc/hosts").exists()


CHANGE = "rm /etc/hosts; rm -r /usr/lib; mkdir /usr/lib; ls -a /usr/lib; echo x > /usr/lib/new; echo more >> /etc/passwd; mv /opt /opt2"


def test_changes_in_memory_vanish(launch, roots, untouched, both_ways):
    assert launch.sh(roots.record("memory"), script=CHANGE + "; ls /usr/lib /etc", without=both_ways) == (
        ".\n..\n/etc:\npasswd\n\n/usr/lib:\nnew\n"
    )
    assert launch.sh(roots.record("memory"), script="ls /etc /opt") == "/etc:\nhosts\npasswd\n\n/opt:\n"


@pytest.mark.parametrize("kind", ["rw", "memory", "overlay"])
def test_a_program_made_inside_can_be_run(kind, launch, roots):
    script = "cp /bin/busybox /tmp/new; chmod 755 /tmp/new; ln /tmp/new /tmp/echo; /tmp/echo run"
    assert launch.sh(roots.record(kind), script=script.replace("cp /bin/busybox", "cat /bin/busybox >")) == "run\n"


def test_changes_in_memory_are_bounded(launch, tree):
    root = ("root-memory", str(tree), "262144", "refuse")
    said = launch.sh(root, script="dd if=/bin/busybox of=/big bs=64k count=8 2>&1; wc -c < /big")
    assert "No space left on device" in said
    assert int(said.split()[-1]) <= 262144


def test_kept_changes_are_kept_and_the_tree_is_not_touched(launch, roots, untouched, both_ways):
    launch.sh(roots.record("overlay"), script=CHANGE, without=both_ways)
    assert launch.sh(roots.record("overlay"), script="ls /etc /usr/lib; cat /etc/passwd; ls -d /opt2", without=both_ways) == (
        "/etc:\npasswd\n\n/usr/lib:\nnew\nroot:x:0:0:::\nmore\n/opt2\n"
    )


def test_a_moved_upper_goes_on_working(launch, roots, tree, tmp_path):
    """Neither inode numbers nor handles of the old place may matter (index=off)."""
    launch.sh(roots.record("overlay"), script=CHANGE)
    shutil.copytree(roots.tree, tmp_path / "other", symlinks=True)
    (tmp_path / "upper").rename(tmp_path / "moved")
    root = ("root-overlay", str(tmp_path / "other"), str(tmp_path / "moved"), str(roots.work), "refuse")
    assert launch.sh(root, script="ls /etc /usr/lib") == "/etc:\npasswd\n\n/usr/lib:\nnew\n"


@pytest.mark.parametrize("name", ["a b", "c:d", "e,f", "g\\h", "i\"j'k", "l\nm", "n\\:o,p", "ü", "x" * 200])
@pytest.mark.parametrize("kind", KINDS)
def test_odd_characters_in_paths(kind, name, launch, roots, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    roots.tree = roots.tree.rename(folder / "rootfs")
    roots.upper = roots.upper.rename(folder / "upper")
    roots.work = roots.work.rename(folder / "work")
    script = "cat /etc/hosts; cat /data/x"
    (folder / "data").mkdir()
    (folder / "data/x").write_text("bound\n")
    bind = ("bind", str(folder / "data"), "/data", "ro")
    assert launch.sh(roots.record(kind), bind, script=script) == "of the image\nbound\n"
    assert launch.sh(roots.record(kind), bind, script=script, without="mount_setattr") == "of the image\nbound\n"


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_the_machine_is_left_in_the_mounts(kind, launch, roots, both_ways):
    """After the start only the new root and what was mounted in it can be seen; the label names the overlay."""
    table = launch.sh(roots.record(kind), ("label", "sampan:one:two"), PROC, script="cat /proc/self/mountinfo", without=both_ways)
    points = [line.split()[4] for line in table.splitlines()]
    assert points[0] == "/"
    assert all(point.startswith("/proc") for point in points[1:])
    if kind in ("memory", "overlay"):
        assert " overlay sampan:one:two " in table.splitlines()[0]


@pytest.mark.parametrize("kind", ["memory", "overlay"])
def test_refused_overlay_refuses(kind, launch, roots):
    said = launch.refused(roots.record(kind), without="overlay")
    assert f"this kernel refuses an overlay over {roots.tree}: No such device" in said
    assert "hint: `sampan doctor`" in said


@pytest.mark.parametrize("kind", ["memory", "overlay"])
def test_refused_overlay_falls_back(kind, launch, roots, untouched, both_ways):
    root = (*roots.record(kind)[:-1], "read-only")
    places = [("fallback-tmpfs", "/tmp", "1777", "1000000"), ("fallback-tmpfs", "/var/tmp", "1777", "0")]
    script = "(echo x > /x) 2>&1; echo a > /tmp/a; echo b > /var/tmp/b; cat /tmp/a /var/tmp/b; stat -c %a /tmp /var/tmp /var"
    without = ",".join(filter(None, ["overlay", both_ways]))
    done = launch.run(root, *places, ("image", "debian:12"), argv=("sh", "-c", script), without=without)
    assert done.returncode == 0
    assert "can't create /x: Read-only file system" in done.stdout
    assert done.stdout.endswith("a\nb\n1777\n1777\n755\n")
    assert done.stderr == "sampan: debian:12: the image is read-only, because this kernel refuses an overlay (No such device)\n"


@pytest.mark.parametrize("kind", KINDS)
def test_the_fallback_places_are_not_used_without_need(kind, launch, roots):
    assert launch.sh(
        roots.record(kind), ("fallback-tmpfs", "/nowhere", "1777", "0"), script="ls -d /nowhere 2>&1 || true"
    ).startswith("ls:")


def test_a_work_directory_on_another_file_system_is_a_refused_overlay(launch, roots):
    root = ("root-overlay", str(roots.tree), str(roots.upper), "/dev/shm", "refuse")
    if os.stat("/dev/shm").st_dev == os.stat(roots.upper).st_dev:
        pytest.skip("only one file system here")
    assert "this kernel refuses an overlay" in launch.refused(root)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tree_that_is_gone(kind, launch, roots):
    shutil.rmtree(roots.tree)
    said = launch.refused(roots.record(kind), ("image", "debian:12"))
    assert said == (
        f"sampan: cannot start debian:12: its tree is gone: there is no directory {roots.tree}\nhint: make it again with `sampan wrap`\n"
    )


def test_directories_of_changes_that_are_gone(launch, roots):
    roots.work.rmdir()
    assert f"its work directory is gone: there is no directory {roots.work}" in launch.refused(roots.record("overlay"))
    roots.upper.rmdir()
    assert f"its directory of changes is gone: there is no directory {roots.upper}" in launch.refused(roots.record("overlay"))


def test_a_tree_that_is_a_file_or_the_machine(launch, roots):
    assert "there is no directory" in launch.refused(("root-tree", str(roots.tree / "etc/hosts"), "ro"))
    assert "the root directory of this machine cannot be the tree" in launch.refused(("root-tree", "/", "ro"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_directory_above_the_tree_can_be_bound(kind, launch, roots, tmp_path, both_ways):
    """A home with the store in it: neither does the payload see a half-built root there, nor does it see a covered tree."""
    bind = ("bind", str(tmp_path), "/above", "")
    script = "cat /above/rootfs/etc/hosts; grep -c ' /above' /proc/self/mountinfo; ls /above/rootfs"
    said = launch.sh(roots.record(kind), bind, PROC, script=script, without=both_ways)
    assert said.splitlines()[:2] == ["of the image", "1"]
    assert said.splitlines()[2:] == sorted(os.listdir(roots.tree))


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_of_the_tree_can_be_bound(kind, launch, roots):
    """The source lies below what is covered, and the path to it too."""
    bind = ("bind", str(roots.tree / "etc"), "/opt/etc", "ro")
    assert launch.sh(roots.record(kind), bind, script="cat /opt/etc/hosts") == "of the image\n"


def test_the_root_looks_as_the_tree_does(launch, roots):
    roots.tree.chmod(0o751)
    os.utime(roots.tree, (1000, 2000))
    for kind in ("ro", "rw", "memory"):
        assert launch.sh(roots.record(kind), script="stat -c '%a %Y' /") == "751 2000\n"
