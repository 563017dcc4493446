"""Namespaces and ids; and what a person reads where the machine does not allow them."""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import subprocess

import pytest

from sampan.engine.encoding import encode

PROC = ("bind", "/proc", "/proc", "")
DOCTOR = "`sampan doctor` shows"


@pytest.mark.parametrize("ids", [None, (0, 0), (4242, 77)], ids=["self", "root", "other"])
def test_the_id_inside(ids, launch, roots, both_ways):
    uid, gid = ids or (os.getuid(), os.getgid())
    said = launch.sh(roots.record("ro"), PROC, script="id -u; id -g; cat /proc/self/setgroups", ids=ids, without=both_ways)
    assert said == f"{uid}\n{gid}\ndeny\n"


def test_files_belong_to_the_caller_outside(launch, roots):
    launch.sh(roots.record("rw"), script="echo x > /new", ids=(0, 0))
    assert (roots.tree / "new").stat().st_uid == os.getuid()


def test_no_capabilities_unless_root_inside(launch, roots, both_ways):
    def sets(ids):
        script = "grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status"
        said = launch.sh(roots.record("ro"), PROC, script=script, ids=ids, without=both_ways)
        return [int(line.split()[1], 16) for line in said.splitlines()]

    assert sets((1000, 1000)) == [0, 0, 0, 0]
    assert sets((0, 0))[1] != 0


def test_only_the_callers_own_id_can_be_mapped(launch, roots):
    if os.getuid() == 0:
        pytest.skip("root may map others")
    plan = [("uid-map", "0", "5", "1") if r[0] == "uid-map" else r for r in launch.plan(roots.record("ro"))]
    with launch.start(plan) as process:
        assert process.communicate()[1].endswith(f': "uid-map" names the id 5 of this machine, and yours is {os.getuid()}\n')


def test_host_name_and_network(launch, roots, both_ways):
    spaces = "user,mount,uts,net"
    records = [("hostname", "node-7"), ("loopback",)]
    said = launch.sh(
        roots.record("ro"),
        *records,
        script="hostname; ip -o addr; ping -c1 127.0.0.1 2>&1 | head -n 0",
        spaces=spaces,
        without=both_ways,
    )
    assert said.startswith("node-7\n")
    assert "127.0.0.1/8" in said
    assert "LOOPBACK,UP" in launch.sh(roots.record("ro"), ("loopback",), script="ip -o link", spaces=spaces)
    assert "LOOPBACK,UP" not in launch.sh(roots.record("ro"), script="ip -o link", spaces=spaces)
    assert launch.sh(roots.record("ro"), script="hostname") == os.uname().nodename + "\n"
    assert "cannot set the host name" in launch.refused(roots.record("ro"), ("hostname", "x" * 65), spaces=spaces)


def test_new_namespaces_are_new(launch, roots):
    script = "for n in user mnt ipc uts net cgroup pid; do readlink /proc/self/ns/$n; done"
    own = [os.readlink(f"/proc/self/ns/{name}") for name in ("user", "mnt", "ipc", "uts", "net", "cgroup", "pid")]

    def new(spaces):
        found = launch.sh(roots.record("ro"), PROC, script=script, spaces=spaces).splitlines()
        return [name for name, old, now in zip(["user", "mnt", "ipc", "uts", "net", "cgroup", "pid"], own, found) if old != now]

    assert new("user,mount") == ["user", "mnt"]
    assert new("mount,user,ipc,uts,net,cgroup") == ["user", "mnt", "ipc", "uts", "net", "cgroup"]


def test_a_program_that_its_user_cannot_read(program, launch, roots, tmp_path):
    """Mode 0711 makes a process not dumpable, and its /proc files another's."""
    shutil.copy(program, tmp_path / "unreadable")
    (tmp_path / "unreadable").chmod(0o111)
    launch.program = str(tmp_path / "unreadable")
    assert launch.sh(roots.record("ro"), script="echo fine") == "fine\n"


