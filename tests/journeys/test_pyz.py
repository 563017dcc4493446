"""`sampan.pyz`: one file, any Python from 3.9 on, an empty environment."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import sampan

FRONT = 6144
COUNTING = ("valgrind", "--tool=callgrind", "--dump-before=execve")
AT_ONCE = 64


@pytest.fixture(scope="session")
def pyz():
    """Built by the set-up, because pip is needed for it."""
    path = Path(os.environ.get("SAMPAN_TEST_BASE", "build")) / "sampan.pyz"
    if not path.exists():
        pytest.skip(f"{path} was not built (make pyz)")
    return path.absolute()


@pytest.fixture
def unknown(pyz, tmp_path):
    """The same file without compiled modules for any interpreter that there is."""
    raw = bytearray(pyz.read_bytes())
    raw[:FRONT] = raw[:FRONT].replace(b"'cpython-3", b"'cpython-9")
    path = tmp_path / "unknown.pyz"
    path.write_bytes(raw)
    path.chmod(0o755)
    return path


def interpreters() -> list[str]:
    base = Path(os.environ.get("SAMPAN_TEST_BASE", "/nonexistent"))
    return [sys.executable, *(str(path) for path in sorted(base.glob("venv-client-*/bin/python")))]


@pytest.fixture
def environment(tmp_path, shared_sampan):
    """Nothing but where things lie; images come from a site's store."""
    (tmp_path / "run").mkdir(mode=0o700)
    return {
        "SAMPAN_HOME": f"{tmp_path}/store",
        "SAMPAN_RUNTIME_DIR": f"{tmp_path}/run",
        "SAMPAN_STORES": str(shared_sampan.home),
        "XDG_CACHE_HOME": f"{tmp_path}/cache",
        "HOME": str(tmp_path),
    }


def call(words, environment, **rest):
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, env=environment, timeout=300, **rest)


@pytest.mark.parametrize("python", interpreters(), ids=lambda path: Path(path).parents[1].name)
def test_pull_and_run_with_nothing_else(pyz, tmp_path, machine_reference, python):
    def run(*words):
        return call(
            [python, "-I", "-S", pyz, *words],
            {"SAMPAN_HOME": f"{tmp_path}/store", "SAMPAN_RUNTIME_DIR": f"{tmp_path}/run"},
            cwd=tmp_path,
        )

    pulled = run("pull", machine_reference)
    assert pulled.returncode == 0, pulled.stderr
    done = run("run", machine_reference, "sh", "-c", "hello; id -u; exit 3")
    assert (done.returncode, done.stdout.splitlines()[1]) == (3, str(os.getuid())), done.stderr
    assert run("images", "-q").stdout.count("\n") == 1
    assert "Traceback" not in run("pull", "127.0.0.1:9/x").stderr
    # Other processes of the same interpreter, in namespaces of their own, import from the same file.
    assert run("run", "--name", "kept", machine_reference, "sh", "-c", "echo > /changed").returncode == 0
    assert "/changed" in run("diff", "kept").stdout
    checked = run("self-check")
    assert checked.returncode == 0, checked.stdout


def test_without_any_environment(pyz, tmp_path):
    """The shell header finds Python where it is by default."""
    assert call([pyz, "--version"], {}, cwd=tmp_path).stdout.startswith("sampan ")
    assert call(["/bin/sh", pyz, "--version"], {}, cwd=tmp_path).stdout.startswith("sampan ")
    shutil.copy(pyz, tmp_path / "a file")
    assert call(["./a file", "--version"], {}, cwd=tmp_path).stdout.startswith("sampan ")


def test_sixty_four_first_starts_at_once(pyz, tmp_path, shared_sampan, environment):
    def run(number: int):
        return call([pyz, "run", shared_sampan.image, "sh", "-c", f"exit {number}"], environment, cwd=tmp_path)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(run, range(AT_ONCE)))
    assert [done.returncode for done in found] == list(range(AT_ONCE)), [done.stderr for done in found]
    assert len(os.listdir(tmp_path / "store/programs")) == 1
    assert os.listdir(tmp_path / "store/tmp") == []
    assert not (tmp_path / "cache").exists()  # compiled modules are in the file


