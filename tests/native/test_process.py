"""What the payload's process is given: environment, directory, limits, descriptors, arguments."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from sampan.engine.encoding import encode

PROC = ("bind", "/proc", "/proc", "")
KINDS = ["ro", "rw", "memory", "overlay"]


def test_environment(launch, roots):
    caller = {
        "HOME": "/h",
        "SLURM_ID": "7",
        "SLURM_N": "",
        "OTHER": "x",
        "PATH": "/usr/bin:/bin",
        "LANG": "C",
        "SLURMX": "no",
        "ODD": "a=b",
    }
    records = [
        ("env", "FIRST=1"), ("env", "FIRST=2"), ("env-from", "HOME"), ("env-from", "ABSENT"), ("env-from", "SLUR"), ("env", "LANG=image"),
        ("env-from", "LANG"), ("env-prefix", "SLURM_"), ("env", "SLURM_ID=8"), ("env", "GONE=1"), ("env-unset", "GONE"), ("env-unset", "NEVER"),
        ("env-from", "ODD"), ("env", "EMPTY="), ("env", "MULTI=a\nb"), ("env", "BACK=1"), ("env-unset", "BACK"), ("env", "BACK=2"),
    ]  # fmt: skip
    said = launch.out(roots.record("ro"), *records, argv=("env",), env=caller)
    assert said.splitlines() == [
        "FIRST=2", "HOME=/h", "LANG=C", "SLURM_ID=8", "SLURM_N=", "ODD=a=b", "EMPTY=", "MULTI=a", "b", "BACK=2", "PATH=/bin",
    ]  # fmt: skip


def test_the_environment_is_bytes(launch, roots):
    plan = launch.plan(roots.record("ro"), ("env", "A=\udcff\x01"), ("env-prefix", "B"), argv=("env",))
    with launch.start(plan, text=False, env={b"B\xfe": b"\xfd", b"PATH": b"/usr/bin:/bin"}) as process:
        assert process.communicate()[0] == b"A=\xff\x01\nB\xfe=\xfd\nPATH=/bin\n"


def test_a_large_environment(launch, roots):
    caller = {f"V{i}": "x" * 50 for i in range(5000)}
    many = [("env", f"W{i}=") for i in range(30000)] + [("env-unset", f"W{i}") for i in range(29999)]
    assert launch.out(roots.record("ro"), *many, argv=("env",)) == "W29999=\nPATH=/bin\n"
    assert (
        launch.sh(roots.record("ro"), ("env-prefix", "V"), script="env | grep -c ^V", env={**caller, "PATH": "/bin"}) == "5000\n"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_fixed_directory(kind, launch, roots, both_ways):
    root = roots.record(kind)
    (roots.tree / "link").symlink_to("/etc")

    def where(path, fallback):
        return launch.sh(root, ("cwd", path, fallback), script="pwd -P", without=both_ways)

    assert where("/etc", "refuse") == "/etc\n"
    assert where("/link", "refuse") == "/etc\n"
    assert where("/../etc/..//usr", "refuse") == "/usr\n"
    assert where("/none", "/usr/lib") == "/usr/lib\n"
    assert where("/etc/hosts", "/usr/lib") == "/usr/lib\n"
    assert launch.refused(root, ("cwd", "/none", "refuse")).endswith(": the directory /none does not exist inside\n")
    assert launch.refused(root, ("cwd", "/etc/hosts", "refuse")).endswith(": /etc/hosts is not a directory inside\n")
    assert launch.refused(root, ("cwd", "/none", "/neither")).endswith(": the directory /neither does not exist inside\n")
    assert where("/made/deep", "create") == "/made/deep\n"


@pytest.mark.parametrize("target", ["/proc/self/fd/77", "/proc/self/cwd", "/proc/self/root/etc"])
def test_a_directory_outside_cannot_be_reached(target, launch, roots, both_ways):
    """A descriptor of the machine's root that the caller left open is no way out."""
    fd = os.open("/", os.O_RDONLY)
    os.dup2(fd, 77)
    os.close(fd)
    try:
        said = launch.refused(roots.record("ro"), PROC, ("cwd", target, "refuse"), pass_fds=[77], without=both_ways)
    finally:
        os.close(77)
    assert f"{target} cannot be reached inside the image: " in said


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "mine").write_text("x")
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_the_callers_directory_is_bound(kind, launch, roots, work, both_ways):
    before = sorted(os.listdir(roots.upper))
    said = launch.sh(
        roots.record(kind), ("cwd-caller", "bind", "/"), script="pwd -P; echo y > result; ls", cwd=work, without=both_ways
    )
    assert said == f"{work}\nmine\nresult\n"
    assert (work / "result").read_text() == "y\n"
    assert sorted(os.listdir(roots.upper)) == before


