"""What a payload sees: files, users, mounts, directories, names."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest


@pytest.fixture
def data(tmp_path):
    (tmp_path / "data/sub").mkdir(parents=True)
    (tmp_path / "data/file").write_text("outside\n")
    (tmp_path / "data/sub/inner").write_text("inner\n")
    return tmp_path / "data"


def test_the_caller_is_itself(box):
    done = box.run("sh", "-c", "id -u; id -g; id -un; echo $HOME; echo $USER")
    uid, gid, name, home, user = done.lines
    assert (int(uid), int(gid), home, user) == (os.getuid(), os.getgid(), str(box.directory), name)


def test_the_current_directory_is_there_and_writable(box):
    work = box.directory / "work"
    work.mkdir()
    done = box.run("sh", "-c", "pwd; echo made inside > here", cwd=work)
    assert done.lines == [str(work)], (done.status, done.err)
    assert (work / "here").read_text() == "made inside\n"
    assert (work / "here").stat().st_uid == os.getuid()


def test_the_image_is_what_it_is(box):
    done = box.run("sh", "-c", "hello; test ! -e /etc/issue && echo whiteout; readlink /bin; ls -d /root /usr/bin/python3")
    assert done.status == 0
    assert done.lines[0].startswith("hello from")
    assert done.lines[1:3] == ["whiteout", "usr/bin"]


def test_changes_are_possible_and_thrown_away(box, needs):
    needs("memory-overlay")
    done = box.run(
        "sh",
        "-c",
        "rm -r /usr/lib/python3.11 && mkdir /usr/lib/python3.11 && ls -A /usr/lib/python3.11 && echo gone > /etc/passwd && cat /etc/passwd",
    )
    assert (done.status, done.out) == (0, b"gone\n")
    assert box.run("sh", "-c", "ls /usr/lib/python3.11 | wc -l").text.strip() != "0"


def test_read_only_really_is(box, needs):
    needs("read-only-root")
    done = box.run(
        "--read-only",
        "--",
        "sh",
        "-c",
        "touch /usr/x /etc/x /x; rm /etc/nsswitch.conf; chmod 777 /usr/bin/bash; echo x >> /usr/bin/hello; true",
    )
    assert done.err.count("Read-only file system") == 6
    assert box.run("--read-only", "--", "sh", "-c", f"touch {box.directory}/ok").status == 0


def test_binds(box, data):
    done = box.run("-v", f"{data}:/mnt/deep/new", "--", "sh", "-c", "cat /mnt/deep/new/file; echo x > /mnt/deep/new/made")
    assert (done.status, done.out) == (0, b"outside\n")
    assert (data / "made").read_text() == "x\n"


def test_binds_below_what_can_be_written_without_an_overlay(box, data):
    """/run and /var/tmp are empty directories then; what is bound below them is seen all the same."""
    words = [word for place in ("/run/data", "/var/tmp/deep/data") for word in ("-v", f"{data}:{place}")]
    done = box.run(*words, "--", "sh", "-c", "cat /run/data/file /var/tmp/deep/data/file; touch /var/tmp/x")
    assert (done.status, done.lines) == (0, ["outside", "outside"]), done.err


def test_a_read_only_bind_is_read_only_at_its_target(box, needs, data):
    """Udocker bound `/d:/mnt:ro` read-write at the path `/mnt:ro` (D10)."""
    needs("read-only-binds")
    done = box.run("-v", f"{data}:/mnt:ro", "--", "sh", "-c", "cat /mnt/file; touch /mnt/x; touch /mnt/sub/x; ls -d '/mnt:ro'")
    assert done.lines == ["outside"]
    assert done.err.count("Read-only file system") == 2
    assert not (data / "x").exists()


def test_nested_and_file_binds(box, data):
    single = data.parent / "single"
    single.write_text("single\n")
    done = box.run("-v", f"{single}:/mnt/sub/inner", "-v", f"{data}:/mnt", "-v", f"{single}:/etc/hosts", "-v", f"{single}:/new/file", "--",
                   "cat", "/mnt/file", "/mnt/sub/inner", "/etc/hosts", "/new/file")  # fmt: skip
    assert (done.status, done.lines) == (0, ["outside", "single", "single", "single"])
    assert (data / "sub/inner").read_text() == "inner\n"


def test_a_target_behind_a_link_stays_inside(box, data):
    """/bin is a link to usr/bin in the image: the bind lands behind it, not on the host."""
    done = box.run("-v", f"{data}:/bin/extra", "--", "cat", "/usr/bin/extra/file")
    assert (done.status, done.out) == (0, b"outside\n")


def test_a_missing_source_is_named(box):
    done = box.run("-v", "/no/such/place:/mnt", "--", "true")
    assert (done.status, "/no/such/place" in done.err) == (125, True)


def test_mount_points_leave_no_trace(box, data, shared_sampan):
    """Udocker left them in the container for ever (D17)."""
    box.run("-v", f"{data}:/deep/new/dir", "--", "true")
    assert box.run("ls", "/deep").status == 2
    trees = list((shared_sampan.home / "trees").glob("*/rootfs/deep"))
    assert trees == []


def test_an_empty_directory_that_vanishes(box, needs, tmp_path):
    needs("tmpfs")
    done = box.run("--tmpfs", "/scratch:mode=700", "--", "sh", "-c", "stat -c %a /scratch; echo x > /scratch/x; ls -A /scratch")
    assert done.lines == ["700", "x"]
    assert box.run("--tmpfs", "/scratch", "--", "ls", "-A", "/scratch").out == b""


def test_tmpfs(box, needs):
    needs("bounded-tmpfs")
    done = box.run(
        "--tmpfs",
        "/scratch:size=1m",
        "--",
        "sh",
        "-c",
        "stat -f -c %T /scratch; head -c 2000000 /dev/zero > /scratch/big; wc -c < /scratch/big",
    )
    assert done.lines[0] == "tmpfs"
    assert int(done.lines[1]) == 1 << 20


def test_root_is_root_inside_and_the_caller_outside(box, needs, writable):
    needs("root-user")
    done = box.run(
        "--root",
        "--",
        "sh",
        "-c",
        f"id -u; id -un; echo $HOME; touch {box.directory}/by-root; cd {writable}; touch x && ls -ln x | cut -d' ' -f3",
    )
    assert done.lines == ["0", "root", "/root", "0"]
    assert (box.directory / "by-root").stat().st_uid == os.getuid()


@pytest.mark.parametrize(
    ("user", "lines"),
    [
        ("1234:1234", ["1234", "1234", "guest"]),
        ("guest", ["1234", "1234", "guest"]),
        ("77:88", ["77", "88"]),
        ("daemon", ["1", "1", "daemon"]),
    ],
)
def test_other_users(box, needs, user, lines):
    needs("other-user")
    done = box.run("-u", user, "--", "sh", "-c", "id -u; id -g; id -un 2>/dev/null")
    assert done.lines[: len(lines)] == lines


def test_unknown_user(box):
    done = box.run("-u", "nobody-here", "--", "true")
    assert (done.status, "no user 'nobody-here'" in done.err) == (125, True)


def test_passwd_inside_is_well_formed(box):
    done = box.run("-u", "1000:1000", "--", "python3", "-c", "import pwd; print(all(len(e) == 7 for e in pwd.getpwall()))")
    assert done.lines == ["True"]


def test_workdir(box):
    assert box.run("-w", "/usr/lib", "--", "pwd").lines == ["/usr/lib"]


def test_a_missing_workdir_is_made(box, needs):
    needs("memory-overlay")
    assert box.run("-w", "/made/new", "--", "pwd").lines == ["/made/new"]


def test_isolate_shows_nothing_of_the_host(box, needs):
    needs("small-dev")
    needs("own-ipc")
    (box.directory / "secret").write_text("x")
    done = box.run(
        "--isolate",
        "--",
        "sh",
        "-c",
        f"ls {box.directory}/secret /tmp/; pwd; hostname; ls /dev | tr '\\n' ' '; ls -A $HOME",
        SECRET="x",
    )
    assert f"cannot access '{box.directory}/secret'" in done.err
    assert done.lines[1:3] != [socket.gethostname()]
    assert "sda" not in done.text
    assert "null" in done.text


def test_network_none(box, needs):
    needs("own-network")
    done = box.run(
        "--network",
        "none",
        "--",
        "python3",
        "-c",
        "import socket; s=socket.create_server(('127.0.0.1', 0)); print(len(socket.if_nameindex()), socket.gethostbyname('localhost'))",
    )
    assert done.lines == ["1 127.0.0.1"]


def test_network_host_is_the_default(box):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = box.run("python3", "-c", f"import socket; socket.create_connection(('127.0.0.1', {port})).sendall(b'hi')")
        assert done.status == 0
        with server.accept()[0] as connection:
            assert connection.recv(10) == b"hi"


def test_hostname(box, needs):
    needs("own-hostname")
    done = box.run("--hostname", "box7", "--", "sh", "-c", "hostname; grep -c box7 /etc/hosts; echo $HOSTNAME")
    assert done.lines == ["box7", "1", "box7"]
    assert subprocess.run(["hostname"], capture_output=True, text=True).stdout.strip() != "box7"


def test_devices_and_shared_memory_are_the_hosts(box):
    name = f"sampan-test-{os.getpid()}"
    try:
        done = box.run("sh", "-c", f"echo shared > /dev/shm/{name}; head -c 3 /dev/zero | wc -c; echo gone > /dev/null")
        assert (done.status, done.lines) == (0, ["3"])
        with open(f"/dev/shm/{name}") as stream:
            assert stream.read() == "shared\n"
    finally:
        os.unlink(f"/dev/shm/{name}")


def test_processes_see_proc(box):
    assert box.run("sh", "-c", "test -r /proc/self/status && readlink /proc/self/exe").lines == ["/usr/bin/readlink"]


def test_the_payload_has_no_capabilities(box):
    done = box.run("sh", "-c", "grep CapEff /proc/self/status; grep NoNewPrivs /proc/self/status")
    assert [line.split()[1] for line in done.lines] == ["0000000000000000", "1"]


def test_a_loop_and_a_link_to_the_host_in_a_bind_target_do_no_harm(box, data):
    (data / "loop").symlink_to("loop")
    (data / "out").symlink_to("/etc")
    done = box.run("-v", f"{data}:/mnt", "-v", f"{data}:/mnt/loop", "--", "true")
    assert done.status == 125
    assert "/mnt/loop" in done.err