def test_sixty_four_first_starts_of_an_interpreter_that_nobody_foresaw(unknown, tmp_path, shared_sampan, environment):
    def run(number: int):
        return call([unknown, "run", shared_sampan.image, "sh", "-c", f"exit {number}"], environment, cwd=tmp_path)

    begin = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(run, range(AT_ONCE)))
    assert [done.returncode for done in found] == list(range(AT_ONCE)), [done.stderr for done in found]
    kept = [name for name in os.listdir(tmp_path / "cache/sampan") if not name.endswith(".lock")]
    assert len(kept) == 1
    assert sum("preparing" in done.stderr for done in found) <= 1, time.perf_counter() - begin


def test_killed_while_it_prepares_itself(unknown, tmp_path, environment):
    """At random points; what is left is never read, and the next start works."""
    random.seed(4)
    begin = time.monotonic()
    whole = call([unknown, "--version"], environment, cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    seconds = time.monotonic() - begin
    place = tmp_path / "cache/sampan"
    (name,) = (name for name in os.listdir(place) if not name.endswith(".lock"))
    right = (place / name).read_bytes()
    for _ in range(6):
        (place / name).unlink(missing_ok=True)
        process = subprocess.Popen([unknown, "--version"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0, seconds))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (place / name).exists() or (place / name).stat().st_size == len(right)
    assert call([unknown, "--version"], environment, cwd=tmp_path).stdout == whole.stdout
    (place / f"{name}.1.ab.new").write_bytes(b"half")
    os.utime(place / f"{name}.1.ab.new", (0, 0))
    other = place / "pyz-of-another-version"
    other.write_bytes(b"old")
    os.utime(other, (0, 0))
    (place / name).unlink()
    assert call([unknown, "--version"], environment, cwd=tmp_path).returncode == 0
    assert not other.exists()
    assert [left for left in os.listdir(place) if left.endswith(".ab.new")] == []


def test_a_damaged_cache_is_made_again(unknown, tmp_path, environment):
    assert call([unknown, "--version"], environment, cwd=tmp_path).returncode == 0
    place = tmp_path / "cache/sampan"
    (path,) = (place / name for name in os.listdir(place) if not name.endswith(".lock"))
    right = path.read_bytes()
    for wrong in (b"", right[:9], right[: len(right) // 9], b"\xff" * 16 + right[16:], right[:5000] + b"\x00\x01" + right[5002:]):
        path.write_bytes(wrong)
        done = call([unknown, "--version"], environment, cwd=tmp_path)
        assert (done.returncode, done.stdout[:7]) == (0, "sampan "), done.stderr
        assert path.read_bytes()[:16] != wrong[:16] or path.stat().st_size != len(wrong) or wrong[16:] != path.read_bytes()[16:]
    path.chmod(0o666)  # others could have written it
    path.write_bytes(b"\0" * 100)
    assert call([unknown, "--version"], environment, cwd=tmp_path).returncode == 0
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_can_be_written_at_all(unknown, tmp_path, environment):
    """Then modules are compiled at each start, out of the zip file."""
    (tmp_path / "closed").mkdir(mode=0o500)
    closed = {**environment, "XDG_CACHE_HOME": f"{tmp_path}/closed/a", "SAMPAN_RUNTIME_DIR": f"{tmp_path}/closed/b"}
    if os.getuid() == 0:
        pytest.skip("root can write everywhere")
    done = call([unknown, "--version"], closed, cwd=tmp_path)
    assert (done.returncode, done.stdout[:7]) == (0, "sampan "), done.stderr


def test_a_damaged_file_says_so(pyz, tmp_path):
    raw = pyz.read_bytes()
    path = tmp_path / "sampan.pyz"
    path.write_bytes(raw[: len(raw) // 2])
    path.chmod(0o755)
    done = call([path, "--version"], {})
    assert (done.returncode, "is cut off or changed" in done.stderr, "hint: copy it again" in done.stderr) == (125, True, True), (
        done
    )
    where = int(re.search(rb"\('cpython-3%d', [^)]*\): (\d+)" % _system_minor(), raw[:FRONT])[1])
    path.write_bytes(raw[: where + 9000] + b"\0damage\0" + raw[where + 9008 :])
    done = call([path, "--version"], {})
    assert (done.returncode, "is damaged" in done.stderr) == (125, True), done


def _system_minor() -> int:
    return int(
        subprocess.run(
            ["/bin/sh", "-c", "python3 -c 'import sys; print(sys.version_info[1])'"], env={}, capture_output=True
        ).stdout
    )


@pytest.fixture
def old_python(tmp_path):
    """A `python3` that says it is 3.6, in a directory of its own."""
    path = tmp_path / "bin/python3"
    path.parent.mkdir()
    path.write_text(
        '#!/bin/sh\ncode="import sys; sys.version_info = (3, 6, 8); $4"\nshift 4\nexec /usr/bin/python3 -I -S -c "$code" "$@"\n'
    )
    path.chmod(0o755)
    return path.parent


def test_a_python_that_is_too_old(pyz, tmp_path, old_python):
    done = call([pyz, "--version"], {"PATH": str(old_python)})
    assert done.returncode == 125
    assert "needs Python 3.9 or later, and /usr/bin/python3 is 3.6" in done.stderr
    assert "\nhint: " in done.stderr
    # A name that leads nowhere, as a wrapper of an environment tool does, and one that works.
    (old_python / "python3.14").write_text("#!/bin/sh\nexit 127\n")
    (old_python / "python3.14").chmod(0o755)
    (old_python / f"python3.{_system_minor()}").symlink_to("/usr/bin/python3")
    assert call([pyz, "--version"], {"PATH": str(old_python)}).stdout.startswith("sampan ")


def test_no_python_at_all(pyz):
    done = call(["/bin/sh", pyz, "--version"], {"PATH": "/nonexistent"})
    assert (done.returncode, done.stderr.count("\n")) == (125, 2)
    assert "there is no python3 on PATH (/nonexistent)" in done.stderr


def test_a_home_that_cannot_be_written(pyz, tmp_path, shared_sampan):
    """Images of a site's store run from a read-only home, and without any."""
    (tmp_path / "home").mkdir(mode=0o500)
    for home in ({"HOME": f"{tmp_path}/home"}, {"SAMPAN_HOME": f"{tmp_path}/home/store"}):
        environment = {**home, "SAMPAN_RUNTIME_DIR": f"{tmp_path}/run", "SAMPAN_STORES": str(shared_sampan.home)}
        for _ in range(2):
            done = call([pyz, "run", shared_sampan.image, "hello"], environment, cwd=tmp_path)
            assert (done.returncode, done.stdout[:5]) == (0, "hello"), done.stderr
        assert len(list((tmp_path / "run/store/programs").iterdir())) == 1
    checked = call([pyz, "self-check"], environment, cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout
    assert "no    store: " in checked.stdout


def mounted(mounts, script, environment, directory):
    """Run a shell script as oneself where something else is mounted: mount(8) wants to be root, so there are two namespaces."""
    inner = f"exec unshare -U --map-user={os.getuid()} --map-group={os.getgid()} sh -c '{script}'"
    variables = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", **environment}
    done = call(["unshare", "-Urm", "sh", "-ec", f"{mounts}\necho mounted\n{inner}"], variables, cwd=directory)
    if "mounted\n" not in done.stdout or "unshare:" in done.stderr:
        pytest.skip(f"no file system can be mounted here: {done.stderr}")
    return done


@pytest.mark.parametrize("verb", ["run", "self-check"])
def test_a_store_that_is_mounted_noexec(pyz, tmp_path, shared_sampan, environment, verb):
    words = f"run {shared_sampan.image} hello" if verb == "run" else verb
    (tmp_path / "run").chmod(0o700)
    mounts = "mkdir store; mount -t tmpfs -o noexec,mode=0700 tmpfs store"
    done = mounted(mounts, f'{pyz} {words} && {pyz} {words} && ls "$SAMPAN_HOME/tmp"', environment, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_image_in_a_store_that_is_mounted_noexec(pyz, tmp_path, machine_layout, environment):
    """An overlay over it can be executed from, the image as root itself cannot."""
    script = f"{pyz} -q load -i {machine_layout.path} --name x:1; {pyz} run x:1 hello; {pyz} run --read-only x:1 hello"
    done = mounted("mkdir store; mount -t tmpfs -o noexec,mode=0700 tmpfs store", script, environment, tmp_path)
    assert "hello from" in done.stdout, done.stderr
    assert (done.returncode, "lies on a file system that is mounted noexec" in done.stderr) == (126, True), done.stderr


def test_no_place_where_a_program_can_be_executed(pyz, tmp_path, shared_sampan, environment):
    names = ("/tmp", "/var/tmp", "/dev/shm", str(tmp_path))
    tried = [Path(name, f"sampan-{os.getuid()}/store") for name in names[:3]]
    new = [path for path in tried if not path.exists()]
    mounts = "; ".join(f"mount --bind {name} {name}; mount -o remount,bind,noexec {name}" for name in names)
    try:
        done = mounted(mounts, f"cd /; exec /usr/bin/python3 -I -S {pyz} run {shared_sampan.image} hello", environment, tmp_path)
    finally:
        for path in new:
            shutil.rmtree(path, ignore_errors=True)
    assert (done.returncode, done.stderr.count("\n")) == (125, 2), done.stderr
    assert "there is no place for the program sampan-run" in done.stderr
    assert "\nhint: set SAMPAN_RUNTIME_DIR" in done.stderr
    for path in (f"{tmp_path}/store", f"{tmp_path}/run/store", *tried):
        assert str(path) in done.stderr


def counted(words, environment, directory) -> int:
    """Instructions up to the program that it becomes."""
    for left in directory.glob("counted*"):
        left.unlink()
    done = call([*COUNTING, f"--callgrind-out-file={directory}/counted", *words], environment, cwd=directory)
    found = [re.search(r"^(?:summary|totals): (\d+)$", path.read_text(), re.MULTILINE) for path in directory.glob("counted*")]
    assert any(found), done.stderr
    return sum(int(one[1]) for one in found if one)  # one file for each program that it started


def test_what_a_start_costs(pyz, tmp_path, shared_sampan, environment):
    """Instructions: the first start on a node at most 5 x an installed `sampan run`, later ones at most 1.5 x."""
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    code = re.search(rb"'(import sys; exec.*?)' \"\$0\"", pyz.read_bytes()[:FRONT])[1].decode()
    python = ["/usr/bin/python3", "-I", "-S", "-c"]
    words = ["run", shared_sampan.image, "true"]
    copy = tmp_path / "installed"
    shutil.copytree(Path(sampan.__file__).parent, copy / "sampan", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["/usr/bin/python3", "-m", "compileall", "-q", copy], check=True)
    script = tmp_path / "script.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(copy)!r})\nfrom sampan.__main__ import main\nsys.exit(main())\n")
    installed = {**environment, **({"SAMPAN_PROGRAMS": os.environ["SAMPAN_PROGRAMS"]} if "SAMPAN_PROGRAMS" in os.environ else {})}
    command = ["/usr/bin/python3", "-I", "-S", script, *words]
    assert call(command, installed, cwd=tmp_path).returncode == 0
    base = counted(command, installed, tmp_path)
    header = counted(["/bin/sh", pyz, *words], environment, tmp_path)
    shutil.rmtree(tmp_path / "store")
    shutil.rmtree(tmp_path / "run")
    first = header + counted([*python, code, pyz, *words], environment, tmp_path)
    later = header + counted([*python, code, pyz, *words], environment, tmp_path)
    print(f"installed {base / 1e6:.1f} M, first {first / 1e6:.1f} M, later {later / 1e6:.1f} M")
    assert later <= 1.5 * base
    assert first <= 5 * base
