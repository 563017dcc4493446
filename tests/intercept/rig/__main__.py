"""The whole rig. usage: python -m tests.intercept.rig [--short] [--write FILE] [JOB...]"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.intercept import trees
from tests.intercept.rig.compare import ALLOWED, Comparison, compare
from tests.intercept.rig.jobs import Job, all_jobs, run
from tests.intercept.sides import Side


def sides(programs: Path, tree: str) -> tuple[Side, Side]:
    place = trees.make(tree)
    return Side("namespace", programs / "sampan-run", place), Side("intercept", programs / "sampan-intercept", place)


def prepare(programs: Path, cache: Path) -> None:
    """What is compiled once, natively, for both sides."""
    cases, err = run(Job("prepare", ("/tools/guest/go.sh", "prepare")), sides(programs, "full")[0], cache)
    if cases["(exit status)"] != "0":
        raise SystemExit(f"the tests of Go cannot be compiled: {err}")


def groups(comparisons: list[Comparison]) -> list[tuple[str, int, int, int, int]]:
    """(what, jobs, cases, passed natively, differences) for each suite."""
    found: dict[str, list[Comparison]] = {}
    for one in comparisons:
        found.setdefault("CPython 3.11's own tests" if one.job.module else one.job.name, []).append(one)
    return [
        (name, len(ones), sum(o.cases for o in ones), sum(o.passed for o in ones), sum(len(o.differences) for o in ones))
        for name, ones in found.items()
    ]


def table(comparisons: list[Comparison]) -> str:
    lines = ["| suite | parts | cases | differences |", "|---|---|---|---|"]
    lines += [f"| {name} | {parts} | {cases:,} | {count} |" for name, parts, cases, _, count in groups(comparisons)]
    lines.append("")
    for one in comparisons:
        for case in one.differences:
            lines.append(f"- {one.job.name}, `{case}`: {ALLOWED.get((one.job.name, case), 'NOT EXPLAINED')}")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="only what `make test` runs")
    parser.add_argument("--programs", type=Path, required=True, help="directory with sampan-run and sampan-intercept")
    parser.add_argument("--cache", type=Path, required=True, help="directory for what is compiled once")
    parser.add_argument("--write", type=Path, help="write the table between the marks of this page")
    parser.add_argument("jobs", nargs="*", help="names of jobs, or parts of them")
    given = parser.parse_args()
    jobs = [
        job
        for job in all_jobs()
        if (job.short or not given.short) and (not given.jobs or any(part in job.name for part in given.jobs))
    ]
    given.cache.mkdir(parents=True, exist_ok=True)
    if any(job.name == "Go" for job in jobs):
        prepare(given.programs, given.cache)
    found = []
    for job in jobs:
        one = compare(job, sides(given.programs, job.tree), given.cache)
        found.append(one)
        print(
            f"{job.name}: {one.cases} cases, {len(one.differences)} differences, {one.seconds[0]:.1f} s and {one.seconds[1]:.1f} s",
            flush=True,
        )
        for case, (native, other) in one.differences.items():
            print(f"  {case}\n    namespace: {native!r:.600}\n    intercept: {other!r:.600}", flush=True)
        if one.unexplained and one.said:
            print("  " + "\n  ".join(one.said.splitlines()[-25:]), flush=True)
    print(table(found))
    if given.write:
        write(given.write, table(found))
    return 1 if any(one.unexplained for one in found) else 0


def write(page: Path, text: str) -> None:
    begin, end = "<!-- rig: begin -->\n", "<!-- rig: end -->"
    head, _, rest = page.read_text().partition(begin)
    page.write_text(head + begin + text + end + rest.partition(end)[2])


if __name__ == "__main__":
    sys.exit(main())
