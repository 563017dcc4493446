"""Containers that live beside their user: many starts, detached starts, exec, the watcher's memory, logs. usage: life.py [ROUNDS]

CPU of a detached start is that of the command and of what it leaves running (watcher, conmon) until it returns. podman is given runc, because crun refuses the control groups of some machines, and the kernel's overlay.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.measure import Work, fresh, have, once, rounds, table
from tests.bench.medium import LAYOUT, WORK, prepared, sampan
from tests.bench.start import environment, runc_bundle

STARTS = 1000
LINES = 1_000_000


def many_starts(store: Path, reference: str, tree: Path, count: int) -> None:
    """`true`, a thousand times, two at a time."""
    file = WORK / "launch-many"
    subprocess.run(sampan(store, "wrap", "--force", "-o", str(file), "--read-only", reference, "true"), check=True)
    binds = " ".join(f"--bind {name} {name}" for name in ("/proc", "/sys", "/tmp", "/etc/resolv.conf", "/etc/hosts"))
    bwrap = f"bwrap --unshare-user --ro-bind {tree} / --dev-bind /dev /dev {binds} true"
    each = "seq {n} | xargs -P 2 -n 1 sh -c '{command} || exit 255'"
    works = [Work("launch file", ["sh", "-c", each.format(n=STARTS, command=file)])]
    if have("bwrap"):
        works.append(Work("bwrap", ["sh", "-c", each.format(n=STARTS, command=bwrap)]))
    print(table(f"{STARTS} starts of `true`, two at a time", rounds(works, count), works[-1].name, "s"))


def podman(*words: str) -> list[str]:
    place = WORK / "podman"
    options = [
        "--root",
        f"{place}/root",
        "--runroot",
        f"{place}/run",
        "--cgroup-manager",
        "cgroupfs",
        "--runtime",
        "/usr/sbin/runc",
    ]
    return ["podman", *options, "--storage-driver", "overlay", *words]


def podman_image() -> str | None:
    """The id of the medium image in podman's store; `None` where podman cannot run."""
    if not have("podman", "runc"):
        return None
    fresh(WORK / "podman")
    os.environ["XDG_RUNTIME_DIR"] = str(fresh(WORK / "podman/xdg"))
    subprocess.run(podman("pull", "-q", f"oci:{LAYOUT}:1"), check=True, stdout=subprocess.DEVNULL)
    image = subprocess.run(podman("images", "-q"), capture_output=True, text=True, check=True).stdout.split()[0]
    tried = subprocess.run(podman("run", "--rm", "--network", "host", image, "true"), capture_output=True, text=True)
    if tried.returncode:
        print(f"podman cannot run here: {tried.stderr.strip()[-200:]}", file=sys.stderr)
        return None
    return image


def detached(store: Path, reference: str, tree: Path, count: int) -> None:
    """`run -d` until the payload runs, which is when the command returns; then `exec true` in one that runs."""
    numbers = itertools.count()
    image = podman_image()
    mine = Work("sampan run -d", [], environment=environment(store))
    theirs = Work("podman run -d", [])

    def name() -> str:
        return f"box{next(numbers)}"

    def next_mine() -> None:
        mine.words = sampan(store, "run", "-d", "--name", name(), reference, "sleep", "1000")[3:]

    def next_theirs() -> None:
        theirs.words = podman("run", "-d", "--network", "host", "--name", name(), image or "", "sleep", "1000")

    mine.before = next_mine
    theirs.before = next_theirs
    works = [mine, *([theirs] if image else [])]
    if have("runc"):
        bundle = runc_bundle(tree)
        works.append(
            Work("runc run", ["runc", "--root", str(fresh(WORK / "runc")), "run", "--bundle", str(bundle), f"bench{os.getpid()}"])
        )
    print(table("A detached start: the command alone", rounds(works, count), "podman run -d" if image else "sampan run -d"))
    print_with_others(works[: 2 if image else 1], count)
    subprocess.run(sampan(store, "run", "-d", "--name", "one", reference, "sleep", "1000"), check=True, stdout=subprocess.DEVNULL)
    works = [Work("sampan exec true", sampan(store, "exec", "one", "true")[3:], environment=environment(store))]
    if image:
        subprocess.run(
            podman("run", "-d", "--network", "host", "--name", "one", image, "sleep", "1000"),
            check=True,
            stdout=subprocess.DEVNULL,
        )
        works.append(Work("podman exec true", podman("exec", "one", "true")))
    if have("runc"):
        works.append(
            Work("runc run", ["runc", "--root", str(fresh(WORK / "runc")), "run", "--bundle", str(bundle), f"bench{os.getpid()}"])
        )
    print(table("`exec true`", rounds(works, count), works[1].name if image else works[0].name))
    print_with_others(works[: 2 if image else 1], count)
    if image:
        subprocess.run(podman("rm", "-f", "-t", "0", "--all"), check=False, capture_output=True)


