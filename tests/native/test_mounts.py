"""The mount records: their flags, fresh file systems, files, masks; each kernel-dependent step both ways."""

from __future__ import annotations

import os
import stat

import pytest

PROC = ("bind", "/proc", "/proc", "")
KINDS = ["ro", "rw", "memory", "overlay"]
AS_ROOT = {"ids": (0, 0)}


def inside(script):
    """A prefix: in a mount namespace where `script` has mounted something. There the caller's ids are 0."""
    return ["unshare", "-rm", "sh", "-ec", f'{script}\nexec "$@"', "sh"]


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    (folder / "file").write_text("of the machine\n")
    return folder


def options_of(table, point):
    """The options of the mount on `point` in a mountinfo."""
    return next(line.split()[5].split(",") for line in table.splitlines() if line.split()[4] == point)


def test_a_writable_bind_is_the_directory_itself(launch, roots, source, both_ways):
    launch.sh(
        roots.record("ro"), ("bind", str(source), "/mnt", ""), script="echo new > /mnt/new; rm /mnt/file", without=both_ways
    )
    assert sorted(p.name for p in source.iterdir()) == ["new", "sub"]


@pytest.mark.parametrize("kind", KINDS)
def test_flags(kind, launch, roots, source, both_ways):
    for flags in ("ro", "nosuid", "nodev", "noexec", "ro,nosuid,nodev,noexec"):
        table = launch.sh(
            roots.record(kind), ("bind", str(source), "/mnt", flags), PROC, script="cat /proc/self/mountinfo", without=both_ways
        )
        assert set(flags.split(",")) <= set(options_of(table, "/mnt"))


SUBMOUNTS = """
mount -t tmpfs -o nosuid,nodev,noexec tmpfs {source}/sub
mkdir -p "{source}/sub/a b" {source}/sub/covered
mount -t tmpfs -o nodev tmpfs "{source}/sub/a b"
mount -t tmpfs tmpfs {source}/sub/covered
mkdir {source}/sub/covered/below
mount -t tmpfs tmpfs {source}/sub/covered/below
mount -t tmpfs tmpfs {source}/sub/covered
"""


def test_read_only_is_recursive_and_keeps_locked_flags(launch, roots, source, both_ways):
    """Mounts below the source, one in another, one with a blank in its name, one covered: all that can be reached are read-only."""
    script = "for d in /mnt /mnt/sub '/mnt/sub/a b' /mnt/sub/covered; do (echo x > \"$d/x\") 2>&1; done; cat /proc/self/mountinfo"
    said = launch.sh(
        roots.record("ro"), ("bind", str(source), "/mnt", "ro"), PROC, script=script, without=both_ways,
        prefix=inside(SUBMOUNTS.format(source=source)), **AS_ROOT,
    )  # fmt: skip
    assert said.count("Read-only file system") == 4
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(options_of(said, "/mnt/sub"))
    assert {"ro", "nodev"} <= set(options_of(said, "/mnt/sub/a\\040b"))
    assert not list(source.rglob("x"))


def test_binds_are_recursive_unless_shallow(launch, roots, source, both_ways):
    mounts = inside(f"mount -t tmpfs tmpfs {source}/sub; echo x > {source}/sub/below")
    bind = ("bind", str(source), "/mnt", "")
    assert launch.sh(roots.record("ro"), bind, script="ls /mnt/sub", prefix=mounts, without=both_ways, **AS_ROOT) == "below\n"
    # An ordinary user's kernel hides what a mount covers.
    said = launch.refused(roots.record("ro"), (*bind[:3], "shallow"), prefix=mounts, without=both_ways, **AS_ROOT)
    assert "cannot bind at /mnt without the mounts below the source" in said
    assert "hint: leave `shallow` out" in said
    assert launch.sh(roots.record("ro"), (*bind[:3], "shallow"), script="ls /mnt/sub", without=both_ways) == ""


