"""The engine of intercepted calls in the product: chosen where namespaces are refused, and what it promises of the writable part."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace

import pytest

from tests.engines.shells import Shelled

pytestmark = pytest.mark.usefixtures("needs_intercept")

# Every way to change a file or directory that one can name or has open; prints those that did not fail.
CHANGES = r"""
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
os.chdir("/usr/bin")
opened, root = os.open("bash", os.O_RDONLY), os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
path = os.open("bash", os.O_PATH)
def call(number, *words):
    if libc.syscall(number, *words) < 0:
        raise OSError(ctypes.get_errno(), "")
def bind():
    socket.socket(socket.AF_UNIX).bind("/etc/socket")
ways = {
    "open": lambda: os.open("bash", os.O_WRONLY), "truncate": lambda: os.truncate("bash", 0), "open O_TRUNC": lambda: os.open("bash", os.O_RDONLY | os.O_TRUNC),
    "create": lambda: os.open("/etc/new", os.O_CREAT | os.O_WRONLY), "tmpfile": lambda: os.open("/etc", os.O_TMPFILE | os.O_RDWR),
    "mkdir": lambda: os.mkdir("/etc/new"), "rmdir": lambda: os.rmdir("/root"), "unlink": lambda: os.unlink("bash"),
    "rename": lambda: os.rename("bash", "hsab"), "rename out": lambda: os.rename("bash", "/run/bash"), "rename in": lambda: os.rename("/run/own", "/etc/own"),
    "link": lambda: os.link("bash", "hsab"), "link out": lambda: os.link("bash", "/run/bash"), "link to tmp": lambda: os.link("bash", os.environ["HOME"] + "/bash"),
    "link a descriptor out": lambda: os.link(f"/proc/self/fd/{opened}", "/run/bash", follow_symlinks=True),
    "link AT_EMPTY_PATH": lambda: call(265, path, b"", -100, b"/run/bash", 0x1000),
    "symlink": lambda: os.symlink("x", "/etc/new"), "mknod": lambda: os.mkfifo("/etc/new"), "socket": bind,
    "chmod": lambda: os.chmod("bash", 0o700), "chown": lambda: os.chown("bash", os.getuid(), -1), "utime": lambda: os.utime("bash"),
    "lutime": lambda: os.utime("/bin", follow_symlinks=False), "setxattr": lambda: os.setxattr("bash", "user.x", b"y"),
    "fchmod": lambda: os.fchmod(opened, 0o700), "fchown": lambda: os.fchown(opened, os.getuid(), -1), "futime": lambda: os.utime(opened),
    "fsetxattr": lambda: os.setxattr(opened, "user.x", b"y"), "fchmod of a directory": lambda: os.fchmod(root, 0o700),
    "chmod by /proc": lambda: os.chmod(f"/proc/self/fd/{opened}", 0o700), "open by /proc": lambda: os.open(f"/proc/self/fd/{opened}", os.O_RDWR),
    "open O_PATH by /proc": lambda: os.open(f"/proc/self/fd/{path}", os.O_WRONLY), "truncate by /dev/fd": lambda: os.truncate(f"/dev/fd/{opened}", 0),
    "create by a directory": lambda: os.open("new", os.O_CREAT | os.O_WRONLY, dir_fd=root), "unlink by a directory": lambda: os.unlink("passwd", dir_fd=root),
    "through /proc/self/root": lambda: os.open("/proc/self/root/etc/new", os.O_CREAT | os.O_WRONLY),
    "through /proc/self/cwd": lambda: os.open("/proc/self/cwd/new", os.O_CREAT | os.O_WRONLY),
    "fallocate": lambda: call(285, opened, 0, 0, 10), "flags by ioctl": lambda: call(16, opened, 0x40086602, ctypes.byref(ctypes.c_long(0x40))),
    "openat2": lambda: call(437, -100, b"/etc/new", ctypes.byref((ctypes.c_uint64 * 3)(0o101, 0o600, 0)), 24),
    "fchmodat2": lambda: call(452, path, b"", 0o700, 0x1000), "setxattrat": lambda: call(463, -100, b"bash", 0, b"user.x", 0, 0),
    "swap": lambda: call(316, -100, b"bash", -100, b"cat", 2),
}
open("/run/own", "w").close()
for name, way in ways.items():
    try:
        way()
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EXDEV, errno.EBADF, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.ENOENT, errno.EPERM, errno.ENOTTY, errno.EACCES):
            print(name, errno.errorcode[error.errno])
    else:
        print(name, "worked")