@pytest.mark.parametrize("flags", ["", "bind"])
def test_the_callers_directory_is_visible_already(flags, launch, roots, work):
    bind = ("bind", str(work.parent), str(work.parent), "")
    mounts = "grep -c . /proc/self/mountinfo"
    said = launch.sh(roots.record("ro"), PROC, bind, ("cwd-caller", flags, "/"), script=f"pwd -P; ls; {mounts}", cwd=work)
    plain = launch.sh(roots.record("ro"), PROC, bind, script=mounts)
    assert said == f"{work}\nmine\n{plain}"


def test_the_image_has_another_directory_there(launch, roots, work):
    inside = roots.tree / str(work)[1:]
    inside.mkdir(parents=True)
    (inside / "theirs").touch()
    done = launch.run(
        roots.record("ro"), ("image", "debian:12"), ("cwd-caller", "bind", "/etc"), argv=("sh", "-c", "pwd -P; ls"), cwd=work
    )
    assert (done.returncode, done.stdout) == (0, f"{work}\ntheirs\n")
    assert done.stderr == f"sampan: debian:12: {work} is the image's own directory here, not this machine's\n"
    assert launch.sh(roots.record("ro"), ("cwd-caller", "", "/etc"), script="pwd -P", cwd=work) == "/etc\n"


def test_the_callers_directory_is_the_root(launch, roots):
    assert launch.sh(roots.record("ro"), ("cwd-caller", "bind", "/etc"), script="pwd -P", cwd="/") == "/\n"


def test_the_callers_directory_is_not_visible_or_gone(launch, roots, work):
    assert launch.sh(roots.record("ro"), ("cwd-caller", "", "/etc"), script="pwd -P", cwd=work) == "/etc\n"
    assert "the directory /none does not exist inside" in launch.refused(
        roots.record("ro"), ("cwd-caller", "", "/none"), cwd=work
    )
    plan = launch.plan(roots.record("ro"), ("cwd-caller", "bind", "/etc"), argv=("pwd", "-P"))
    script = f'rmdir {work}/gone && exec "$@"'
    (work / "gone").mkdir()
    with launch.start(plan, prefix=["sh", "-c", script, "sh"], cwd=work / "gone") as process:
        assert process.communicate()[0] == "/etc\n"


def test_the_callers_directory_through_a_link(launch, roots, work, tmp_path):
    (tmp_path / "link").symlink_to(work)
    said = launch.sh(roots.record("ro"), ("cwd-caller", "bind", "/"), script="pwd -P; ls", cwd=tmp_path / "link")
    assert said == f"{work}\nmine\n"


