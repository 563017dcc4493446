"""A built `sampan-run`, hand-made trees with busybox, and a way to start something from a launch file in one line.

No image and no store is needed: a tree is a directory with a static busybox. Everything runs as whoever runs the tests; as root some
refusals cannot be seen and are skipped.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest

from sampan.engine.encoding import encode
from tests.native.watching import Watched

ROOT = Path(__file__).parents[2]
BUSYBOX = "/bin/busybox"
APPLETS = [
    "sh",
    "ls",
    "cat",
    "echo",
    "id",
    "env",
    "pwd",
    "readlink",
    "stat",
    "mkdir",
    "rm",
    "rmdir",
    "mv",
    "ln",
    "touch",
    "true",
    "false",
    "mount",
    "umount",
    "grep",
    "wc",
    "dd",
    "sleep",
    "hostname",
    "cut",
    "kill",
    "test",
    "printf",
    "head",
    "sort",
    "find",
    "chmod",
    "df",
    "ip",
    "ifconfig",
    "tail",
    "dirname",
    "basename",
    "ps",
]
SANITIZE = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
# Every step that has a second way, switched to it.
OLD_KERNEL = "mount_setattr,openat2,pivot_root,close_range"


def load_build_hook():
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(directory, compiler=None, extra=None):
    patch = pytest.MonkeyPatch()
    if compiler:
        patch.setenv("CC", compiler)
    try:
        hook = load_build_hook()
        made = hook.build(str(directory)) if extra is None else hook.build(str(directory), extra)
    finally:
        patch.undo()
    if not made:
        pytest.skip("no C compiler")
    return made[0]


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """The program as it is shipped; or the one that SAMPAN_TEST_PROGRAM names, of another compiler or under a sanitizer."""
    return os.environ.get("SAMPAN_TEST_PROGRAM") or build(tmp_path_factory.mktemp("native"))


@pytest.fixture(scope="session")
def checked_program(tmp_path_factory):
    """The program under AddressSanitizer and UndefinedBehaviorSanitizer."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    return build(tmp_path_factory.mktemp("checked"), "gcc", SANITIZE)


@pytest.fixture(scope="session")
def compile_c(tmp_path_factory):
    """Compiles a test program of native/ together with parts of sampan-run, under the sanitizers."""

    def compile_one(name, *parts, extra=()):
        target = tmp_path_factory.mktemp("test-program") / Path(name).stem
        sources = [ROOT / "native" / name, *(ROOT / "native/sampan-run" / part for part in parts)]
        words = ["gcc", "-std=gnu11", *SANITIZE, "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", *extra]
        subprocess.run([*words, "-o", str(target), *map(str, sources)], check=True)
        return str(target)

    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    return compile_one


@pytest.fixture(scope="session")
def _busybox_tree(tmp_path_factory):
    if not os.path.exists(BUSYBOX):
        pytest.skip("busybox-static is not installed")
    tree = tmp_path_factory.mktemp("tree") / "rootfs"
    for name in ("bin", "dev", "proc", "sys", "tmp", "etc", "usr/lib", "mnt", "opt"):
        (tree / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, tree / "bin/busybox")
    for name in APPLETS:
        (tree / "bin" / name).symlink_to("busybox")
    (tree / "etc/passwd").write_text("root:x:0:0:::\n")
    (tree / "etc/hosts").write_text("of the image\n")
    (tree / "usr/lib/libimage").write_text("of the image\n")
    return tree


@pytest.fixture
def tree(_busybox_tree, tmp_path):
    """A fresh copy of the tree, its program linked."""
    target = tmp_path / "rootfs"
    shutil.copytree(_busybox_tree, target, symlinks=True, copy_function=os.link)
    for name in ("etc/passwd", "etc/hosts", "usr/lib/libimage"):
        content = (target / name).read_bytes()
        (target / name).unlink()
        (target / name).write_bytes(content)
    return target


def names_in(tree):
    return sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))


@pytest.fixture
def untouched(tree):
    """The tree holds the same names after the test as before it."""
    before = names_in(tree)
    yield tree
    assert names_in(tree) == before


