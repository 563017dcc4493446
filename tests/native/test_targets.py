"""Where binds go: targets that exist, that are links, that are missing, for each kind of root; and that no trace of them stays."""

from __future__ import annotations

import os
import resource

import pytest

PROC = ("bind", "/proc", "/proc", "")
KINDS = ["ro", "rw", "memory", "overlay"]
KEEPING_NOTHING = ["ro", "memory", "overlay"]


@pytest.fixture
def source(tmp_path):
    """A directory and a file of the machine."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "file").write_text("of the machine\n")
    (folder / "inner").mkdir()
    return folder


def names_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def bind(source):
    def record(target, flags="", of=""):
        return ("bind", str(source / of), target, flags)

    return record


@pytest.mark.parametrize("kind", KINDS)
def test_existing_targets(kind, launch, roots, bind, both_ways):
    binds = [bind("/mnt"), bind("/etc/hosts", of="file"), bind("/usr/lib", "ro")]
    assert (
        launch.sh(roots.record(kind), *binds, script="cat /mnt/file /etc/hosts /usr/lib/file", without=both_ways)
        == "of the machine\n" * 3
    )


@pytest.mark.parametrize("kind", KEEPING_NOTHING)
def test_missing_targets_leave_no_trace(kind, launch, roots, bind, untouched, both_ways):
    binds = [
        bind("/data"),
        bind("/a/b/c"),
        bind("/a/b/file", of="file"),
        bind("/etc/new/x"),
        bind("/etc/newfile", of="file"),
        bind("/usr/lib/y"),
    ]
    script = "cat /data/file /a/b/c/file /a/b/file /etc/new/x/file /etc/newfile /usr/lib/y/file /etc/hosts /usr/lib/libimage; stat -c %a /a /a/b /etc/new"
    said = launch.sh(roots.record(kind), *binds, script=script, without=both_ways)
    assert said == "of the machine\n" * 6 + "of the image\n" * 2 + "755\n" * 3
    assert names_in(roots.upper) == []


def test_missing_targets_in_a_private_copy_are_made_there(launch, roots, bind, both_ways):
    launch.sh(roots.record("rw"), bind("/data/x"), script="cat /data/x/file", without=both_ways)
    assert (roots.tree / "data/x").is_dir()
    assert list((roots.tree / "data/x").iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_entries_beside_a_made_name_are_the_same(kind, launch, roots, bind, both_ways):
    (roots.tree / "etc/link").symlink_to("hosts")
    (roots.tree / "etc/dir").mkdir(mode=0o750)
    (roots.tree / "etc/dir/x").write_text("x\n")
    os.mkfifo(roots.tree / "etc/fifo", 0o640)
    os.utime(roots.tree / "etc", (1000, 2000))
    script = "cd /etc; ls -1 | sort; readlink link; cat link dir/x; stat -c '%a %F' dir fifo; stat -c '%a %Y' ."
    said = launch.sh(roots.record(kind), bind("/etc/made"), script=script, without=both_ways)
    names = ["dir", "fifo", "hosts", "link", "made", "passwd", "hosts"]
    assert said.split("\n")[:-2] == [*names, "of the image", "x", "750 directory", "640 fifo"]
    mode, changed = said.split("\n")[-2].split()
    assert mode == "755"
    assert changed == "2000" or kind == "rw"  # the name stays in a private copy, and so does the change


def test_an_underlay_is_read_only_and_keeps_mounts(launch, roots, bind, both_ways):
    binds = [bind("/mnt"), ("tmpfs", "/tmp", "1777", "0", ""), bind("/data"), bind("/more/x")]
    script = "echo a > /mnt/new; echo b > /tmp/b; cat /mnt/new /tmp/b /data/file /more/x/file; (echo x > /y) 2>&1; (mkdir /more/z) 2>&1; true"
    said = launch.sh(roots.record("ro"), *binds, script=script, without=both_ways)
    assert said.startswith("a\nb\nof the machine\nof the machine\n")
    assert said.count("Read-only file system") == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("link", "text", "seen"),
    [
        ("alias", "mnt", "/mnt"),
        ("alias", "/mnt", "/mnt"),
        ("alias", "../../../../mnt", "/mnt"),
        ("opt/alias", "../mnt", "/mnt"),
        ("alias", "/srv/missing", "/srv/missing"),
        ("alias", "/alias2", "/mnt"),
    ],
)
def test_a_target_that_is_a_link_means_what_it_points_to(link, text, seen, kind, launch, roots, bind, both_ways):
    (roots.tree / link).symlink_to(text)
    (roots.tree / "alias2").symlink_to("mnt")
    script = f"cat {seen}/file /{link}/file; readlink /{link}"
    said = launch.sh(roots.record(kind), bind(f"/{link}"), script=script, without=both_ways)
    assert said == f"of the machine\nof the machine\n{text}\n"


@pytest.mark.parametrize("kind", KINDS)
def test_targets_stay_inside(kind, launch, roots, bind, tmp_path, both_ways):
    (roots.tree / "out").symlink_to(f"../../../../../../../..{tmp_path}/source")
    before = names_in(tmp_path / "source")
    said = launch.sh(
        roots.record(kind), bind("/../../mnt"), bind("/out"), script=f"cat /mnt/file {tmp_path}/source/file", without=both_ways
    )
    assert said == "of the machine\n" * 2
    assert names_in(tmp_path / "source") == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", ["/proc/self/root/mnt", "/proc/self/cwd", "/magic/x", "/loop/x"])
def test_magic_links_and_loops_are_refused(target, kind, launch, roots, bind, untouched, both_ways):
    (roots.tree / "magic").symlink_to("/proc/self/root")
    (roots.tree / "loop").symlink_to("loop")
    try:
        said = launch.refused(roots.record(kind), PROC, bind(target), without=both_ways)
    finally:
        (roots.tree / "magic").unlink()
        (roots.tree / "loop").unlink()
    assert f"{target} cannot be reached inside the image: " in said


@pytest.mark.parametrize("kind", KINDS)
def test_nested_targets_in_order(kind, launch, roots, bind, source, both_ways):
    """The second target lies in the first bind, the third in a tmpfs, the fourth in what the third made."""
    binds = [
        bind("/data"),
        ("bind", str(roots.tree / "etc"), "/data/inner", ""),
        ("tmpfs", "/t", "0755", "0", "ro"),
        bind("/t/a/b"),
        bind("/t/a/b/inner"),
    ]
    script = "cat /data/file /data/inner/hosts /t/a/b/file /t/a/b/inner/file; (mkdir /t/c) 2>&1"
    done = launch.run(roots.record(kind), *binds, argv=("sh", "-c", script), without=both_ways)
    assert (
        done.stdout
        == "of the machine\nof the image\nof the machine\nof the machine\nmkdir: can't create directory '/t/c': Read-only file system\n"
    )
    assert names_in(source) == ["file", "inner"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_is_not_made_in_a_writable_bind(kind, launch, roots, bind, source, both_ways):
    said = launch.refused(roots.record(kind), bind("/data"), bind("/data/new/x"), without=both_ways)
    assert (
        "/data/new/x does not exist: it lies in /data, which is a writable directory of this machine, and nothing is made there"
        in said
    )
    assert "hint: make /data/new/x on this machine first" in said
    assert names_in(source) == ["file", "inner"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_in_a_read_only_bind_gets_an_underlay(kind, launch, roots, bind, source, both_ways):
    script = "cat /data/file /data/new/x/file; (echo x > /data/y) 2>&1; (echo x > /data/inner/y) 2>&1; true"
    said = launch.sh(roots.record(kind), bind("/data", "ro"), bind("/data/new/x"), script=script, without=both_ways)
    assert said.startswith("of the machine\n" * 2)
    assert said.count("Read-only file system") == 2
    assert names_in(source) == ["file", "inner"]


def test_names_that_a_kept_upper_hides(launch, roots, bind):
    """A directory that the payload removed, and one that it removed and made again: both hide the layer of names."""
    launch.sh(roots.record("overlay"), script="rmdir /mnt /opt; mkdir /opt /work; echo x > /opt/result")
    script = "cat /mnt/file /opt/data/file /work/data/file /opt/result"
    for _ in range(2):
        said = launch.sh(roots.record("overlay"), bind("/mnt"), bind("/opt/data"), bind("/work/data"), script=script)
        assert said == "of the machine\n" * 3 + "x\n"
    assert names_in(roots.upper) == ["mnt", "opt", "opt/data", "opt/result", "work"]


def test_changes_beside_a_made_name_are_kept(launch, roots, bind):
    launch.sh(roots.record("overlay"), bind("/etc/made/deep"), script="echo x > /etc/made/x; echo y > /etc/y")
    assert names_in(roots.upper) == ["etc", "etc/made", "etc/made/x", "etc/y"]
    assert launch.sh(roots.record("overlay"), script="cat /etc/made/x /etc/y; ls /etc/made") == "x\ny\nx\n"


@pytest.mark.parametrize("kind", KINDS)
def test_a_directory_and_a_file_do_not_fit(kind, launch, roots, bind):
    assert "cannot bind at /etc/hosts: what is there is a file, and the source is not" in launch.refused(
        roots.record(kind), bind("/etc/hosts")
    )
    said = launch.refused(roots.record(kind), bind("/etc", of="file"))
    assert "cannot bind at /etc: what is there is a directory, and the source is not" in said


@pytest.mark.parametrize("kind", KINDS)
def test_the_root_itself_is_no_target(kind, launch, roots, bind, both_ways):
    for record in (bind("/"), bind("/mnt/.."), ("tmpfs", "/", "0755", "0", ""), ("mask", "/")):
        assert "nothing can be mounted on the root of the image itself" in launch.refused(
            roots.record(kind), record, without=both_ways
        )


@pytest.mark.parametrize("kind", KINDS)
def test_many_targets(kind, launch, roots, bind):
    """More than the usual limit of descriptors; the payload's own limit is as it was."""
    binds = [bind(f"/many/{i}", of="file") for i in range(1100)]
    said = launch.sh(roots.record(kind), *binds, script="cat /many/0 /many/1099; ulimit -n")
    assert said == "of the machine\n" * 2 + f"{resource.getrlimit(resource.RLIMIT_NOFILE)[0]}\n"


def test_a_target_below_a_file_is_refused(launch, roots, bind):
    assert "/etc/hosts/x cannot be reached inside the image: Not a directory" in launch.refused(
        roots.record("ro"), bind("/etc/hosts/x")
    )


@pytest.mark.parametrize("kind", KINDS)
def test_directories_of_other_owners(kind, launch, roots, bind):
    """A directory that its owner may not write (0555, as CentOS has /root) takes names all the same."""
    (roots.tree / "locked").mkdir(mode=0o555)
    assert (
        launch.sh(roots.record(kind), bind("/locked/a"), script="cat /locked/a/file; stat -c %a /locked")
        == "of the machine\n555\n"
    )