@pytest.mark.parametrize("kind", KINDS)
def test_another_bind_has_another_directory_there(kind, launch, roots, work, tmp_path):
    """The name that was planned for the caller's directory is covered by then."""
    other = tmp_path / "other" / "here"
    other.mkdir(parents=True)
    (other / "theirs").touch()
    bind = ("bind", str(other.parent), str(work.parent), "")
    done = launch.run(roots.record(kind), bind, ("cwd-caller", "bind", "/etc"), argv=("sh", "-c", "pwd -P; ls"), cwd=work)
    assert done.stdout == f"{work}\ntheirs\n"
    assert f"{work} is the image's own directory here" in done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_bind_below_the_callers_directory(kind, launch, roots, work, tmp_path, both_ways):
    """It is not covered by the caller's directory, which is bound first; and nothing is made in that."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/theirs").touch()
    (work / "in").mkdir()
    here = ("cwd-caller", "bind", "/")
    bind = ("bind", str(tmp_path / "data"), f"{work}/in", "")
    assert (
        launch.sh(roots.record(kind), here, bind, script="pwd -P; ls . in", cwd=work, without=both_ways)
        == f"{work}\n.:\nin\nmine\n\nin:\ntheirs\n"
    )
    if kind == "rw":  # by now the copy has a directory of its own there
        (roots.tree / str(work)[1:]).rmdir()
    said = launch.refused(roots.record(kind), here, (*bind[:2], f"{work}/new", ""), cwd=work, without=both_ways)
    assert f"hint: make {work}/new on this machine first" in said
    above = ("bind", str(tmp_path), str(tmp_path), "")
    assert (
        launch.sh(roots.record(kind), here, above, bind, script="pwd -P; ls . in", cwd=work)
        == f"{work}\n.:\nin\nmine\n\nin:\ntheirs\n"
    )


def test_a_file_of_the_image_stands_in_the_way(launch, roots, work):
    (roots.tree / str(work.parent)[1:]).mkdir(parents=True)
    (roots.tree / str(work)[1:]).touch()
    assert launch.sh(roots.record("ro"), ("cwd-caller", "bind", "/etc"), script="pwd -P", cwd=work) == "/etc\n"


def test_umask(launch, roots):
    for mask in (0o022, 0o077, 0):
        assert launch.sh(roots.record("ro"), script="umask", umask=mask) == f"{mask:04o}\n"
    script = "umask; > /tmp/x; stat -c %a /tmp/x"
    assert launch.sh(roots.record("memory"), ("umask", "0027"), script=script, umask=0o022) == "0027\n640\n"


def test_limits(launch, roots):
    records = [("limit", "nofile", "50", "60"), ("limit", "core", "0", "0"), ("limit", "stack", "4194304", "unlimited")]
    for limit in (
        "as",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
    ):
        soft, hard = (str(v) if v != resource.RLIM_INFINITY else "unlimited" for v in resource.getrlimit(NUMBERS[limit]))
        records.append(("limit", limit, soft, hard))
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    records[2] = ("limit", "stack", "4194304", "unlimited" if hard == resource.RLIM_INFINITY else str(hard))
    said = launch.sh(roots.record("ro"), *records, script="ulimit -n; ulimit -H -n; ulimit -c; ulimit -s")
    assert said == "50\n60\n0\n4096\n"
    high = resource.getrlimit(resource.RLIMIT_NOFILE)[1] + 1
    if os.getuid() != 0:
        said = launch.refused(roots.record("ro"), ("limit", "nofile", "10", str(high)))
        assert f"the limit nofile cannot be 10 (hard {high}): an ordinary user cannot raise it" in said
    assert "the limit nofile cannot be 11 (hard 10): Invalid argument" in launch.refused(
        roots.record("ro"), ("limit", "nofile", "11", "10")
    )


NUMBERS = {
    "cpu": 0, "fsize": 1, "data": 2, "stack": 3, "core": 4, "rss": 5, "nproc": 6, "nofile": 7, "memlock": 8, "as": 9, "locks": 10,
    "sigpending": 11, "msgqueue": 12, "nice": 13, "rtprio": 14, "rttime": 15,
}  # fmt: skip


def test_a_low_limit_does_not_hit_the_start_itself(launch, roots, tmp_path):
    binds = [("bind", str(tmp_path), f"/b/{i}", "") for i in range(30)]
    assert launch.sh(roots.record("ro"), ("limit", "nofile", "8", "8"), *binds, script="ulimit -n") == "8\n"


def test_processors(launch, roots):
    own = sorted(os.sched_getaffinity(0))
    script = "grep Cpus_allowed_list /proc/self/status"
    assert launch.sh(roots.record("ro"), PROC, ("cpus", str(own[0])), script=script).split() == [
        "Cpus_allowed_list:",
        str(own[0]),
    ]
    everything = ("cpus", "0-1023,8191")
    assert launch.sh(roots.record("ro"), PROC, everything, script=script) == launch.sh(roots.record("ro"), PROC, script=script)
    assert "it cannot run on the processors 8000-8191" in launch.refused(roots.record("ro"), ("cpus", "8000-8191"))


def descriptors(launch, roots, *records, keep=(), **options):
    """The descriptors above 2 that the payload has; the shell itself opens none but its script's directory."""
    done = launch.run(roots.record("ro"), PROC, *records, argv=("ls", "/proc/self/fd"), pass_fds=keep, **options)
    assert done.returncode == 0, done.stderr
    found = {int(name) for name in done.stdout.split()} - {0, 1, 2}
    return found - {min(set(range(3, 99)) - set(keep))}  # the directory that ls lists


@pytest.fixture
def open_files(tmp_path):
    """Descriptors 60 to 65, open for the caller; far above those that pytest itself uses."""
    numbers = list(range(60, 66))
    fd = os.open(tmp_path, os.O_RDONLY)
    for number in numbers:
        os.dup2(fd, number)
    os.close(fd)
    yield numbers
    for number in numbers:
        os.close(number)


def test_inherited_descriptors_stay_and_none_of_ours_is_added(launch, roots, open_files, both_ways):
    assert descriptors(launch, roots, without=both_ways) == set()
    assert descriptors(launch, roots, keep=open_files, without=both_ways) == set(open_files)


