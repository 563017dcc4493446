"""Images of a CVMFS repository, run by an ordinary user as they are read, in all three ways, with what can happen meanwhile."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sampan.cvmfs.fuse import mounting
from sampan.runtime.mounts import ShortName
from tests.journeys.test_root import APT, PREPARE, package  # noqa: F401 - a fixture
from tests.journeys.test_services import image
from tests.journeys.test_work import COMPILER
from tests.lazy.published import Program, nginx, squid
from tests.product import ROOT, Sampan
from tests.structure.test_startup import started

FQRN = "lazy.sampan.test"
JSON = ("python3", "-c", "import json; print(json.dumps([1]))")
FIND = r"find / -xdev -mindepth 1 -path /proc -prune -o -not -name '* *' -printf '%P %y %s %#m %T@ %l\n'"
BOUND = (
    "dev",
    "etc",
    "home",
    "proc",
    "run",
    "sys",
    "tmp",
    "var",
)  # something of the machine is there, or what the user's name needs
ADDED = ("environment", "singularity")  # as Apptainer expects them; more of it has names with a dot


class Site:
    """A repository with three images, its web server and proxy, and users of it."""

    def __init__(self, publisher: Sampan, place: Path, web: Program, proxy: Program, images: dict[str, str]) -> None:
        self.publisher, self.place, self.web, self.proxy, self.images = publisher, place, web, proxy, images

    def publish(self, *references: str) -> None:
        path = self.publisher.directory / "wishes.txt"
        path.write_text("".join(f"{reference}\n" for reference in references))
        self.publisher.good("repo", "publish", "--list", path, self.place)

    def named(self, name: str) -> str:
        return f"cvmfs://{FQRN}/{self.images[name]}"

    def user(self, directory: Path, **more: str) -> Sampan:
        """A user of the site's proxy with a store and a cache of their own."""
        variables = {
            "SAMPAN_CVMFS_SERVERS": f"http://127.0.0.1:{self.web.port}/cvmfs/@fqrn@",
            "SAMPAN_CVMFS_PROXIES": f"http://127.0.0.1:{self.proxy.port};DIRECT",
            "SAMPAN_REPO_KEYS": str(self.publisher.directory / "keys" / f"{FQRN}.pub"),
            "SAMPAN_CVMFS_CACHE": str(directory / "cache"),
            "SAMPAN_CVMFS_LINGER": "2",
            **more,
        }
        return Sampan(directory / "store", directory, variables=variables)


@pytest.fixture(scope="module")
def site(registry, machine_reference, tmp_path_factory):
    base = tmp_path_factory.mktemp("site")
    publisher = Sampan(base / "store", base, variables={"SAMPAN_REPO_KEYS": str(base / "keys")})
    place = base / "srv/cvmfs" / FQRN
    place.parent.mkdir(parents=True)
    publisher.good("repo", "init", place)
    images = {"machine": machine_reference, "apt": image(registry, "apt", APT), "compiler": image(registry, "compiler", COMPILER)}
    with nginx(base / "srv", base / "nginx") as web, squid(base / "squid") as proxy:
        found = Site(publisher, place, web, proxy, images)
        found.publish(*images.values())
        yield found


@pytest.fixture
def user(site, tmp_path):
    """Whoever still runs or is mounted at the end is ended."""
    found = site.user(tmp_path)
    yield found
    end_mounts(found)


def end_mounts(found: Sampan) -> None:
    for one in mounts(found):
        os.kill(one["pid"], signal.SIGTERM)
    until(lambda: not mounts(found) and str(found.directory) not in Path("/proc/mounts").read_text())


def mounts(found: Sampan) -> list[dict]:
    return json.loads(found.good("repo", "mounts", "--format", "json").text)


