"""Images whose files and configuration are traps for whoever starts them: the host stays the host's, nothing hangs.

A start reads passwd and group of the image, mounts over its /dev, /proc and /etc files, and goes to its WORKDIR as its USER. None of
that may follow the image out, wait for it, or end in anything but the program or one sentence.
"""

from __future__ import annotations

import pytest

from tests.images import tarbytes
from tests.images.tarbytes import archive

WAYS = [("--isolate",), (), ("--isolate", "--read-only"), ("--root", "--isolate"), ("--isolate", "--hostname", "inside")]


def ways(arena, *command: str, allowed: tuple[int, ...] = (0, 125)) -> list:
    """Every way to start it ends, in time, in the program or one sentence."""
    ended = [arena.run(*options, command=command) for options in WAYS]
    assert {one.status for one in ended} <= set(allowed), [one.err for one in ended]
    return ended


TRAPS = {
    "passwd is a link to the host's": lambda o: [tarbytes.symlink("etc/passwd", "/etc/passwd")],
    "passwd is a link out": lambda o: [tarbytes.symlink("etc/passwd", "../../../../outside/secret"), tarbytes.symlink("etc/group", f"{o}/secret")],
    "passwd is a link to itself": lambda o: [tarbytes.symlink("etc/passwd", "passwd")],
    "passwd is a link to a process": lambda o: [tarbytes.symlink("etc/passwd", "/proc/self/environ"), tarbytes.symlink("etc/group", "/proc/1/root/etc/shadow")],
    "passwd is a FIFO": lambda o: [tarbytes.fifo("etc/passwd"), tarbytes.fifo("etc/group")],
    "passwd is a directory": lambda o: [tarbytes.directory("etc"), tarbytes.whiteout("etc/passwd"), tarbytes.directory("etc/passwd/x")],
    "passwd is a device": lambda o: [tarbytes.device("etc/passwd", 1, 5, type=b"3")],
    "passwd is huge": lambda o: [tarbytes.file("etc/passwd", b"x" * (3 << 20))],
    "passwd is a hole of a gigabyte": lambda o: [tarbytes.pax(("GNU.sparse.map", "0,1"), ("GNU.sparse.size", str(1 << 30)), ("GNU.sparse.name", "etc/passwd")) + tarbytes.file("x", b"a")],
    "passwd is garbage": lambda o: [tarbytes.file("etc/passwd", b"\0\xff::::\n" * 50 + b":" * 5000 + b"\nroot:x:-1:99999999999999999999::/:\n")],
    "etc is a link out": lambda o: [tarbytes.symlink("etc", o)],
    "etc is a link to a process": lambda o: [tarbytes.symlink("etc", "/proc/self/root/etc")],
    "etc is a file": lambda o: [tarbytes.file("etc", b"x")],
    "hosts and resolv.conf are links out": lambda o: [tarbytes.symlink("etc/hosts", f"{o}/new"), tarbytes.symlink("etc/resolv.conf", "../../../../outside/secret"), tarbytes.symlink("etc/hostname", f"{o}/program")],
    "hosts and resolv.conf are FIFOs": lambda o: [tarbytes.fifo("etc/hosts"), tarbytes.fifo("etc/resolv.conf")],
    "dev is a link": lambda o: [tarbytes.symlink("dev", o)],
    "dev is a link to the host's": lambda o: [tarbytes.symlink("dev", "/dev"), tarbytes.symlink("proc", "/proc"), tarbytes.symlink("sys", "/sys")],
    "dev is a file": lambda o: [tarbytes.file("dev", b"x"), tarbytes.file("proc", b"x"), tarbytes.file("sys", b"x")],
    "names in dev are links out": lambda o: [tarbytes.symlink("dev/null", f"{o}/secret"), tarbytes.symlink("dev/shm", o), tarbytes.symlink("dev/pts", o), tarbytes.symlink("dev/tty", f"{o}/new")],
    "proc is a link out": lambda o: [tarbytes.symlink("proc", f"{o}/directory")],
    "names in proc are links out": lambda o: [tarbytes.symlink("proc/self", o), tarbytes.file("proc/sys", b"x")],
    "tmp and home are links out": lambda o: [tarbytes.symlink("tmp", o), tarbytes.symlink("home", o), tarbytes.symlink("root", o), tarbytes.symlink("var", o), tarbytes.symlink("run", o)],
    "tmp is a file": lambda o: [tarbytes.file("tmp", b"x"), tarbytes.file("run", b"x"), tarbytes.file("home", b"x")],
    "links to links to links": lambda o: [tarbytes.symlink("dev", "/a"), tarbytes.symlink("a", "b/../c"), tarbytes.directory("b"), tarbytes.symlink("c", f"../../..{o}")],
}  # fmt: skip