class Launcher:
    """Runs plans. `records` are the root, mounts and process records; namespaces, PATH and `exec` are added."""

    def __init__(self, program, folder):
        self.program = program
        self.folder = folder
        self.count = 0

    def plan(self, *records, argv=("true",), spaces="user,mount", ids=None):
        uid, gid = (os.getuid(), os.getgid()) if ids is None else ids
        guards = [r for r in records if r[0] in ("owner", "image", "label", "touch")]
        networks = [r for r in records if r[0] in ("hostname", "loopback", "map-tools", "cgroup")]
        rest = [r for r in records if r not in guards + networks]
        maps = [("uid-map", str(uid), "caller", "1"), ("gid-map", str(gid), "caller", "1")]
        return [*guards, ("unshare", spaces), *maps, *networks, *rest, ("env", "PATH=/bin"), ("exec", *argv)]

    def write(self, records, header=b"sampan-launch 1", mode=0o644):
        self.count += 1
        path = self.folder / f"launch-{self.count}"
        path.write_bytes(encode(records, header))
        path.chmod(mode)
        return path

    def start(self, records, *arguments, without="", prefix=(), **options):
        """`prefix`: words of a program that starts sampan-run, `unshare` say."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        switch = [f"--without={without}"] if without else []
        return subprocess.Popen([*prefix, self.program, *switch, str(self.write(records)), *arguments], **options)

    def run(self, *records, argv=("true",), spaces="user,mount", ids=None, arguments=(), **options):
        plan = self.plan(*records, argv=argv, spaces=spaces, ids=ids)
        with self.start(plan, *arguments, **options) as process:
            out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(argv, process.returncode, out, err)

    def out(self, *records, argv, **options):
        """The standard output of something that must end well and say nothing on stderr."""
        done = self.run(*records, argv=argv, **options)
        assert (done.returncode, done.stderr) == (0, ""), (done, done.stderr)
        return done.stdout

    def sh(self, *records, script, **options):
        return self.out(*records, argv=("sh", "-c", script), **options)

    def refused(self, *records, status=125, **options):
        """The message of a start that must be refused."""
        done = self.run(*records, **options)
        assert done.returncode == status, (done, done.stderr)
        assert done.stderr.startswith("sampan: ")
        return done.stderr


@pytest.fixture
def launch(program, tmp_path):
    folder = tmp_path / "plans"
    folder.mkdir()
    yield Launcher(program, folder)
    # An overlay leaves a directory of mode 0000 in its work directory, which pytest could not remove.
    for depth in ("work/work", "*/work/work"):
        for path in tmp_path.glob(depth):
            path.chmod(0o700)


@pytest.fixture(params=["", OLD_KERNEL], ids=["new", "old"])
def both_ways(request):
    """The value of --without: once as the kernel is, once without every call that has a second way."""
    return request.param


class Roots:
    """The root record of each kind over one tree, and where its changes are kept."""

    def __init__(self, tree, folder):
        self.tree, self.upper, self.work = tree, folder / "upper", folder / "work"
        for path in (self.upper, self.work):
            path.mkdir()

    def record(self, kind):
        tree = str(self.tree)
        return {
            "ro": ("root-tree", tree, "ro"),
            "rw": ("root-tree", tree, "rw"),
            "memory": ("root-memory", tree, "0", "refuse"),
            "overlay": ("root-overlay", tree, str(self.upper), str(self.work), "refuse"),
        }[kind]


@pytest.fixture
def roots(tree, tmp_path):
    return Roots(tree, tmp_path)


@pytest.fixture
def marker(request, tmp_path):
    """A number that stands in the command line of processes of this test alone: for `sleep`."""
    return str(zlib.crc32(f"{request.node.nodeid} {tmp_path}".encode()) + 10_000_000)


@pytest.fixture
def watched(launch, roots, tmp_path):
    """A container with a watcher over a root in memory."""
    made = Watched(launch, tmp_path / "container", roots.record("memory"))
    yield made
    made.end()


as_user = pytest.mark.skipif(os.getuid() == 0, reason="root is refused nothing")