@pytest.mark.parametrize(
    ("kept", "left"), [("", []), ("61", [61]), ("65,60", [60, 65]), ("60,61,62,63,64,65", range(60, 66)), ("62,99", [62])]
)
def test_chosen_descriptors(kept, left, launch, roots, open_files, both_ways):
    assert descriptors(launch, roots, ("fds", kept), keep=open_files, without=both_ways) == set(left)


def test_the_descriptor_of_the_plan_is_closed(program, launch, roots):
    fd = os.memfd_create("plan", 0)
    os.write(fd, encode(launch.plan(roots.record("ro"), PROC, argv=("ls", "/proc/self/fd"))))
    done = subprocess.run([program, f"--fd={fd}"], pass_fds=[fd], capture_output=True, text=True)
    os.close(fd)
    assert (done.returncode, done.stdout) == (0, "0\n1\n2\n3\n")


def test_a_plan_from_a_pipe(program, launch, roots):
    read, write = os.pipe()
    os.write(write, encode(launch.plan(roots.record("ro"), argv=("echo", "a"))))
    os.close(write)
    done = subprocess.run([program, f"--fd={read}", "b"], pass_fds=[read], capture_output=True, text=True)
    os.close(read)
    assert (done.returncode, done.stdout) == (0, "a b\n")


def test_closed_standard_streams(launch, roots):
    plan = launch.plan(roots.record("ro"), PROC, argv=("ls", "/proc/self/fd"))
    with launch.start(plan, prefix=["sh", "-c", 'exec "$@" <&- 2>&-', "sh"]) as process:
        assert process.communicate()[0] == "0\n1\n"


def test_no_new_privileges(launch, roots):
    script = "grep NoNewPrivs /proc/self/status"
    assert launch.sh(roots.record("ro"), PROC, script=script).split()[1] == "0"
    assert launch.sh(roots.record("ro"), PROC, ("no-new-privs",), script=script).split()[1] == "1"


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stream:
            return stream.read().split()[2] not in "ZX"
    except OSError:
        return False


def survives_its_parent(launch, roots, *records):
    plan = launch.plan(roots.record("ro"), *records, argv=("sleep", "60"))
    parent = '"$@" >/dev/null 2>&1 </dev/null & echo $!; read wait'
    with launch.start(plan, prefix=["sh", "-c", parent, "sh"], stdin=subprocess.PIPE) as process:
        pid = int(process.stdout.readline())
        while Path(f"/proc/{pid}/comm").read_text() != "sleep\n":
            time.sleep(0.01)
        process.kill()
        deadline = time.monotonic() + 0.5
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        lives = alive(pid)
        if lives:
            os.kill(pid, signal.SIGKILL)
        return lives


def test_a_payload_survives_its_parent_unless_tied_to_it(launch, roots):
    assert survives_its_parent(launch, roots)
    assert not survives_its_parent(launch, roots, ("die-with-parent",))


@pytest.mark.parametrize(
    ("records", "given", "words"),
    [
        ([], [], ""),
        ([], ["a", "b c", ""], "a|b c||"),
        ([("default-arg", "d"), ("default-arg", "")], [], "d||"),
        ([("default-arg", "d")], ["a"], "d|a|"),
        ([("default-arg", "d"), ("args", "append")], ["a"], "d|a|"),
        ([("default-arg", "d"), ("args", "replace")], ["a"], "a|"),
        ([("default-arg", "d"), ("args", "replace")], [], "d|"),
        ([("default-arg", "d"), ("args", "refuse")], [], "d|"),
        ([("args", "append")], ["--check", "--fd=3"], "--check|--fd=3|"),
    ],
)
def test_arguments(records, given, words, launch, roots):
    script = 'for w in "$@"; do printf \'%s|\' "$w"; done'
    assert launch.out(roots.record("ro"), *records, argv=("sh", "-c", script, "sh"), arguments=given) == words


def test_a_command_that_only_defaults_or_the_caller_name(launch, roots):
    """An image with a CMD and no ENTRYPOINT."""
    root, command = roots.record("ro"), [("default-arg", "echo"), ("default-arg", "default"), ("args", "replace")]
    assert launch.out(root, *command, argv=()) == "default\n"
    assert launch.out(root, *command, argv=(), arguments=["echo", "given"]) == "given\n"
    said = launch.refused(root, argv=())
    assert said.endswith(": it has no command of its own, and was given none\nhint: name a program behind it\n")
    assert launch.refused(root, argv=(), arguments=[""], status=127).endswith(": the name of the program is empty\n")


def test_arguments_can_be_refused(launch, roots):
    assert 'it takes no arguments, and was given "x"' in launch.refused(
        roots.record("ro"), ("args", "refuse"), arguments=["x", "y"]
    )