def test_optional(launch, roots, tmp_path):
    gone = ("bind", str(tmp_path / "none"), "/new/name", "ro,optional")
    below_file = ("bind", "/etc/passwd/x", "/new/name", "optional")
    assert launch.sh(roots.record("ro"), gone, below_file, script="ls -d /new 2>&1 || true").startswith("ls: /new: No such file")
    said = launch.refused(roots.record("ro"), (*gone[:3], "ro"))
    assert f"there is no {tmp_path}/none on this machine to bind at /new/name" in said


def test_propagation(launch, roots, source, tmp_path, both_ways):
    """A mount that the machine makes later comes in where `rslave` was asked for, and nowhere else."""
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    binds = [
        ("bind", str(source), "/mnt", "rslave"),
        ("bind", str(source), "/opt", ""),
        ("bind", str(tmp_path), "/tmp", "rprivate"),
    ]
    script = "echo ready > /tmp/go; cat /tmp/go > /dev/null; ls /mnt/sub /opt/sub"
    machine = f"""
    mount --bind {source} {source}; mount --make-shared {source}
    "$@" & cat {fifo} > /dev/null
    mount -t tmpfs tmpfs {source}/sub; mkdir {source}/sub/later; echo > {fifo}; wait
    """
    prefix = ["unshare", "-rm", "sh", "-ec", machine, "sh"]
    said = launch.sh(roots.record("ro"), ("dev", "/dev"), *binds, script=script, prefix=prefix, without=both_ways, **AS_ROOT)
    assert said == "/mnt/sub:\nlater\n\n/opt/sub:\n"


@pytest.mark.parametrize("kind", KINDS)
def test_tmpfs(kind, launch, roots, both_ways):
    binds = [
        ("tmpfs", "/scratch", "1770", "65536", "nosuid,noexec"),
        ("tmpfs", "/tmp", "0700", "0", "ro"),
        ("label", "sampan:x:y"),
    ]
    script = "stat -c %a /scratch /tmp; cat /bin/busybox 2>&- > /scratch/x; wc -c < /scratch/x; (echo > /tmp/x) 2>&1; cat /proc/self/mountinfo"
    said = launch.sh(roots.record(kind), *binds, PROC, script=script, without=both_ways)
    lines = said.splitlines()
    assert lines[:2] == ["1770", "700"]
    assert int(lines[2]) <= 65536
    assert "Read-only file system" in lines[3]
    assert {"nosuid", "noexec", "rw"} <= set(options_of("\n".join(lines[4:]), "/scratch"))
    assert any(" /scratch " in line and " - tmpfs sampan:x:y " in line for line in lines)


@pytest.mark.parametrize("kind", KINDS)
def test_files_with_content(kind, launch, roots, untouched, both_ways):
    content = "tab\tquote'\n" + "x" * 5000 + "\nü\n"
    files = [
        ("file", "/etc/hosts", "640", "", content),
        ("file", "/etc/passwd", "444", "ro", ""),
        ("tmpfs", "/tmp", "755", "0", ""),
    ]
    files.append(("file", "/tmp/deep/secret", "600", "", "s"))
    script = "cat /etc/hosts /etc/passwd /tmp/deep/secret; stat -c %a /etc/hosts /etc/passwd /tmp/deep/secret; (echo x > /etc/passwd) 2>&1; true"
    said = launch.sh(roots.record(kind), *files, script=script, without=both_ways)
    assert said.startswith(content + "s640\n444\n600\n")
    assert "Read-only file system" in said
    assert (untouched / "etc/hosts").read_text() == "of the image\n"


def test_a_large_file(launch, roots):
    for kind in ("memory", "ro"):
        assert launch.sh(roots.record(kind), ("file", "/big", "644", "", "x" * 7_000_000), script="wc -c < /big") == "7000000\n"