def without_namespaces(kind):
    """A prefix: in a user namespace in which no more of them may be made, as on hardened machines."""
    return [
        "unshare",
        "-U",
        "--map-current-user",
        "--keep-caps",
        "sh",
        "-c",
        f'echo 0 > /proc/sys/user/{kind} && exec "$@"',
        "sh",
    ]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("max_user_namespaces", "this machine allows no user namespaces (/proc/sys/user/max_user_namespaces is 0)"),
        ("max_mnt_namespaces", "this machine allows no mount namespaces (/proc/sys/user/max_mnt_namespaces is 0)"),
    ],
)
def test_switched_off_by_a_limit(kind, reason, launch, roots):
    said = launch.refused(roots.record("ro"), ("image", "debian:12"), prefix=without_namespaces(kind))
    assert said.startswith(f"sampan: cannot start debian:12: new namespaces: No space left on device: {reason}\nhint: ")
    assert f"sysctl -w user.{kind}=15000" in said
    assert DOCTOR in said


def filter_program(number):
    """A BPF program that answers EPERM to one system call: as the seccomp filter of a container does to `unshare`."""

    def line(code, jt, jf, k):
        return struct.pack("HBBI", code, jt, jf, k)

    load, equal, give = 0x20, 0x15, 0x06
    return line(load, 0, 0, 0) + line(equal, 0, 1, number) + line(give, 0, 0, 0x00050001) + line(give, 0, 0, 0x7FFF0000)


def under_seccomp(number):
    program = ctypes.create_string_buffer(filter_program(number))
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(program)))
    libc = ctypes.CDLL(None, use_errno=True)

    def enter():
        libc.prctl(38, 1, 0, 0, 0)
        if not program or libc.prctl(22, 2, head, 0, 0) != 0:
            os._exit(99)

    return enter


x86_64 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="system call numbers of x86_64")


@x86_64
def test_refused_by_seccomp(launch, roots):
    said = launch.refused(roots.record("ro"), preexec_fn=under_seccomp(272))
    assert (
        ": new namespaces: Operation not permitted: a seccomp filter of the surrounding container or service refuses it\nhint: "
        in said
    )


@x86_64
@pytest.mark.parametrize("number", [437, 442, 436], ids=["openat2", "mount_setattr", "close_range"])
def test_calls_that_a_seccomp_filter_refuses_are_as_missing(number, launch, roots, tmp_path):
    bind = ("bind", str(tmp_path), "/new", "ro")
    script = "cat /etc/hosts; (echo x > /new/x) 2>&1; true"
    said = launch.sh(roots.record("ro"), bind, ("fds", ""), script=script, preexec_fn=under_seccomp(number))
    assert said.startswith("of the image\n")
    assert "Read-only" in said


def test_inside_a_chroot(program, launch, roots):
    """The chroot has its own /proc; its root is no mount point."""
    shutil.copy(program, roots.tree / "bin/sampan-run")
    (roots.tree / "plan").write_bytes(encode(launch.plan(("root-tree", "/opt", "ro"))))
    mounts = f"mount --rbind /proc {roots.tree}/proc; exec chroot {roots.tree} /bin/sampan-run /plan"
    done = subprocess.run(["unshare", "-rm", "sh", "-c", mounts], capture_output=True, text=True)
    assert done.returncode == 125
    assert "the kernel allows no user namespaces inside a chroot" in done.stderr
    mounts = f"exec chroot {roots.tree} /bin/sampan-run /plan"
    done = subprocess.run(["unshare", "-rm", "sh", "-c", mounts], capture_output=True, text=True)
    assert done.returncode == 125
    assert "/proc is not mounted here" in done.stderr


def test_without_a_user_namespace_an_ordinary_user_is_refused(launch, roots):
    plan = [r for r in launch.plan(roots.record("ro"), spaces="mount") if r[0] not in ("uid-map", "gid-map")]
    with launch.start(plan) as process:
        said = process.communicate()[1]
    if os.getuid() != 0:
        assert "new namespaces: Operation not permitted" in said
    with launch.start(plan, prefix=["unshare", "-rm"]) as process:
        assert (process.communicate(), process.returncode) == (("", ""), 0)


def test_nested_starts(program, launch, roots, tmp_path):
    """sampan-run inside of what sampan-run started; three deep."""
    shutil.copy(program, roots.tree / "bin/sampan-run")
    inner = tmp_path / "inner"
    (inner / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", inner / "bin/echo")
    (inner / "proc").mkdir()
    (roots.tree / "plan").write_bytes(encode(launch.plan(("root-memory", "/inner", "0", "refuse"), PROC, argv=("echo", "deep"))))
    for kind in ("ro", "memory"):
        assert (
            launch.out(roots.record(kind), PROC, ("bind", str(inner), "/inner", "ro"), argv=("sampan-run", "/plan")) == "deep\n"
        )
