"""The last step: finding the program, saying why it cannot be run, and leaving nothing of sampan behind when it runs."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import struct
import subprocess
import threading
import time

import pytest

PROC = ("bind", "/proc", "/proc", "")


def put(tree, name, content, mode=0o755):
    path = tree / name
    path.unlink(missing_ok=True)  # the programs of the tree are links to one file
    path.write_bytes(content)
    path.chmod(mode)


def failure(launch, root, *argv, path="PATH=/bin", records=()):
    """Exit status and sentence."""
    plan = launch.plan(root, *records, argv=argv)
    plan[-2] = ("env", path)
    with launch.start(plan) as process:
        said = process.communicate()[1]
    front = f"sampan: cannot start {launch.folder}/launch-{launch.count}: "
    assert said.startswith(front), said
    return process.returncode, said[len(front) : -1]


@pytest.mark.parametrize("kind", ["ro", "memory"])
def test_program_not_found(kind, launch, roots):
    root = roots.record(kind)
    (roots.tree / "bin/dangling").symlink_to("../gone")
    assert failure(launch, root, "none") == (127, 'there is no program "none" inside in any directory of PATH (/bin)')
    assert failure(launch, root, "/none") == (127, "there is no program /none inside")
    assert failure(launch, root, "/bin/sh/x") == (127, "there is no program /bin/sh/x inside")
    assert failure(launch, root, "/bin/dangling") == (127, "/bin/dangling is a link to ../gone, which does not exist inside")
    assert failure(launch, root, "dangling")[0] == 127


def test_program_not_executable(launch, roots):
    root, tree = roots.record("ro"), roots.tree
    put(tree, "bin/plain", b"\x7fELF", 0o644)
    put(tree, "bin/text", b"echo no first line\n")
    put(tree, "bin/empty", b"")
    put(tree, "bin/short", b"#!\n")
    os.mkfifo(tree / "bin/fifo")
    if os.getuid() != 0:
        assert failure(launch, root, "plain") == (126, "/bin/plain is not executable (its mode is 0644)")
        assert failure(launch, root, "/bin/plain") == (126, "/bin/plain is not executable (its mode is 0644)")
    assert failure(launch, root, "/etc") == (126, "/etc is a directory")
    assert failure(launch, root, "etc", path="PATH=/") == (126, "/etc is a directory")
    assert failure(launch, root, "/bin/fifo") == (126, "/bin/fifo is not a regular file")
    assert failure(launch, root, "text") == (126, "/bin/text is neither a program nor a script that begins with #!")
    assert failure(launch, root, "empty") == (126, "/bin/empty is neither a program nor a script that begins with #!")
    assert failure(launch, root, "short") == (126, "/bin/short begins with #! and names no interpreter")
    put(tree, "tmp/x", b"#!/bin/sh\n")
    noexec = ("bind", str(tree / "tmp"), "/opt", "noexec")
    assert failure(launch, root, "/opt/x", records=[noexec]) == (126, "/opt/x lies on a file system that is mounted noexec")


def test_interpreters(launch, roots):
    root, tree = roots.record("ro"), roots.tree
    put(tree, "bin/script", b"#! /usr/bin/python3 -I\n")
    put(tree, "bin/windows", b"#!/bin/sh\r\necho\r\n")
    put(tree, "bin/closed", b"#!/etc/hosts\n")
    assert failure(launch, root, "script") == (127, "the interpreter /usr/bin/python3 of /bin/script does not exist inside")
    status, said = failure(launch, root, "/bin/windows")
    assert (status, said.split("\n")[0]) == (127, "the interpreter /bin/sh\\x0d of /bin/windows does not exist inside")
    assert "hint: the file has the line ends of Windows" in said
    assert failure(launch, root, "closed") == (126, "the interpreter /etc/hosts of /bin/closed cannot be run: Permission denied")


def test_elf_loaders_and_machines(launch, roots):
    root, tree = roots.record("ro"), roots.tree
    with open("/bin/ls", "rb") as stream:
        ls = stream.read()
    put(tree, "bin/dynamic", ls)
    status, said = failure(launch, root, "dynamic")
    assert status == 127
    assert said.startswith("the ELF loader /lib")
    assert said.endswith(" of /bin/dynamic does not exist inside")
    # A 32-bit program by hand: a header and one PT_INTERP segment.
    segment = struct.pack("<8I", 3, 84, 0, 0, 19, 19, 4, 1)
    header = b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    put(tree, "bin/small", header + segment + b"/lib/ld-linux.so.2\0" + bytes(64))
    if os.uname().machine == "x86_64":
        status, said = failure(launch, root, "small")
        assert (status, said) in (
            (127, "the ELF loader /lib/ld-linux.so.2 of /bin/small does not exist inside"),
            (126, "/bin/small cannot be run: Exec format error"),  # a kernel without 32-bit programs
        )
    foreign = bytearray(ls)
    foreign[18:20] = (183 if os.uname().machine == "x86_64" else 62).to_bytes(2, "little")
    put(tree, "bin/foreign", bytes(foreign))
    status, said = failure(launch, root, "foreign")
    assert status == 126
    assert said.split("\n")[0] in (
        "/bin/foreign is a program for aarch64, and this machine is x86_64",
        "/bin/foreign is a program for x86_64, and this machine is aarch64",
    )
    assert "hint: choose the image's variant for this machine with --platform" in said
    put(tree, "bin/truncated", ls[:100])
    assert failure(launch, root, "truncated")[0] == 126
    broken = bytearray(ls)
    broken[32:40] = b"\xff" * 8  # the program headers lie behind the end
    put(tree, "bin/broken", bytes(broken))
    assert failure(launch, root, "broken")[0] == 126


def test_too_many_arguments(launch, roots):
    status, said = failure(launch, roots.record("ro"), "true", *["x" * 100_000] * 70)
    assert status == 126
    assert said == "the arguments and the environment of /bin/true are longer than the kernel takes"


def test_search(launch, roots):
    root, tree = roots.record("ro"), roots.tree
    for name in ("a", "b", "usr/bin"):
        (tree / name).mkdir(parents=True)
    put(tree, "a/tool", b"", 0o644)
    put(tree, "b/tool", b"#!/bin/echo found in\n")
    (tree / "bin/dir").mkdir()
    os.link(tree / "bin/busybox", tree / "usr/bin/echo")

    def found(path, word, *records):
        plan = launch.plan(root, *records, argv=(word,))
        plan[-2] = ("env", f"PATH={path}") if path is not None else ("env", "X=1")
        with launch.start(plan) as process:
            out, err = process.communicate()
        return out or err

    if os.getuid() != 0:
        assert found("/none:/a:/b:/bin", "tool") == "found in /b/tool\n"
    assert found("/b:/a", "tool") == "found in /b/tool\n"
    assert found("/bin::/a", "tool", ("cwd", "/b", "refuse")) == "found in ./tool\n"
    assert found("/b:", "./tool", ("cwd", "/b", "refuse")) == "found in ./tool\n"
    assert found(None, "echo") == "\n"
    assert 'no program "tool" inside in any directory of PATH ()' in found("", "tool")
    assert "no program" in found("/" + "x" * 9000, "tool")


@pytest.mark.parametrize("status", [0, 1, 7, 125, 126, 127, 255])
def test_the_exit_status_is_the_payloads(status, launch, roots, both_ways):
    done = launch.run(roots.record("ro"), argv=("sh", "-c", f"exit {status}"), without=both_ways)
    assert (done.returncode, done.stderr) == (status, "")


@pytest.mark.parametrize("kind", ["ro", "memory", "overlay"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP, signal.SIGSEGV])
def test_signals_are_the_payloads(number, kind, launch, roots):
    plan = launch.plan(roots.record(kind), argv=("sh", "-c", "echo ready; exec sleep 60"))
    with launch.start(plan) as process:
        process.stdout.readline()
        process.send_signal(number)
        assert process.wait(timeout=10) == -number
    assert not os.path.exists(f"/proc/{process.pid}")


def test_the_payload_handles_signals_itself(launch, roots):
    plan = launch.plan(
        roots.record("ro"), argv=("sh", "-c", "trap 'echo got; exit 3' TERM; echo ready; while :; do sleep 0.05; done")
    )
    with launch.start(plan) as process:
        process.stdout.readline()
        process.terminate()
        assert process.communicate(timeout=10)[0] == "got\n"
    assert process.returncode == 3


def test_stop_and_continue(launch, roots):
    plan = launch.plan(roots.record("ro"), argv=("sh", "-c", "echo ready; read x; echo $x"))
    with launch.start(plan, stdin=subprocess.PIPE) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
        process.send_signal(signal.SIGCONT)
        assert os.WIFCONTINUED(os.waitpid(process.pid, os.WCONTINUED)[1])
        assert process.communicate("on\n", timeout=10)[0] == "on\n"


def test_dispositions_and_mask_are_the_callers(launch, roots):
    def caller():
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])

    said = launch.out(
        roots.record("ro"),
        PROC,
        argv=("grep", "-E", "Sig(Blk|Ign|Cgt)", "/proc/self/status"),
        preexec_fn=caller,
        restore_signals=False,
    )
    values = {line.split()[0]: int(line.split()[1], 16) for line in said.splitlines()}
    assert values["SigIgn:"] & 1 << (signal.SIGUSR1 - 1)
    assert values["SigBlk:"] == 1 << (signal.SIGUSR2 - 1)
    assert values["SigCgt:"] == 0


def test_nothing_stays_but_the_payload(launch, roots):
    """The process that was started is the payload: same pid, its own name, no parent in between, no child."""
    script = "echo $$ $PPID; cat /proc/$$/comm /proc/$$/task/$$/children; true"
    plan = launch.plan(roots.record("memory"), PROC, argv=("sh", "-c", script))
    with launch.start(plan) as process:
        out = process.communicate()[0].split()
    assert out[:3] == [str(process.pid), str(os.getpid()), "sh"]
    assert len(out) == 4  # the only child is cat itself


def test_streams_byte_for_byte(launch, roots):
    """100 MB through the payload, every byte value, both ends at once; the messages' stream is its own."""
    size, block = 100 << 20, bytes(range(256)) * 4096
    plan = launch.plan(roots.record("memory"), argv=("sh", "-c", "echo talk >&2; cat"))
    with launch.start(plan, text=False, stdin=subprocess.PIPE) as process:
        sent, received, count = hashlib.sha256(), hashlib.sha256(), 0

        def feed():
            for _ in range(size // len(block)):
                process.stdin.write(block)
                sent.update(block)
            process.stdin.close()

        feeder = threading.Thread(target=feed)
        feeder.start()
        while data := process.stdout.read(1 << 20):
            received.update(data)
            count += len(data)
        feeder.join()
        assert (count, received.digest()) == (size, sent.digest())
        assert process.stderr.read() == b"talk\n"
    assert process.returncode == 0


def test_a_closed_pipe_ends_the_payload(launch, roots):
    plan = launch.plan(roots.record("ro"), argv=("sh", "-c", "while echo y; do :; done"))
    with launch.start(plan, restore_signals=True) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=10) in (-signal.SIGPIPE, 128 + signal.SIGPIPE)
        process.stdout = None