def ticks() -> dict[str, int]:
    """Processor time, in clock ticks, of every process that descends from this one, and of its children that have ended."""
    found, parents = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[entry.name] = fields[1]
        found[entry.name] = sum(map(int, fields[11:15]))

    def is_mine(pid: str) -> bool:
        while pid in parents:
            pid = parents[pid]
            if pid == str(os.getpid()):
                return True
        return False

    return {pid: number for pid, number in found.items() if is_mine(pid)}


def reaped() -> float:
    """Seconds of CPU of the children of this process that have ended."""
    cpu = 0.0
    with contextlib.suppress(ChildProcessError):
        while (found := os.wait4(-1, os.WNOHANG))[0]:
            cpu += found[2].ru_utime + found[2].ru_stime
    return cpu


def with_others(work: Work) -> float:
    """Seconds of CPU of a command, of what it has left running, and of what ran for it and ended beside it (podman's conmon does)."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: what is orphaned becomes this process's child
    reaped()
    before = set(ticks())
    cpu = once(work).cpu
    time.sleep(0.3)  # such a process ends a moment after the command
    cpu += reaped()
    return cpu + sum(number for pid, number in ticks().items() if pid not in before) / os.sysconf("SC_CLK_TCK")


def print_with_others(works: list[Work], count: int) -> None:
    """Means: what still runs is counted by the kernel in steps of 10 ms."""
    print("With all that ran for it, CPU ms, mean of the rounds:\n")
    for work in works:
        print(f"- {work.name}: {statistics.mean(with_others(work) for _ in range(count)) * 1000:.1f}")
    print()


def private_kilobytes(pid: int) -> int:
    """Memory that nobody else shares (smaps_rollup, proc(5))."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(("Private_Clean", "Private_Dirty")))


def memory(store: Path, reference: str) -> None:
    """Of the watcher and of its init, in the foreground and detached."""
    rows = []
    for name, words in (("attached, --init", ["--init"]), ("detached, with logs", ["-d"])):
        process = subprocess.Popen(
            sampan(store, "run", *words, "--name", f"m{len(rows)}", reference, "sh", "-c", "echo up; exec sleep 1000"),
            stdout=subprocess.PIPE,
        )
        process.stdout.readline()
        time.sleep(1)
        found = subprocess.run(sampan(store, "inspect", f"m{len(rows)}"), capture_output=True, text=True, check=True).stdout
        state = json.loads((Path(json.loads(found)[0]["directory"]) / "payload").read_text())
        rows.append(
            (name, private_kilobytes(state["watcher"]["pid"]), private_kilobytes(state["pid"]) if "--init" in words else 0)
        )
        subprocess.run(sampan(store, "rm", "-f", f"m{len(rows) - 1}"), check=True, capture_output=True)
        process.wait(20)
    print("### Private memory while the payload runs\n\n| | watcher kB | init kB |\n|---|---|---|")
    print("".join(f"| {name} | {one} | {other} |\n" for name, one, other in rows))


def logs(store: Path, reference: str, count: int) -> None:
    """A million lines into the log and into a file."""
    writer = f"seq -f 'line number %012.0f of the log that is measured, with some words more to make it a hundred bytes' {LINES}"
    to_log, to_file = [], []
    for turn in range(count):
        begin = time.perf_counter()
        subprocess.run(
            sampan(store, "run", "-d", "--name", f"log{turn}", reference, "sh", "-c", writer), check=True, capture_output=True
        )
        subprocess.run(sampan(store, "wait", f"log{turn}"), check=True, capture_output=True)
        to_log.append(time.perf_counter() - begin)
        subprocess.run(sampan(store, "rm", f"log{turn}"), check=True, capture_output=True)
        begin = time.perf_counter()
        subprocess.run(["sh", "-c", f"{writer} | cat > {WORK}/lines"], check=True)
        to_file.append(time.perf_counter() - begin)
    print(
        f"### {LINES} lines of 100 bytes\n\n| | wall min s |\n|---|---|\n| the log of a detached container | {min(to_log):.2f} |"
    )
    print(f"| `| cat > file` on the host | {min(to_file):.2f} |\n\nratio of throughputs: {min(to_file) / min(to_log):.2f}\n")


def main(count: int = 10) -> None:
    fresh(WORK / "runtime").chmod(0o700)
    with prepared() as (store, reference, tree):
        many_starts(store, reference, tree, max(count // 3, 2))
        detached(store, reference, tree, count)
        memory(store, reference)
        logs(store, reference, max(count // 3, 2))
        left = subprocess.run(sampan(store, "ps", "-aq"), capture_output=True, text=True, check=True).stdout.split()
        subprocess.run(sampan(store, "rm", "-f", *left), check=False, capture_output=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