def test_a_file_in_memory_can_be_replaced(launch, roots, untouched):
    """As adduser does it; a mount point cannot be renamed over."""
    script = "echo new > /etc/passwd.new; mv /etc/passwd.new /etc/passwd && cat /etc/passwd"
    file = ("file", "/etc/passwd", "644", "", "given\n")
    assert launch.sh(roots.record("memory"), file, script=script) == "new\n"
    assert "busy" in launch.run(roots.record("overlay"), file, argv=("sh", "-c", script)).stderr


def test_a_file_over_something_that_is_none(launch, roots):
    os.mkfifo(roots.tree / "etc/fifo")
    (roots.tree / "etc/link").symlink_to("/etc/elsewhere")
    for kind in ("memory", "ro"):
        files = [("file", "/etc/fifo", "644", "", "a\n"), ("file", "/etc/link", "644", "", "b\n")]
        assert (
            launch.sh(roots.record(kind), *files, script="cat /etc/fifo /etc/elsewhere; readlink /etc/link")
            == "a\nb\n/etc/elsewhere\n"
        )
    assert "cannot bind at /etc: what is there is a directory" in launch.refused(
        roots.record("ro"), ("file", "/etc", "644", "", "")
    )


@pytest.mark.parametrize("kind", KINDS)
def test_mkdir_and_symlink(kind, launch, roots, both_ways):
    records = [
        ("mkdir", "/new/deep", "1777"), ("mkdir", "/etc", "0700"), ("mkdir", "/etc/hosts", "0700"), ("symlink", "hosts", "/etc/alias"),
        ("symlink", "x", "/etc/hosts"), ("symlink", "../nowhere", "/links/a"), ("symlink", "x", "/links/a"),
    ]  # fmt: skip
    script = "stat -c %a /new/deep /new /etc; cat /etc/alias; readlink /links/a; readlink /etc/hosts || true"
    said = launch.sh(roots.record(kind), *records, script=script, without=both_ways)
    assert said == "1777\n755\n755\nof the image\n../nowhere\n"


@pytest.mark.parametrize("kind", KINDS)
def test_dev(kind, launch, roots, both_ways):
    script = """
    ls /dev | sort | tr '\\n' ' '; stat -c %t:%T /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty | tr '\\n' ' '
    echo x > /dev/null; head -c 3 /dev/zero | wc -c; for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done
    stat -c %a /dev/shm; echo y > /dev/shm/y; ls /dev/pts; test -c /dev/ptmx && echo pty; df -k /dev/shm | tail -n 1"""
    script = script.replace("tr '\\n' ' '", "while read -r x; do printf '%s ' $x; done")
    said = launch.sh(roots.record(kind), ("dev", "/dev"), PROC, script=script, without=both_ways)
    assert said.startswith(
        "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero 1:3 1:5 1:7 1:8 1:9 5:0 3\n"
    )
    assert "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n1777\nptmx\npty\n" in said
    assert said.split()[-5] == "65536"


def test_a_new_pty_works(launch, roots):
    script = "exec 3<> /dev/ptmx && ls /dev/pts"
    assert launch.sh(roots.record("ro"), ("dev", "/dev"), script=script) == "0\nptmx\n"
    assert launch.sh(roots.record("ro"), ("devpts", "/dev/pts"), script="ls /dev/pts") == "ptmx\n"


def test_fresh_sysfs_needs_its_own_network(launch, roots, both_ways):
    record = ("sysfs", "/sys")
    said = launch.refused(roots.record("ro"), record, without=both_ways)
    assert "the kernel refuses a fresh sysfs at /sys: it grants one only with an own net namespace" in said
    done = launch.run(roots.record("ro"), record, argv=("ls", "/sys/class/net"), spaces="user,mount,net", without=both_ways)
    assert (
        done.stdout == "lo\n" or "the kernel refuses a fresh sysfs" in done.stderr
    )  # the machine's own sysfs may be partly covered