@pytest.mark.parametrize("kind", ["ro", "memory"])
def test_many_starts_at_once(kind, launch, roots, tmp_path):
    """200 at a time from one plan over one tree; each sees its own changes only."""
    binds = [
        ("bind", str(tmp_path), "/new/name", ""),
        ("tmpfs", "/tmp", "1777", "0", ""),
        ("file", "/etc/hosts", "644", "", "given\n"),
    ]
    path = launch.write(launch.plan(roots.record(kind), *binds, argv=("sh", "-c", "echo $0 > /tmp/x; cat /tmp/x /etc/hosts")))
    running = [
        subprocess.Popen([launch.program, str(path), str(i)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for i in range(200)
    ]
    for i, process in enumerate(running):
        with process:
            assert process.communicate(timeout=60) == (f"{i}\ngiven\n", "")
        assert process.returncode == 0
    assert not (roots.tree / "new").exists()


def test_the_memory_of_a_start(launch, roots):
    """What the kernel still accounts to the process at exec is small: the tables of the program are not touched."""
    path = launch.write(launch.plan(roots.record("memory"), PROC, argv=("true",)))
    pid = os.posix_spawn(
        launch.program, [launch.program, "--check", str(path)], os.environ, file_actions=[(os.POSIX_SPAWN_CLOSE, 1)]
    )
    _, status, usage = os.wait4(pid, 0)
    assert usage.ru_maxrss < max(2000, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + 500)
    assert os.WEXITSTATUS(status) == 125  # nobody could read the records
    assert os.path.getsize(launch.program) < 1_000_000


def test_leftovers(launch, roots, tmp_path):
    """No file, no directory, no mount is left anywhere, however the payload ended."""
    before = sorted(os.listdir(tmp_path)), open_mounts()
    for kind in ("ro", "memory", "overlay"):
        plan = launch.plan(roots.record(kind), ("bind", str(tmp_path), "/a/b", ""), argv=("sleep", "60"))
        with launch.start(plan) as process:
            time.sleep(0.05)
            process.kill()
    assert (sorted(os.listdir(tmp_path)), open_mounts()) == before


def open_mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as stream:
        return stream.read()