print("all tried")
"""


@pytest.fixture(scope="session")
def needs_intercept():
    from tests.engines.conftest import PROBES

    if PROBES["intercept"][0] is None:
        pytest.skip(f"the engine intercept does not work here: {PROBES['intercept'][1]}")


@pytest.fixture
def inside(shared_sampan, shells, tmp_path):
    """`inside(SHELL)` is the command in such a shell, with no engine named."""

    def make(shell: str, **changes) -> Shelled:
        if shell not in shells:
            pytest.skip(f"such a shell cannot be had here: {shell}")
        own = {"SAMPAN_RUNTIME_DIR": str(tmp_path / "runtime")}
        return Shelled(
            home=changes.get("home", shared_sampan.home),
            directory=tmp_path,
            image=shared_sampan.image,
            variables=own,
            shell=shells[shell],
        )

    return make


@pytest.mark.parametrize("shell", ["no user namespaces", "an outer filter"])
def test_it_is_taken_where_namespaces_are_refused(inside, shell):
    sampan = inside(shell)
    done = sampan.run("sh", "-c", "grep Seccomp: /proc/self/status; id -u")
    assert done.status == 0, done.err
    assert done.lines == ["Seccomp:\t2", str(os.getuid())]
    assert "nothing but /run, /var/tmp" in done.err
    doctor = sampan("doctor")
    assert doctor.status == 0
    assert "no    engine namespace: " in doctor.text
    assert "ok    engine intercept: " in doctor.text
    if shell == "no user namespaces":
        assert "user namespaces are limited to 0 (user.max_user_namespaces)" in doctor.text


def test_namespaces_are_taken_where_they_work(inside):
    from tests.engines.conftest import PROBES

    if PROBES["namespace"][0] is None:
        pytest.skip("they do not work here")
    assert inside("a free shell").run("--dry-run", "--", "true").lines[0] == "engine      namespace"


def test_what_it_cannot_do_is_refused_by_name(inside):
    sampan = inside("no user namespaces")
    for words, sentence in (
        (("--network", "none"), "--network none"),
        (("--hostname", "x"), "--hostname"),
        (("--isolate",), "--isolate"),
        (("--tmpfs", "/x:size=1m"), "--tmpfs ...:size"),
    ):
        done = sampan.run(*words, "--", "true")
        assert (done.status, sentence in done.err) == (125, True), done.err


def test_no_engine_and_every_reason(inside):
    done = inside("no filters either").run("true")
    assert done.status == 125
    assert "no engine works on this machine: namespace: " in done.err
    assert "intercept: the kernel or a policy refuses seccomp filters" in done.err
    assert "Traceback" not in done.err


def test_too_few_descriptors(inside):
    sampan = replace(inside("a free shell"), shell=("prlimit", "--nofile=60"))
    done = sampan.run("--engine", "intercept", "--", "true")
    assert (done.status, "the limit of open files is too small" in done.err) == (125, True), done.err


@pytest.mark.parametrize("shell", ["no user namespaces", "an outer filter without openat2"])
@pytest.mark.parametrize("options", [(), ("--read-only",), ("--root",)], ids=["plain", "read-only", "root"])
def test_a_shared_tree_is_never_changed(inside, shared_sampan, options, shell):
    """The tree's files are hard links shared with other trees, so the engine itself refuses every change."""
    sampan = inside(shell)
    before = fingerprint(shared_sampan.home)
    done = sampan.run("--tmpfs", "/run", *options, "--", "python3", "-c", CHANGES)
    assert done.status == 0, done.err
    assert done.lines == ["all tried"]
    assert fingerprint(shared_sampan.home) == before


def fingerprint(home):
    """Names, inodes, link counts, modes, times and sizes of all files of all trees."""
    found = []
    for place, _, names in os.walk(home / "trees"):
        for name in ("", *names):
            path = os.path.join(place, name)
            state = os.lstat(path)
            if name != "used":
                times = state.st_mtime_ns, state.st_ctime_ns
                found.append((path, state.st_ino, state.st_nlink, state.st_mode, state.st_size, *times))
    return sorted(found)