def test_fresh_mqueue_needs_its_own_ipc(launch, roots, both_ways):
    record = ("mqueue", "/dev/mqueue")
    assert "only with an own ipc namespace" in launch.refused(roots.record("ro"), record, without=both_ways)
    assert (
        launch.sh(roots.record("ro"), record, script="ls -a /dev/mqueue", spaces="user,mount,ipc", without=both_ways) == ".\n..\n"
    )


def test_fresh_proc_is_refused_in_the_machines_pid_namespace(launch, roots):
    assert "only with an own pid namespace" in launch.refused(roots.record("ro"), ("proc", "/proc"))


@pytest.mark.parametrize("kind", KINDS)
def test_mask(kind, launch, roots, untouched, both_ways):
    masks = [("mask", "/etc/passwd"), ("mask", "/usr"), ("mask", "/not/there")]
    script = "(cat /etc/passwd) 2>&1; (ls /usr) 2>&1; (echo x > /etc/passwd) 2>&1; stat -c '%a %s' /etc/passwd; stat -c %a /usr; ls -d /not 2>&1; true"
    said = launch.sh(roots.record(kind), *masks, script=script, without=both_ways)
    if os.getuid() != 0:
        assert said.count("Permission denied") >= 2
    assert "of the image" not in said
    assert "0 0\n0\n" in said
    assert "/not: No such file" in said


@pytest.mark.parametrize("kind", ["rw", "memory", "overlay"])
def test_read_only_parts(kind, launch, roots, source, both_ways):
    """One of the image's directories, one bind without what lies below it, and the root without its mounts."""
    script = "for f in /x /etc/x /opt/x /mnt/x /mnt/sub/x; do (echo > $f) 2>&1 && echo written $f; done; true"
    binds = [("bind", str(source), "/mnt", ""), ("tmpfs", "/mnt/sub", "755", "0", "")]
    said = launch.sh(
        roots.record(kind),
        ("read-only", "/mnt"),
        ("read-only", "/etc"),
        ("read-only", "/no"),
        *binds,
        script=script,
        without=both_ways,
    )
    assert [line.split()[1] for line in said.splitlines() if line.startswith("written")] == ["/x", "/opt/x", "/mnt/sub/x"]
    said = launch.sh(roots.record(kind), ("read-only", "/"), *binds, script=script, without=both_ways)
    assert [line.split()[1] for line in said.splitlines() if line.startswith("written")] == ["/mnt/x", "/mnt/sub/x"]


def test_a_bind_of_a_device_and_of_a_socket(launch, roots, tmp_path):
    import socket

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        binds = [("bind", "/dev/null", "/dev/null", ""), ("bind", str(tmp_path / "s"), "/run/s", "")]
        said = launch.sh(roots.record("ro"), *binds, script="echo x > /dev/null; stat -c %F /dev/null /run/s")
    assert said == "character special file\nsocket\n"


def test_a_source_that_is_a_link_is_followed(launch, roots, source, tmp_path):
    (tmp_path / "link").symlink_to(source)
    assert (
        launch.sh(roots.record("ro"), ("bind", str(tmp_path / "link"), "/mnt", ""), script="cat /mnt/file") == "of the machine\n"
    )


def test_a_source_that_may_not_be_reached(launch, roots, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o700)
    (tmp_path / "closed/x").mkdir()
    (tmp_path / "closed").chmod(0)
    # In its own user namespace the owner is privileged over its own files: as with any container of the user.
    assert launch.sh(roots.record("ro"), ("bind", str(tmp_path / "closed/x"), "/mnt", ""), script="ls /mnt") == ""
    (tmp_path / "closed").chmod(0o700)
    if os.getuid() != 0 and not stat.S_IMODE(os.stat("/root").st_mode) & 0o001:
        assert "cannot bind /root/x at /mnt: Permission denied" in launch.refused(
            roots.record("ro"), ("bind", "/root/x", "/mnt", "")
        )
