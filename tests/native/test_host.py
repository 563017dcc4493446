"""`root-host`: a program of this machine beside a watcher, and a launcher that says itself when the payload runs."""

from __future__ import annotations

import os
import subprocess

import pytest

from sampan.engine.encoding import encode
from tests.native.watching import Watched, alive, processes, until

HOST = ("root-host", "")
LAUNCHER = ("root-host", "launcher")
# In bash, since descriptors of two digits are beyond dash. Waits for /go, then fails with a sentence and a hint, or executes something that sleeps.
SLOW = 'until test -e {go}; do sleep 0.02; done; eval "exec $SAMPAN_READY>&-"; exec sleep {marker}'
BAD = 'printf "no such wonder\\nhint: look elsewhere\\n" >&$SAMPAN_READY; exit 126'


@pytest.fixture
def host(program, tmp_path):
    """Runs records behind `root-host` from a file of their own."""

    def run(*records, argv, root=HOST, **options):
        path = tmp_path / "launch"
        path.write_bytes(encode([("image", "x"), root, ("env-prefix", ""), *records, ("exec", *argv)]))
        options = {"capture_output": True, "text": True, "timeout": 60, "stdin": subprocess.DEVNULL, **options}
        return subprocess.run([program, str(path)], **options)

    return run


@pytest.fixture
def beside(launch, tmp_path):
    """A watcher beside a program of this machine."""

    class Beside(Watched):
        def plan(self, *records, flags="", limit="0", grace="2", stop="15", root=LAUNCHER, argv=("true",), **options):
            watch = ("watch", flags, str(options.get("directory", self.directory)), stop, grace, limit)
            return [("image", "x"), root, ("env-prefix", ""), watch, *records, ("exec", *argv)]

    made = Beside(launch, tmp_path / "container", LAUNCHER)
    yield made
    made.end()


def test_everything_is_the_machines(host, tmp_path):
    script = "pwd; readlink /proc/self/root; readlink /proc/self/ns/mnt; id -u; echo $WORD; umask"
    done = host(("env", "WORD=word"), ("umask", "027"), argv=("sh", "-c", script), cwd=tmp_path)
    assert done.stdout.splitlines() == [str(tmp_path), "/", os.readlink("/proc/self/ns/mnt"), str(os.getuid()), "word", "0027"]
    assert host(("cwd", "/usr/lib", "refuse"), argv=("pwd",)).stdout == "/usr/lib\n"
    assert host(("cwd", "/no/such", "/usr"), argv=("pwd",)).stdout == "/usr\n"


def test_what_cannot_be_run_is_missing_on_this_machine(host):
    done = host(argv=("none-such",))
    assert (done.returncode, 'there is no program "none-such" on this machine' in done.stderr) == (127, True)


@pytest.mark.parametrize(
    "record",
    [("bind", "/a", "/b", ""), ("unshare", "user,mount"), ("uid-map", "0", "1", "1"), ("outside",), ("cwd-caller", "", "/"), ("user", "0", "0", ""),
     ("touch", "/x"), ("cwd", "/", "create"), ("hostname", "x"), ("root-tree", "/", "ro")],
)  # fmt: skip
def test_what_cannot_stand_beside_it(host, program, tmp_path, record):
    path = tmp_path / "launch"
    first = record[0] in ("unshare", "uid-map", "touch", "hostname")
    path.write_bytes(encode([*([record] if first else []), HOST, *([] if first else [record]), ("exec", "true")]))
    done = subprocess.run([program, "--check", str(path)], capture_output=True, text=True)
    assert (done.returncode, f'"{record[0]}"' in done.stderr) == (125, True), done.stderr


def test_the_watcher_watches_it(beside):
    beside.detach(root=HOST, script="echo out; echo err >&2; exit 3")
    assert beside.exit()["status"] == 3
    assert (beside.lines(), beside.lines("stderr")) == (["out"], ["err"])


def test_it_runs_when_the_launcher_has_executed_the_payload(beside, tmp_path, marker):
    go = tmp_path / "go"
    process = beside.start(("fds", ""), flags="detach,logs", argv=("bash", "-c", SLOW.format(go=go, marker=marker)))
    until(lambda: beside.has("payload"))
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    go.touch()
    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 0
    assert alive(beside.payload()["pid"])


@pytest.mark.parametrize("flags", ["", "logs", "detach,logs"])
def test_what_a_launcher_says_is_the_failure_of_the_start(beside, flags):
    done = beside.run(("fds", ""), flags=flags, argv=("bash", "-c", BAD))
    assert (done.returncode, done.stdout) == (126, "")
    assert done.stderr == "sampan: cannot start x: no such wonder\nhint: look elsewhere\n"
    found = beside.exit()
    assert (found["status"], found["reason"], found["message"]) == (126, "not-started", "no such wonder")


def test_a_launcher_that_is_not_there(beside):
    done = beside.run(("fds", ""), flags="detach,logs", argv=("/no/such/launcher",))
    assert (done.returncode, len(done.stderr.splitlines())) == (127, 1), done.stderr
    assert "there is no program /no/such/launcher on this machine" in done.stderr


def test_a_launcher_that_dies_silently(beside):
    beside.run(("fds", ""), flags="logs", argv=("sh", "-c", "exit 5"))
    assert beside.exit()["status"] == 5


def test_it_dies_with_the_watcher(beside, marker):
    found = beside.detach(argv=("bash", "-c", f'eval "exec $SAMPAN_READY>&-"; exec sleep {marker}'))
    os.kill(found["watcher"]["pid"], 9)
    until(lambda: not processes(marker))


def test_a_time_limit(beside, marker):
    done = beside.run(
        limit="0.3", grace="0.2", root=HOST, argv=("sh", "-c", f"trap '' TERM; (setsid sleep {marker} &) ; sleep {marker}")
    )
    assert done.returncode == 124
    until(lambda: not processes(marker))


def test_checks_are_told_whose_container_it_is(beside):
    words = ("sh", "-c", "pwd; echo $SAMPAN_PAYLOAD; echo $SAMPAN_READY.")
    sleeping = ("bash", "-c", 'eval "exec $SAMPAN_READY>&-"; exec sleep 60')
    found = beside.detach(("health", "0.1", "5", "1", "0", *words), ("cwd", "/usr", "refuse"), argv=sleeping)
    until(lambda: beside.has("health") and beside.read("health")["status"] == "healthy")
    assert beside.read("health")["output"].splitlines() == ["/usr", f"{found['pid']} {found['start']}", "."]