@pytest.fixture
def own(inside, tmp_path, machine_reference):
    """The command in a shell without user namespaces, with a store of its own."""
    found = inside("no user namespaces", home=tmp_path / "store")
    found.good("pull", machine_reference)
    return found


def test_a_named_container_is_a_private_copy(own, shared_sampan):
    made = own("create", "--name", "copy", own.image, "sh", "-c", "echo more >> /state; cat /state; chmod 700 /usr/bin/hello")
    assert (made.status, "a private copy of" in made.err) == (0, True), made.err
    before = fingerprint(own.home)
    assert [own.good("start", "copy").text for _ in range(2)] == ["more\n", "more\nmore\n"]
    assert fingerprint(own.home) == before
    assert own.good("rm", "copy").text == "copy\n"


def test_root_in_a_private_copy_keeps_owners(own):
    """Owners and modes come from the image, and what is changed is there at the next start."""
    script = "set -e; cd /root; touch f; chown 7:8 f; chmod 4755 f; mknod null c 1 3; chown -h 9 /bin; stat -c '%u:%g %a %F' f null /usr/bin/hello /bin"
    own.good("create", "--root", "--name", "copy", own.image, "sh", "-c", script)
    first = own.good("start", "copy").lines
    assert first[:2] == ["7:8 4755 regular empty file", "0:0 644 character special file"]
    again = own.good("start", "copy", "sh", "-c", "cd /root; stat -c '%u:%g %a %F' f null /usr/bin/hello /bin; ls -n /home").lines
    assert again[:4] == first


def test_gc_spares_the_tree_of_a_running_container(own):
    """In a shell of the same user namespace, as all shells of a node that grants none; a stranger's may not be looked into."""
    own = replace(own, shell=(), options=("--engine", "intercept"))
    with own.popen("run", *own.options, own.image, "sh", "-c", "echo up; exec sleep 100", stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"up\n"
            for mark in (own.home / "trees").glob("*/used"):
                os.utime(mark, (1, 1))
            own("rmi", own.image)
            assert len(list((own.home / "trees").glob("*/rootfs"))) == 1
        finally:
            process.kill()


def test_a_launch_file_needs_no_namespaces(own, tmp_path):
    own.good("wrap", "-o", tmp_path / "tool", own.image, "sh", "-c", 'echo "$0" "$@"')
    done = subprocess.run([*own.shell, tmp_path / "tool", "a", "b"], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "a b\n")


def test_landlock_and_trace(inside):
    sampan = inside("no user namespaces")
    done = sampan.run("--landlock", "--", "sh", "-c", "cat /etc/passwd > copy && wc -l < copy")
    assert done.status == 0, done.err
    traced = sampan.run("--engine-trace", "--", "cat", "/etc/passwd")
    assert any("openat(" in line and '"/etc/passwd"' in line for line in traced.err.splitlines()), traced.err[-500:]
    plain = replace(sampan, options=("--engine", "namespace"), shell=())
    assert "prints none" in plain.run("--engine-trace", "--dry-run", "--", "true").text


def test_sampan_inside_sampan(inside):
    """The command runs in its own container, and starts another one there: host paths are then those of the outer container."""
    sampan = inside("no user namespaces")
    import sampan as package

    source = os.path.dirname(os.path.dirname(package.__file__))
    programs = os.environ.get("SAMPAN_PROGRAMS", "")
    names = {"PYTHONPATH": source, "SAMPAN_HOME": str(sampan.home), "SAMPAN_RUNTIME_DIR": str(sampan.directory / "inner")}
    if programs:
        names["SAMPAN_PROGRAMS"] = os.path.abspath(programs)
    settings = [word for name, value in names.items() for word in ("-e", f"{name}={value}")]
    binds = [
        word for place in {source, str(sampan.home), names.get("SAMPAN_PROGRAMS", source)} for word in ("-v", f"{place}:{place}")
    ]
    binds += ["-v", f"{source}:/var/tmp/outer/only"]  # it lies in the outer container's root, which is the inner one's tree too
    look = "id -u; ls /usr/bin/hello; grep -c . /etc/os-release; test ! -e /var/tmp/outer"
    done = sampan.run(*binds, *settings, "--", "python3", "-m", "sampan", "run", sampan.image, "sh", "-c", look)
    assert done.status == 0, done.err
    assert done.lines[:2] == [str(os.getuid()), "/usr/bin/hello"]