@pytest.mark.parametrize("name", TRAPS)
def test_files(arena, name):
    arena.image([archive(*TRAPS[name](str(arena.outside)))])
    assert arena.pull().status == 0
    ways(arena)
    ways(arena, "/bin/busybox", "sh", "-c", "/bin/busybox cat /etc/passwd /etc/group /etc/hosts </dev/null 2>&1; true")
    arena.is_whole()


CONFIGS = {
    "a directory out by dots": {"WorkingDir": "../../../../outside"},
    "a directory of a descriptor": {"WorkingDir": "/proc/self/fd/8"},
    "a directory of another process": {"WorkingDir": "/proc/1/cwd"},
    "a directory that is a link out": {"WorkingDir": "/link"},
    "a directory that is a file": {"WorkingDir": "/bin/busybox"},
    "a directory that is not there": {"WorkingDir": "/not/there"},
    "a relative directory": {"WorkingDir": "bin"},
    "a directory with a newline": {"WorkingDir": "/a\nb\x1b[31m"},
    "a very long directory": {"WorkingDir": "/" + "x/" * 3000},
    "a user that is not there": {"User": "nobody-knows"},
    "a user with dots": {"User": "../../etc/passwd"},
    "a user with a newline": {"User": "root\nroot:x:0:0"},
    "a huge user": {"User": "99999999999999999999"},
    "a negative user": {"User": "-1:-1"},
    "a user of many parts": {"User": "a:b:c:d"},
    "an empty group": {"User": "0:"},
    "a program out by dots": {"Entrypoint": ["../../../../outside/program"]},
    "a program that is a link out": {"Entrypoint": ["/program"]},
    "a program of the host": {"Entrypoint": ["/usr/bin/python3", "-c", "print(1)"]},
    "a program that is a directory": {"Entrypoint": ["/bin"]},
    "an empty program": {"Entrypoint": [""]},
    "no program at all": {"Cmd": []},
    "a program with a newline": {"Entrypoint": ["/bin/busy\nbox"]},
    "variables for the loader": {"Env": ["LD_PRELOAD=/evil.so", "LD_LIBRARY_PATH=/", "LD_AUDIT=/evil.so", "PATH=", "PYTHONPATH=/evil"]},
    "variables of ours": {"Env": ["SAMPAN_HOME=/x", "SAMPAN_CONTAINER=y", "SAMPAN_PROGRAMS=/z", "HOME=../..", "PATH=/bin"]},
    "variables that are none": {"Env": ["", "=", "=x", "A", "A\nB=c", "X" * 100_000]},
    "volumes out by dots": {"Volumes": {"../../../../outside": {}, "/link": {}, "/": {}, "relative": {}}},
    "odd labels and ports": {"Labels": {"\n": "\x1b[31m"}, "ExposedPorts": {"99999999/tcp": {}, "x": {}}},
    "an odd signal": {"StopSignal": "SIGKILL; reboot"},
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_configuration(arena, name):
    links = archive(
        tarbytes.symlink("link", str(arena.outside)),
        tarbytes.symlink("program", "../../../../outside/program"),
        tarbytes.file("evil.so", b"x", mode=0o755),
    )
    config = {"Cmd": ["/bin/busybox", "true"], **CONFIGS[name]}
    arena.image([links], config)
    if arena.pull().status == 0:
        ended = ways(arena, allowed=(0, 1, 125, 126, 127))
        assert not any("pwned" in one.out for one in ended)
        assert arena("inspect", arena.reference).status == 0
    arena.is_whole()


def test_what_a_user_asks_for_goes_nowhere_else(arena):
    """Binds and a directory of the command line are resolved in the image too."""
    arena.image([archive(tarbytes.symlink("mnt", str(arena.outside)), tarbytes.symlink("work", "../../../../outside/directory"))])
    assert arena.pull().status == 0
    here = str(arena.outside / "directory")
    for words in (["-v", f"{here}:/mnt/x:ro"], ["-v", f"{here}:/work/y"], ["-w", "/work"], ["--tmpfs", "/mnt/z"]):
        ended = arena.run("--isolate", *words, command=("/bin/busybox", "sh", "-c", "echo x >/mnt/new; echo y >/work/new; pwd"))
        assert ended.status in (0, 125, 126, 127), ended.err


def test_one_image_s_program_does_not_become_another_s(arena):
    """A container's own layer is written by a payload: what it leaves there is as little believed as an image."""
    arena.image([archive()])
    assert arena.pull().status == 0
    assert arena("create", "--name", "kept", "--isolate", arena.reference, "/bin/busybox", "true").status == 0
    spoil = f"/bin/busybox rm -rf /etc; /bin/busybox ln -s {arena.outside} /etc; /bin/busybox ln -s {arena.outside} /dev2"
    ended = arena("run", "--name", "spoilt", "--isolate", arena.reference, "/bin/busybox", "sh", "-c", spoil)
    assert ended.status == 0, ended.err
    ended = arena("start", "spoilt")
    assert ended.status in (0, 1, 125)
    arena.is_whole()
