"""The start of `true` from a launch file, against ch-run and bwrap with the same mounts: CPU and wall milliseconds, interleaved.

    python3 tests/bench/native_start.py SAMPAN_RUN [ROUNDS]

As an ordinary user. All bind /dev /proc /sys /tmp and four files of /etc over the same busybox tree, read-only; `memory` and `kept` are
sampan's overlays, which the others do not have here. `bare` is busybox itself, without any start: what is left of each figure then is
the starter.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

from sampan.engine.encoding import encode

FOLDERS = ["/dev", "/proc", "/sys", "/tmp"]
FILES = ["/etc/hosts", "/etc/resolv.conf", "/etc/passwd", "/etc/group"]


def make_tree(folder: Path) -> Path:
    tree = folder / "tree"
    for name in [*FOLDERS, "/bin", "/etc"]:
        (tree / name[1:]).mkdir(parents=True)
    for name in FILES:
        (tree / name[1:]).touch()
    shutil.copy("/bin/busybox", tree / "bin/true")
    return tree


def launch_file(path: Path, root: tuple[str, ...]) -> str:
    maps = [("uid-map", str(os.getuid()), "caller", "1"), ("gid-map", str(os.getgid()), "caller", "1")]
    binds = [("bind", name, name, "") for name in FOLDERS + FILES]
    path.write_bytes(encode([("unshare", "user,mount"), *maps, root, *binds, ("env-from", "PATH"), ("exec", "/bin/true")]))
    return str(path)


def commands(program: str, folder: Path) -> dict[str, list[str]]:
    tree = make_tree(folder)
    for name in ("upper", "work"):
        (folder / name).mkdir()
    upper, work = str(folder / "upper"), str(folder / "work")
    binds = [word for name in FOLDERS + FILES for word in ("--dev-bind" if name == "/dev" else "--bind", name, name)]
    found = {
        "bare": [str(tree / "bin/true")],
        "sampan-run": [program, launch_file(folder / "ro", ("root-tree", str(tree), "ro"))],
        "sampan-run memory": [program, launch_file(folder / "memory", ("root-memory", str(tree), "0", "refuse"))],
        "sampan-run kept": [program, launch_file(folder / "kept", ("root-overlay", str(tree), upper, work, "refuse"))],
        "bwrap": ["bwrap", "--unshare-user", "--ro-bind", str(tree), "/", *binds, "/bin/true"],
        "ch-run": ["ch-run", str(tree), "--", "/bin/true"],
    }
    return {name: [shutil.which(words[0]) or words[0], *words[1:]] for name, words in found.items() if shutil.which(words[0])}


def start(words: list[str]) -> tuple[float, float]:
    """CPU and wall milliseconds of one start."""
    begin = time.perf_counter()
    pid = os.posix_spawn(words[0], words, os.environ)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - begin
    if status != 0:
        raise SystemExit(f"{words} ended with {status}")
    return (usage.ru_utime + usage.ru_stime) * 1000, wall * 1000


def system_calls(words: list[str]) -> str:
    if shutil.which("strace") is None:
        return "-"
    done = subprocess.run(["strace", "-f", "-qq", "-e", "signal=none", *words], capture_output=True, text=True)
    lines = done.stderr.splitlines()
    last = max(i for i, line in enumerate(lines) if "execve(" in line)
    return str(last)


def main(program: str, rounds: int = 300) -> None:
    before = set(Path("/tmp").glob("ch-run_*"))
    with tempfile.TemporaryDirectory() as name:
        table = commands(os.path.realpath(program), Path(name))
        figures: dict[str, list[tuple[float, float]]] = {command: [] for command in table}
        for _ in range(rounds):
            for command, words in table.items():
                figures[command].append(start(words))
        print(
            f"{'':20}{'CPU min':>10}{'median':>10}{'wall min':>10}{'median':>10}{'calls before exec':>20}   ms, {rounds} rounds"
        )
        for command, found in figures.items():
            cpu, wall = sorted(f[0] for f in found), sorted(f[1] for f in found)
            middle = len(found) // 2
            row = f"{cpu[0]:10.2f}{cpu[middle]:10.2f}{wall[0]:10.2f}{wall[middle]:10.2f}"
            print(f"{command:20}{row}{system_calls(table[command]):>20}")
        for left in set(Path("/tmp").glob("ch-run_*")) - before:  # ch-run 0.31 leaves two files behind at each start
            left.unlink()
        print(f"size of {program}: {os.path.getsize(program)} bytes")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
