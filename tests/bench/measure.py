"""Whole processes, measured from outside: CPU time of the process tree, wall time, peak memory; interleaved rounds.

Ratios of what was measured in the same run are what counts: machines are shared and noisy, and the minimum of CPU time is the
steadiest figure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Work:
    """One way to do a piece of work; `before` and `after` are not measured."""

    name: str
    words: list[str]
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None
    environment: dict[str, str] = field(default_factory=dict)
    directory: str | None = None


@dataclass(frozen=True)
class Figures:
    """Seconds of CPU and wall, kilobytes of the largest process."""

    cpu: float
    wall: float
    memory: int


def once(work: Work) -> Figures:
    """Run it; anything but success ends the measurement."""
    work.before()
    begin = time.perf_counter()
    process = subprocess.Popen(
        work.words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, **work.environment},
        cwd=work.directory,
    )  # fmt: skip
    err = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - begin
    process.stderr.close()
    if status:
        sys.exit(f"{work.name} ended with {process.returncode}: {' '.join(work.words)}\n{err.decode(errors='replace')[-2000:]}")
    work.after()
    return Figures(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss)


def rounds(works: list[Work], count: int) -> dict[str, list[Figures]]:
    """Each in turn, `count` times, after one turn that does not count."""
    found: dict[str, list[Figures]] = {work.name: [] for work in works}
    for turn in range(count + 1):
        for work in works:
            figures = once(work)
            if turn:
                found[work.name].append(figures)
    return found


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def table(title: str, found: dict[str, list[Figures]], reference: str, unit: str = "ms") -> str:
    """A Markdown table: minimum and median, and the ratio of the minima to a reference."""
    factor = {"ms": 1000, "s": 1}[unit]
    base = found[reference]
    lines = [
        f"### {title}",
        "",
        f"| | CPU min {unit} | CPU median | wall min | wall median | CPU min / {reference} | wall min / {reference} | peak MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, figures in found.items():
        cpu, wall = [one.cpu for one in figures], [one.wall for one in figures]
        lines.append(
            f"| {name} | {min(cpu) * factor:.2f} | {median(cpu) * factor:.2f} | {min(wall) * factor:.2f} | {median(wall) * factor:.2f} "
            f"| {min(cpu) / min(one.cpu for one in base):.2f} | {min(wall) / min(one.wall for one in base):.2f} | {max(one.memory for one in figures) / 1000:.0f} |"
        )
    return "\n".join([*lines, ""])


def have(*programs: str) -> bool:
    """Whether all are installed; says which are not."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        print(f"left out, not installed: {', '.join(missing)}", file=sys.stderr)
    return not missing


def fresh(path: Path) -> Path:
    """An empty directory; what was there goes (modes of overlay work directories too)."""
    if path.exists():
        subprocess.run(["chmod", "-R", "u+rwx", str(path)], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True, exist_ok=True)
    return path
