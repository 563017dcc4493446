"""The other options of `run`, on every engine that can."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest


@pytest.fixture
def data(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("outside\n")
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("form", "writable"),
    [
        ("type=bind,source={d},target=/in", True), ("type=bind,src={d},dst=/in,readonly", False),
        ("type=bind,source={d},destination=/in,ro=true", False), ("type=bind,source={d},target=/in,bind-propagation=rslave", True),
        ('"type=bind","source={d}",target=/in', True), ("type=bind,source={d},target=/in,readonly=false", True),
    ],
)  # fmt: skip
def test_mounts_in_words(box, needs, data, form, writable):
    needs("binds" if writable else "read-only-binds")
    done = box.run("--mount", form.format(d=data), "--", "sh", "-c", "cat /in/file; touch /in/x 2>/dev/null && echo writable")
    assert done.status in (0, 1), done.err
    assert done.lines == ["outside"] + (["writable"] if writable else [])


def test_a_tmpfs_and_an_image_as_mounts(box, needs):
    needs("bounded-tmpfs")
    done = box.run("--mount", "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=700", "--mount", f"type=image,source={box.image},target=/other", "--",
                   "sh", "-c", "stat -c %a /t; ls /other/usr/bin/hello; touch /other/x")  # fmt: skip
    assert done.lines == ["700", "/other/usr/bin/hello"]
    assert "Read-only" in done.err


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ("type=volume,source=x,target=/y", "no named volumes"), ("source=/x,target=/y", "no named volumes"), ("type=bind,source=/x", "the target must be"),
        ("type=bind,target=/x", "names no source"), ("type=bind,source=/x,target=/y,colour=red", "unknown key 'colour'"),
        ("type=image,source=nothing:here,target=/y", "no image nothing:here"), ("type=bind,source=rel,target=/y", "must be a path"),
    ],
)  # fmt: skip
def test_bad_mounts(box, needs, form, sentence):
    needs("read-only-binds" if "type=image" in form else "binds")
    done = box.run("--mount", form, "--", "true")
    assert (done.status, sentence in done.err) == (125, True), done.err


def test_dot_dot_and_links_in_sources(box, data):
    (data / "link").symlink_to(data)
    done = box.run("-v", f"{data}/../data/link:/in", "--", "cat", "/in/file")
    assert done.lines == ["outside"]


def test_a_bind_into_a_read_only_image(box, needs, data):
    needs("read-only-root")
    done = box.run(
        "--read-only",
        "-v",
        f"{data}:/deep/new/place",
        "-v",
        f"{data}/file:/etc/new-file",
        "--",
        "sh",
        "-c",
        "cat /deep/new/place/file /etc/new-file; ls /etc/passwd /usr/bin/hello",
    )
    assert (done.status, done.lines[:2]) == (0, ["outside", "outside"]), done.err


def test_host_names_and_name_servers(box):
    done = box.run(
        "--add-host",
        "db:10.0.0.7",
        "--add-host",
        "me:host-gateway",
        "--dns",
        "10.0.0.1",
        "--dns-search",
        "lab.example",
        "--",
        "cat",
        "/etc/hosts",
        "/etc/resolv.conf",
    )
    assert {"10.0.0.7\tdb", "127.0.0.1\tme", "search lab.example", "nameserver 10.0.0.1"} <= set(done.lines)
    assert box.run("--add-host", "nocolon", "--", "true").status == 125


def test_shared_memory_of_its_own(box, needs):
    needs("bounded-tmpfs")
    done = box.run(
        "--shm-size", "2m", "--", "sh", "-c", "head -c 3000000 /dev/zero > /dev/shm/x; wc -c < /dev/shm/x; echo gone > /dev/null"
    )
    assert int(done.lines[0]) == 2 << 20
    assert box.run("--shm-size", "big", "--", "true").status == 125


def test_limits(box, needs):
    needs("limits")
    done = box.run("--ulimit", "nofile=100:200", "--ulimit", "core=0", "--", "sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -c")
    assert done.lines == ["100", "200", "0"]
    for bad in ("nofile=x", "nothing=1", "nofile=9:3", "nofile"):
        assert box.run("--ulimit", bad, "--", "true").status == 125


def test_processors(box, needs):
    needs("limits")
    assert box.run("--cpuset-cpus", "0", "--", "nproc").lines == ["1"]
    assert box.run("--cpuset-cpus", "3-1", "--", "true").status == 125


def test_memory_needs_a_control_group_or_a_word(box, can):
    refused = box.run("-m", "512m", "--", "true")
    if refused.status == 0:
        pytest.skip("a control group is delegated to this user here")
    assert refused.status == 125
    assert ("no control group is delegated" if "watcher" in can else "cannot stay beside") in refused.err
    advised = box.run("-m", "512m", "--cpus", "1.5", "--limit-mode", "advisory", "--", "echo", "went on")
    assert (advised.status, advised.lines, "advice only" in advised.err) == (0, ["went on"], True)
    assert "not a size" in box.run("-m", "lots", "--", "true").err


def test_own_ipc(box, needs):
    needs("own-ipc")
    made = subprocess.run(["ipcmk", "-M", "4096"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"ipcmk: {made.stderr}")
    number = made.stdout.split()[-1]
    try:
        seen = f"import ctypes; print(ctypes.CDLL(None).shmctl({number}, 2, ctypes.create_string_buffer(200)))"
        assert box.run("python3", "-c", seen).lines != ["-1"]
        assert box.run("--ipc", "private", "--", "python3", "-c", seen).lines == ["-1"]
    finally:
        subprocess.run(["ipcrm", "-m", number], check=False)


def test_own_name_without_saying_which(box, needs):
    needs("own-hostname")
    name = box.run("--uts", "private", "--", "hostname").lines[0]
    assert name != socket.gethostname()
    assert len(name) == 12


def test_isolate_in_full(box, needs):
    needs("own-pid")
    done = box.run("--isolate", "--", "sh", "-c", "ls /proc | grep -c '^[0-9]'; hostname; ls /dev/shm; pwd; id -u")
    assert int(done.lines[0]) < 8
    assert done.lines[-2:] == ["/", str(os.getuid())]


def test_a_device_in_the_bare_view(box, needs):
    needs("own-ipc")
    done = box.run("--isolate", "--device", "/dev/zero:/dev/naught", "--", "sh", "-c", "head -c 2 /dev/naught | wc -c")
    assert done.lines == ["2"]
    assert "is not DEVICE" in box.run("--device", "zero", "--", "true").err


def test_an_ssh_agent_and_a_display_on_request(box, tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        path = f"/tmp/sampan-test-agent-{os.getpid()}"
        server.bind(path)
        try:
            done = box.run("--ssh-agent", "--", "sh", "-c", "test -S $SSH_AUTH_SOCK && echo there", SSH_AUTH_SOCK=path)
            assert done.lines == ["there"]
        finally:
            os.unlink(path)
    assert "no ssh agent" in box.run("--ssh-agent", "--", "true").err
    assert "no display" in box.run("--x11", "--", "true").err
    assert box.run("--x11", "--", "sh", "-c", "echo $DISPLAY", DISPLAY=":7").lines == [":7"]


@pytest.mark.parametrize("option", ["--group-add=1", "--restart=always"])
def test_what_cannot_be_is_refused_by_name(box, option):
    done = box.run(option, "--", "true")
    assert (done.status, option.partition("=")[0] in done.err, "refused" in done.err) == (125, True, True)


def test_userns_words_are_accepted(box):
    assert box.run("--userns=keep-id", "--", "id", "-u").lines == [str(os.getuid())]


def test_labels(box):
    assert box.run("--label", "a=b", "--", "true").status == 0
    assert box.run("--label", "=b", "--", "true").status == 125


def test_volumes_from_another_container(box, data, can):
    box("rm", "-f", "giver")
    box.good("create", "--name", "giver", "-v", f"{data}:/given", "--tmpfs", "/scratch", box.image)
    try:
        assert box.run(
            "--volumes-from", "giver", "--", "sh", "-c", "cat /given/file; touch /given/y && stat -f -c %T /scratch"
        ).lines[: None if "bounded-tmpfs" in can else 1] == ["outside", *(["tmpfs"] if "bounded-tmpfs" in can else [])]
        done = box.run("--volumes-from", "giver:ro", "--", "touch", "/given/z")
        assert ("Read-only" if "read-only-binds" in can else "--volume ...:ro") in done.err
        assert box.run("--volumes-from", "nobody", "--", "true").status == 125
    finally:
        box("rm", "-f", "giver")
