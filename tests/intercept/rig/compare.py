"""Runs jobs on both sides and says where they differ.

A test that fails now and then on either side is not a difference: a job whose results differ is run again on both, and only a case whose
outcomes never met counts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.intercept.rig.jobs import Job, run
from tests.intercept.sides import Side

ROUNDS = 3

# Known differences: (job, case) -> why. docs/reference/intercept-differences.md shows them.
NO_OTHER_ID = (
    "a user namespace knows no other id and says EINVAL, and the test fails there; here it is EPERM, as without any container"
)
ALLOWED: dict[tuple[str, str], str] = {
    ("CPython test_os", "test.test_os.ChownFileTests.test_chown_without_permission"): NO_OTHER_ID,
    ("CPython test_subprocess", "test.test_subprocess.POSIXProcessTestCase.test_group"): NO_OTHER_ID,
    ("CPython test_subprocess", "test.test_subprocess.POSIXProcessTestCase.test_user"): NO_OTHER_ID,
    ("CPython test_selectors", "test.test_selectors.EpollSelectorTestCase.test_above_fd_setsize"): (
        "the engine holds some thirty descriptors, so a program that takes all but 32 of its hard limit gets too few"
    ),
}


@dataclass(frozen=True)
class Comparison:
    """Of one job: how many cases, which of them differ (with both outcomes), how long each side took, what the second side said."""

    job: Job
    cases: int
    passed: int
    differences: dict[str, tuple[str, str]] = field(default_factory=dict)
    seconds: tuple[float, float] = (0.0, 0.0)
    said: str = ""

    @property
    def unexplained(self) -> dict[str, tuple[str, str]]:
        return {case: both for case, both in self.differences.items() if (self.job.name, case) not in ALLOWED}


def compare(job: Job, sides: tuple[Side, Side], cache: Path) -> Comparison:
    outcomes: list[dict[str, set[str]]] = [{}, {}]
    seconds = [0.0, 0.0]
    said = ""
    different: list[str] = []
    for round_ in range(ROUNDS):
        for index, side in enumerate(sides):
            begin = time.monotonic()
            cases, err = run(job, side, cache)
            if round_ == 0:
                seconds[index] = time.monotonic() - begin
            said = err if index else said
            for case, outcome in cases.items():
                outcomes[index].setdefault(case, set()).add(outcome)
        names = {*outcomes[0], *outcomes[1]}
        different = sorted(name for name in names if not outcomes[0].get(name, {""}) & outcomes[1].get(name, {""}))
        if not different:
            break
    differences = {name: tuple(" | ".join(sorted(found.get(name, {"missing"}))) for found in outcomes) for name in different}
    good = sum(
        1 for found in outcomes[0].values() if not {"failure", "error"} & {word.split()[0] for word in found if word.split()}
    )
    return Comparison(job, len(outcomes[0]), good, differences, (seconds[0], seconds[1]), said if different else "")
