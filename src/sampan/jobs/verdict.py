"""How a payload ended and why a job fails for it, from what its watcher has written down. Reads files, decides nothing else."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sampan.jobs import directory as directories
from sampan.jobs import phases
from sampan.jobs.phases import Failed
from sampan.jobs.status import now

if TYPE_CHECKING:
    from sampan.jobs.spec import Job

NOT_STARTED_STATUSES = (125, 126, 127)


@dataclass(frozen=True)
class Ended:
    """How the payload ended: status and signal, times, what it used, and why the job fails for it (`None`: it does not)."""

    exit: int | None = None
    signal: int | None = None
    started: str = ""
    ended: str = ""
    seconds: float = 0.0
    memory: int = 0
    failure: Failed | None = None


def ended(directory: str, code: int, begun: str) -> Ended:
    """By the watcher's record in `directory`, and its own exit `code` (below 0: the signal that ended it), where there is none."""
    try:
        said = directories.load(f"{directory}/exit")
    except (OSError, ValueError):
        said = {}
    number = said.get("signal") if said else (-code if code < 0 else None)
    failure = None
    if said.get("reason") == "not-started" or (not said and code in NOT_STARTED_STATUSES):
        failure = Failed(phases.NOT_STARTED, f"the program could not be started: {said.get('message') or 'its stderr says why'}")
    elif said.get("reason") == "timeout":
        failure = Failed(phases.OVER_TIME, "it was ended at its time limit")
    return Ended(
        code if code >= 0 else 128 - code, number if isinstance(number, int) else None, str(said.get("started") or begun),
        str(said.get("finished") or now()), failure=failure,
    )  # fmt: skip


def why(found: Ended, job: Job, directory: str, *, by_memory: bool = False) -> Failed | None:
    """Why the job fails, in the order in which causes explain each other; `None` if it does not."""
    if found.failure is not None:
        if found.failure.code == phases.OVER_TIME and job.limits.time:
            return Failed(phases.OVER_TIME, f"it was ended at its time limit of {job.limits.time:g} s", "ask for more time")
        return found.failure
    if by_memory:
        limit = f" of {job.limits.memory} bytes" if job.limits.memory else ""
        return Failed(phases.OVER_MEMORY, f"it was ended for taking more memory than its limit{limit}", "ask for more memory")
    if found.signal is not None:
        return Failed(phases.SIGNALLED, f"the program was ended by {_signal_name(found.signal)}{_said(directory)}")
    if found.exit:
        return Failed(phases.ENDED, f"the program ended with status {found.exit}{_said(directory)}")
    return None


def _said(directory: str) -> str:
    """The last thing the program had to say."""
    lines = [line.strip() for line in directories.last_lines(directory, "stderr", 5)]
    last = next((line for line in reversed(lines) if line), "")
    return f": {last[:200]}" if last else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
