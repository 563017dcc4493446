"""Starts from a CVMFS repository against the same image unpacked. usage: lazy.py [ROUNDS]

The medium image (or the large one: BENCH_LAYOUT) is published and served by nginx on loopback. `cold` has an empty cache and no mount; with
`20 ms` each request to the server takes 20 ms more, with and without a recorded set; `bundle` fetches that set without FUSE. `cat` and
`find` are outside of containers, on the mount and on the tree. CPU of the command alone: what its mount's process used is said below.
"""

from __future__ import annotations

import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.measure import Work, fresh, rounds, table
from tests.bench.medium import WORK, prepared, sampan
from tests.lazy.published import Program, nginx

FQRN = "bench.sampan.test"
PROGRAM = ("python3", "-c", "import json")
DELAY = 0.02


class Bench:
    """The command with the repository's configuration."""

    def __init__(self, place: Path, store: Path, reference: str) -> None:
        self.place, self.store, self.reference = place, store, reference
        self.address = ""
        self.cache = place / "cache"

    @property
    def image(self) -> str:
        return f"cvmfs://{FQRN}/{self.reference}"

    def words(self, *words: str, **more: str) -> list[str]:
        settings = {
            "SAMPAN_CVMFS_SERVERS": f"{self.address}/cvmfs/@fqrn@", "SAMPAN_REPO_KEYS": str(self.place / "keys"),
            "SAMPAN_CVMFS_CACHE": str(self.cache), **more,
        }  # fmt: skip
        return ["env", *(f"{name}={value}" for name, value in settings.items()), *sampan(self.store, *words)]

    def output(self, *words: str) -> str:
        return subprocess.run(self.words(*words), check=True, capture_output=True, text=True).stdout

    def mounts(self) -> list[dict]:
        return json.loads(self.output("repo", "mounts", "--format", "json"))

    def forget(self) -> None:
        """No mount, nothing fetched."""
        for one in self.mounts():
            os.kill(one["pid"], signal.SIGTERM)
        while self.mounts() or str(WORK / "runtime") in Path("/proc/mounts").read_text():
            time.sleep(0.05)
        shutil.rmtree(self.cache, ignore_errors=True)


@contextmanager
def slowly(server: Program):
    """A server that asks the other one, 20 ms later."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            time.sleep(DELAY)
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{self.path}") as answer:
                    status, data = 200, answer.read()
            except urllib.error.HTTPError as error:
                status, data = error.code, b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.daemon_threads = True
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{found.server_address[1]}"
    found.shutdown()


def memory_of(pid: int) -> int:
    """Private megabytes of a process."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_")) // 1000


def starts(bench: Bench, count: int) -> None:
    unpacked = Work("unpacked", sampan(bench.store, "run", bench.reference, *PROGRAM))
    cold = Work("cold", bench.words("run", bench.image, *PROGRAM), before=bench.forget)
    print(table("`python3 -c 'import json'`, cold", rounds([unpacked, cold], count), "unpacked"))
    (mount,) = bench.mounts()
    kept = sum(path.stat().st_size for path in bench.cache.rglob("*") if path.is_file())
    print(f"fetched {mount['fetched'] / 1e6:.1f} MB by {mount['requests']} requests ({kept / 1e6:.1f} MB uncompressed)")
    warm = Work("warm", cold.words)
    print(table("the same, warm", rounds([unpacked, warm], 3 * count), "unpacked"))
    print(f"private memory of the mount's process: {memory_of(mount['pid'])} MB\n")


def reading(bench: Bench, tree: Path, count: int) -> None:
    (mount,) = bench.mounts()
    lazily = Path(mount["directory"]) / bench.reference
    files = sorted((path for path in (tree / "usr").rglob("*.so*") if path.is_file() and not path.is_symlink()), key=str)
    for title, script in (
        (
            "sequential read of the shared libraries, warm",
            "cat " + " ".join(f"usr/{path.relative_to(tree / 'usr')}" for path in files),
        ),
        ("find of all entries, warm", "find . -printf '%s\\n'"),
    ):
        works = [
            Work(name, ["sh", "-c", script], directory=str(place))
            for name, place in (("disk", tree), ("mount", lazily.resolve()))
        ]
        print(table(title, rounds(works, count), "disk"))


def recorded(bench: Bench, count: int) -> None:
    far = Work("20 ms", bench.words("run", bench.image, *PROGRAM), before=bench.forget)
    print(table("20 ms to the server, nothing recorded", rounds([far], count), "20 ms"))
    publisher = ["repo", "trace", "--publish", str(bench.place / "srv/cvmfs" / FQRN), bench.image, *PROGRAM]
    bench.output(*publisher)
    empty = bench.place / "other"
    bundle = bench.words("pull", "--recorded", bench.image)
    bundle = [f"SAMPAN_HOME={empty}" if word.startswith("SAMPAN_HOME=") else word for word in bundle]
    works = [far, Work("bundle", bundle, before=lambda: (bench.forget(), shutil.rmtree(empty, ignore_errors=True)))]
    print(table("20 ms to the server, recorded", rounds(works, count), "20 ms"))


def main(count: int = 5) -> None:
    fresh(WORK / "runtime").chmod(0o700)
    place = fresh(WORK / "lazy")
    with prepared() as (store, reference, tree):
        bench = Bench(place, store, reference)
        repository = place / "srv/cvmfs" / FQRN
        repository.parent.mkdir(parents=True)
        (place / "list").write_text(f"{reference}\n")
        bench.output("repo", "init", str(repository))
        bench.output("repo", "publish", "--list", str(place / "list"), str(repository))
        with nginx(place / "srv", place / "nginx") as web, slowly(web) as far:
            bench.address = f"http://127.0.0.1:{web.port}"
            starts(bench, count)
            reading(bench, tree, count)
            bench.forget()
            bench.address = far
            recorded(bench, count)
            bench.forget()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