def until(condition, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


@pytest.fixture
def fuse(user):
    """For what only a mount of our own can show."""
    stopped = mounting.obstacle()
    if stopped is not None:
        pytest.skip(f"nothing can be mounted here: {stopped[0]}")
    return replace(user, variables={**user.variables, "SAMPAN_CVMFS": "fuse"})


@pytest.fixture(params=["fuse", "bundle", "mounted"])
def way(request, user, tmp_path):
    """The three ways, one after the other."""
    if request.param != "bundle" and (stopped := mounting.obstacle()) is not None:
        pytest.skip(f"nothing can be mounted here: {stopped[0]}")
    variables = {**user.variables, "SAMPAN_CVMFS": request.param}
    if request.param != "mounted":
        yield replace(user, variables=variables)
        return
    point = tmp_path / "cvmfs" / FQRN
    point.mkdir(parents=True)
    user.good("repo", "mount", FQRN, point)
    yield replace(user, variables={**variables, "SAMPAN_CVMFS_MOUNTS": str(point.parent)})
    user.good("repo", "umount", "--lazy", point)


def test_work_in_all_three_ways(site, way, package, tmp_path):  # noqa: F811
    """Python, a compiler, and a package that is installed into the writable part."""
    assert way.good("run", site.named("machine"), *JSON).text == "[1]\n"
    script = "echo changed > /opt-new; cat /opt-new; rm -r /usr/lib/python3*; ls /usr/lib | grep -c python3; exit 7"
    done = way("run", site.named("machine"), "sh", "-c", script)
    assert (done.status, done.lines, done.err) == (7, ["changed", "0"], "")
    (tmp_path / "main.c").write_text('#include <stdio.h>\nint main(void) { puts("compiled"); return 0; }\n')
    words = ["-w", str(tmp_path), "-v", f"{tmp_path}:{tmp_path}", site.named("compiler")]
    assert way.good("run", *words, "sh", "-c", "gcc -O2 -o main main.c && ./main").text == "compiled\n"
    install = PREPARE + "dpkg -i /owned.deb >/dev/null && stat -c '%u:%g %a' /var/lib/owned/spool"
    done = way.good("run", "--root", "-v", f"{package}:/owned.deb:ro", site.named("apt"), "bash", "-c", install)
    assert done.lines == ["776:777 2750"]


def files(lines: list[str]) -> set[str]:
    """The lines of the image's own files and links. A pull keeps no setuid bit on disk."""
    found = set()
    for line in lines:
        path, kind, size, mode, rest = line.split(" ", 4)
        top = path.partition("/")[0]
        if kind in "fl" and top[0] != "." and top not in (*BOUND, *ADDED):
            found.add(f"{path} {kind} {size} {mode[-3:]} {rest}")
    return found


def test_all_files_are_those_of_the_image(site, fuse, shared_sampan, machine_reference, tmp_path):
    """By find, tar and diff, against the tree that a pull makes."""
    pulled = files(shared_sampan.good("run", machine_reference, "sh", "-c", FIND).lines)
    assert len(pulled) > 1000
    assert files(fuse.good("run", site.named("machine"), "sh", "-c", FIND).lines) == pulled
    point = tmp_path / "m"
    point.mkdir()
    fuse.good("repo", "mount", FQRN, point)
    try:
        tree = Path(json.loads(shared_sampan.good("inspect", machine_reference).text)[0]["tree"])
        ours = (point / machine_reference).resolve()
        said = subprocess.run(["diff", "-r", "--no-dereference", tree, ours], capture_output=True, text=True).stdout.splitlines()
        # What publishing adds: the image's configuration as Apptainer has it, and places for what is bound.
        assert [line for line in said if not line.startswith(f"Only in {ours}")] == []
        sums = [
            subprocess.run(
                f"tar -C {where} --sort=name --owner=0 --group=0 --mode=a-s,u+w --mtime=@0 -cf - usr bin | sha256sum",
                shell=True,
                capture_output=True,
            ).stdout
            for where in (tree, ours)
        ]
        assert sums[0] == sums[1]
    finally:
        fuse.good("repo", "umount", point)


def test_only_what_is_read_is_fetched_and_once(site, fuse):
    size = sum(path.stat().st_size for path in (site.place / "data").rglob("*") if path.is_file())
    fuse.good("run", site.named("machine"), *JSON)
    (first,) = mounts(fuse)
    assert 0 < first["fetched"] < size / 4
    fuse.good("run", site.named("machine"), *JSON)
    (second,) = mounts(fuse)
    assert (second["requests"], second["pid"]) == (first["requests"], first["pid"])
    assert "machine" in fuse.good("images", f"cvmfs://{FQRN}").text


COSTLY = {
    "json",
    "re",
    "enum",
    "socket",
    "contextlib",
    "hashlib",
    "typing",
    "subprocess",
    "sampan.cvmfs.client.client",
    "sampan.runtime.mount_start",
}


def test_a_start_from_a_mount_that_is_there_imports_little(site, fuse):
    """Each of these is a good part of a start: with them it cost 115 million instructions, without 71."""
    fuse.good("run", site.named("machine"), "true")
    assert COSTLY & set(started(fuse, "run", site.named("machine"), "true", LIST="1").split()) == set()


def test_a_mount_is_shared_and_goes_after_its_last_user(site, fuse):
    runs = [
        fuse.popen("run", site.named("machine"), "sh", "-c", f"cat /usr/bin/* | wc -c; sleep 1; exit {n}", stdout=subprocess.PIPE)
        for n in range(8)
    ]
    counts = [(run.communicate(timeout=120)[0], run.returncode) for run in runs]
    assert {count for count, _ in counts} == {counts[0][0]}
    assert [code for _, code in counts] == list(range(8))
    assert len(mounts(fuse)) == 1
    until(lambda: not mounts(fuse))
    until(lambda: str(fuse.directory) not in Path("/proc/mounts").read_text())
    until(lambda: not any(b"repo\0mount" in _line(path) for path in Path("/proc").glob("[0-9]*/cmdline")))


def _line(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_cache_that_is_too_small_does_for_everything_all_the_same(site, fuse):
    small = replace(fuse, variables={**fuse.variables, "SAMPAN_CVMFS_QUOTA": "8"})
    total = small.good("run", site.named("machine"), "sh", "-c", "cat /usr/bin/* /usr/lib/*/*.so* | wc -c").text
    assert int(total) > 16_000_000
    again = small.good("run", site.named("machine"), "sh", "-c", "cat /usr/bin/* /usr/lib/*/*.so* | wc -c").text
    assert again == total
    kept = sum(path.stat().st_size for path in (fuse.directory / "cache").rglob("*") if path.is_file())
    assert kept < 24_000_000, "what is open when others are removed is the rest"


def test_a_server_that_was_killed_ends_no_later_start(site, fuse):
    with fuse.popen(
        "run", site.named("machine"), "sh", "-c", "echo up; sleep 3; cat /usr/bin/perl* /usr/lib/python3*/ast.py", stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:  # fmt: skip
        assert running.stdout.readline() == b"up\n"
        (mount,) = mounts(fuse)
        os.kill(mount["pid"], signal.SIGKILL)
        assert fuse.good("run", site.named("machine"), *JSON).text == "[1]\n"
        running.communicate(timeout=30)
        assert running.returncode != 0


def test_a_file_that_no_server_gives_is_an_error_that_the_log_explains(site, fuse):
    fuse.good("run", site.named("machine"), "cat", "/etc/os-release")
    (mount,) = mounts(fuse)
    site.web.stop()
    site.proxy.stop()
    try:
        done = fuse("run", site.named("machine"), "cat", "/usr/lib/python3.11/ast.py")
        assert (done.status, done.text) == (1, "")
        assert "Input/output error" in done.err
        log = (Path(mount["directory"]).parent / "log").read_text()
        assert "ast.py: no server of lazy.sampan.test gives " in log
        assert f"127.0.0.1:{site.web.port} " in log
        # What was read before goes on without them.
        assert fuse("run", site.named("machine"), "cat", "/etc/os-release").status == 0
        end_mounts(fuse)
        assert "Debian" in fuse.good("run", "--offline", site.named("machine"), "cat", "/etc/os-release").text
        done = fuse("run", "--offline", site.named("machine"), "cat", "/usr/lib/python3.11/ast.py")
        assert (done.status, "Input/output error" in done.err) == (1, True)
    finally:
        site.web.start()
        site.proxy.start()


def test_a_new_revision_does_not_disturb_who_reads_the_old_one(site, fuse, tmp_path):
    fuse.good("run", site.named("machine"), "true")
    (mount,) = mounts(fuse)
    with fuse.popen("run", site.named("machine"), "python3", "-c", "print('up', flush=True); input(); import ast, json; print(1)",
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:  # fmt: skip
        assert running.stdout.readline() == b"up\n"
        site.publisher.good("repo", "tag", site.place, "before")
        site.publisher.good("repo", "publish", "--list", _wishes(site, "machine"), "--prune", "--grace", "0", site.place)
        site.publish(*site.images.values())
        place = json.loads(_ask(mount, "look"))
        assert place == {"changed": True}
        (after,) = mounts(fuse)
        assert after["revision"] > mount["revision"]
        assert running.communicate(b"\n", timeout=30)[0] == b"1\n"
    assert fuse.good("run", site.named("machine"), *JSON).text == "[1]\n"


def _wishes(site: Site, *names: str) -> Path:
    path = site.publisher.directory / "some.txt"
    path.write_text("".join(f"{site.images[name]}\n" for name in names))
    return path


def _ask(mount: dict, word: str) -> bytes:
    with ShortName(os.path.dirname(mount["directory"])) as name, socket.socket(socket.AF_UNIX) as connection:
        connection.connect(name)
        connection.sendall(word.encode() + b"\n")
        return connection.recv(4096)


def test_what_is_recorded_is_there_before_it_is_asked_for(site, fuse, user, tmp_path):
    done = fuse.good("repo", "trace", "-o", tmp_path / "list", site.named("compiler"), "python3", "-c", "import json")
    names = (tmp_path / "list").read_text().splitlines()
    assert names[0] == "sampan prefetch 1"
    assert any(name.endswith("json/decoder.py") or "json" in name for name in names[1:]), done.err
    keys = str(site.publisher.directory / "keys")
    fuse.good("repo", "trace", "--publish", site.place, "--keys", keys, site.named("compiler"), *JSON)
    end_mounts(fuse)
    fresh = replace(fuse, variables={**fuse.variables, "SAMPAN_CVMFS_CACHE": str(tmp_path / "other")})
    fresh.good("run", site.named("compiler"), "true")
    until(lambda: "recorded objects" in (Path(mounts(fresh)[0]["directory"]).parent / "log").read_text())
    requests = mounts(fresh)[0]["requests"]
    assert fresh.good("run", site.named("compiler"), *JSON).text == "[1]\n"
    assert mounts(fresh)[0]["requests"] == requests
    end_mounts(fresh)
    # Without a mount: only these files, and what is named, in the store.
    before = site.web.requests()
    user.good("pull", "--recorded", "--also", "usr/include", site.named("compiler"))
    assert user.good("run", site.images["compiler"], *JSON).text == "[1]\n"
    assert user("run", site.images["compiler"], "ls", "/usr/include/stdio.h").status in (0, 125, 126, 127)
    assert site.web.requests() >= before


def test_a_pull_makes_an_ordinary_image(site, user):
    user.good("pull", site.named("machine"))
    assert user.good("run", "--offline", site.images["machine"], *JSON).text == "[1]\n"
    assert user.good("run", "--name", "kept", site.images["machine"], "sh", "-c", "echo x > /kept; cat /kept").text == "x\n"
    assert site.images["machine"].rpartition(":")[0] in user.good("images").text


WITHOUT_FUSE = """
set -e
mkdir -p {place}/dev
mount -t tmpfs tmpfs {place}/dev
for one in null zero random urandom tty full; do touch {place}/dev/$one; mount --bind /dev/$one {place}/dev/$one; done
mkdir {place}/dev/shm {place}/dev/pts {place}/dev/mqueue
mount --rbind /dev/pts {place}/dev/pts
mount --rbind {place}/dev /dev
exec "$@"
"""


def test_with_dev_fuse_closed(site, user, tmp_path):
    """It is not there: the files are fetched into the store; who insists on a mount is told why there is none."""
    inside = ["unshare", "-Urm", "sh", "-c", WITHOUT_FUSE.format(place=tmp_path), "sh"]
    probe = subprocess.run([*inside, "true"], capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"/dev/fuse cannot be hidden here: {probe.stderr}")

    def run(*words: str):
        return subprocess.run(
            [*inside, *user.command(), "run", *words], env=user.environment(), cwd=tmp_path, capture_output=True, text=True
        )

    done = run(site.named("machine"), *JSON)
    assert (done.returncode, done.stdout) == (0, "[1]\n"), done.stderr
    done = run("--cvmfs=fuse", site.named("machine"), *JSON)
    assert (done.returncode, done.stdout) == (125, "")
    assert f"sampan: {FQRN} cannot be mounted: /dev/fuse cannot be opened: No such file or directory\nhint: " in done.stderr


def refused(found: Sampan, sentence: str, *words: str) -> None:
    done = found(*words)
    assert (done.status, done.text) == (125, ""), done.err
    lines = done.err.splitlines()
    assert sentence in lines[0], done.err
    assert lines[0].startswith("sampan: ")
    assert len(lines) <= 2
    assert len(lines) == 1 or lines[1].startswith("hint: ")


def test_bad_input(site, user, tmp_path):
    def other(**variables: str) -> Sampan:
        return replace(user, variables={**user.variables, **variables})

    name = site.named("machine")
    refused(user, "nothing is no directory of lazy.sampan.test", "run", f"cvmfs://{FQRN}/nothing", "true")
    refused(user, "'cvmfs://lazy.sampan.test' is not an image of a repository", "run", f"cvmfs://{FQRN}", "true")
    refused(user, "is not the name of a repository", "run", "cvmfs://../x", "true")
    refused(user, "is not in other.sampan.test", "run", "cvmfs://other.sampan.test/x", "true")
    refused(other(SAMPAN_CVMFS="nonsense"), "the setting cvmfs cannot be 'nonsense'", "run", name, "true")
    refused(other(SAMPAN_CVMFS_SERVERS="ftp://x/y"), "is not a URL", "run", name, "true")
    dead = "http://127.0.0.1:1/cvmfs/@fqrn@"
    unseen = other(SAMPAN_CVMFS_SERVERS=dead, SAMPAN_CVMFS_PROXIES="", SAMPAN_CVMFS_CACHE=str(tmp_path / "unseen"))
    refused(unseen, "127.0.0.1:1 refuses the connection", "run", name, "true")
    refused(other(SAMPAN_REPO_KEYS="/nowhere"), "/nowhere", "run", name, "true")
    stranger = tmp_path / "keys"
    Sampan(tmp_path / "s", tmp_path).good("repo", "init", "--keys", stranger, tmp_path / FQRN)
    refused(other(SAMPAN_REPO_KEYS=str(stranger / f"{FQRN}.pub")), "", "run", name, "true")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    refused(other(SAMPAN_CVMFS_CACHE=str(closed)), str(closed), "run", name, "true")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    refused(other(SAMPAN_CVMFS_CACHE=str(shared)), "is not a directory of yours alone", "run", name, "true")
    fresh = other(SAMPAN_CVMFS_CACHE=str(tmp_path / "fresh"))
    refused(fresh, "was never opened here", "run", "--offline", name, "true")
    refused(user, "there is no directory", "repo", "mount", FQRN, "nowhere")
    refused(user, "nothing is mounted on", "repo", "umount", tmp_path)


def test_from_python(site, user, tmp_path):
    """As the how-to shows it."""
    script = f"""
from sampan.cvmfs.client.client import open_client
from sampan.cvmfs.client.site import Site, Sources
site = Site({FQRN!r}, Sources(("http://127.0.0.1:{site.web.port}/cvmfs/{FQRN}",)), ({user.variables["SAMPAN_REPO_KEYS"]!r},), cache={str(tmp_path / "c")!r})
with open_client(site) as client:
    path = "/{site.images["machine"]}/usr/lib/python3.11/json/__init__.py"
    with client.open(path) as file:
        file.seek(10)
        print(file.read(20) == client.read(path, 10, 20), client.stat(path).is_file, sum(1 for _ in client.walk("/{site.images["machine"]}/usr/bin")) > 50)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}
    )
    assert done.stdout == "True True True\n", done.stderr
