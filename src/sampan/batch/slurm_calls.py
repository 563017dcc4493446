"""What Slurm's programs are called with, and what they answer (sbatch(1), squeue(1), sacct(1), scancel(1), scontrol(1)).

Every call has a time limit, since the programs wait for a controller that does not answer. Parsing is pure.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sampan.errors import HostError, ProgramMissing, Unreachable, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

QUERY_SECONDS = 30.0
SUBMIT_SECONDS = 60.0
QUEUE_FORMAT = "%F|%K|%T|%k|%r"
COMMENT = "sampan:"
MAX_EXPANDED = 4_000_000
# Of the submitter's variables those that a worker and its image need; the rest stays at home, secrets with it.
PASSED = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "REGISTRY_AUTH_FILE",
    "DOCKER_CONFIG",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One job as Slurm has it."""

    state: str
    reason: str = ""
    exit: int | None = None


def call(words: Sequence[str], seconds: float, input: str | None = None) -> str:
    """What a program of Slurm says. Raises `ProgramMissing`, `HostError` with its own words.

    `Unreachable` means that the controller did not answer: it may have done what it was told.
    """
    try:
        done = subprocess.run(
            words, capture_output=True, timeout=seconds, check=False, input=None if input is None else os.fsencode(input),
            stdin=subprocess.DEVNULL if input is None else None,
            # 0: a list of an array's tasks is never cut; SLURM_TIME_FORMAT and the like have no influence on what is asked for.
            env={**os.environ, "SLURM_BITSTR_LEN": "0", "LC_ALL": "C"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Unreachable(
            f"{words[0]} has not answered within {seconds:g} s", "the controller of Slurm may be busy or down"
        ) from None
    except FileNotFoundError:
        raise ProgramMissing(
            f"there is no {words[0]} on PATH", "is this a login node of the cluster? (module load slurm)"
        ) from None
    except OSError as error:
        raise HostError(f"cannot execute {words[0]}: {error.strerror}") from error
    said = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode:
        lines = [line.partition("error: ")[2] or line for line in said.splitlines() if line]
        sentence = printable("; ".join(dict.fromkeys(lines))[:500]) or f"status {done.returncode}"
        if any(sign in said.lower() for sign in _UNREACHABLE):
            raise Unreachable(f"{words[0]} cannot reach Slurm: {sentence}", "the controller may be down; it is asked again")
        raise HostError(f"{words[0]} refuses: {sentence}")
    return done.stdout.decode("utf-8", "replace")


_UNREACHABLE = (
    "unable to contact slurm controller", "socket timed out", "connection refused", "connection timed out", "zero bytes were transmitted",
    "temporarily unable", "slurm backup controller", "communication connection failure", "connect failure", "resource temporarily unavailable",
)  # fmt: skip


def script(command: Sequence[str], directories: Sequence[str]) -> str:
    """The script of an array: each task runs the worker for its own directory. Nothing in it is read by a shell but quoted words."""
    lines = ["#!/bin/sh", "set -- \\", *(f"  {shlex.quote(path)} \\" for path in directories), ""]
    lines += [
        'shift "${SLURM_ARRAY_TASK_ID:-0}"',
        'cd "$1" || exit 20',
        "exec >>log 2>&1",
        f'exec {shlex.join(command)} "$1"',
        "",
    ]
    return "\n".join(lines)


def variables(environ: Mapping[str, str]) -> str:
    """The names for `sbatch --export`."""
    names = [name for name in PASSED if name in environ]
    return ",".join(names + sorted(name for name in environ if name.startswith("SAMPAN_")))


def rows_of_queue(text: str) -> Iterator[tuple[str, str, str, str, str]]:
    """Base id, tasks, state, comment and reason of each line of `squeue`."""
    for line in text.splitlines():
        parts = line.split("|", 3)
        if len(parts) == 4:
            comment, _, reason = parts[3].rpartition("|")
            yield parts[0].strip(), parts[1].strip(), parts[2].strip(), comment, reason.strip()


def by_id(text: str) -> dict[str, Row]:
    """All jobs that `squeue` tells of, by `ID` or `ID_TASK`. A state that comes later replaces one that came before."""
    found: dict[str, Row] = {}
    known: dict[tuple[str, str], Row] = {}
    for base, tasks, state, _, reason in rows_of_queue(text):
        row = known.setdefault((state, reason), Row(state, reason))
        if tasks in ("", "N/A"):
            found[base] = row
        elif tasks.isdigit():
            found[f"{base}_{tasks}"] = row
        else:
            found.update((f"{base}_{task}", row) for task in expanded(tasks))
    return found


def expanded(tasks: str) -> Iterator[int]:
    """The tasks of `0-4,7,10-20:5%3`. What cannot be read gives nothing."""
    left = MAX_EXPANDED
    for part in tasks.strip("[]").partition("%")[0].split(","):
        ends, _, step = part.partition(":")
        first, dash, last = ends.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or (step and not step.isdigit()):
            continue
        span = range(int(first), int(last if dash else first) + 1, max(int(step or 1), 1))
        left -= len(span)
        if left < 0:
            return
        yield from span


def compressed(tasks: Iterable[int]) -> str:
    """`0-4,7` of numbers."""
    parts: list[str] = []
    first = last = -2
    for task in [*sorted(set(tasks)), -2]:
        if task == last + 1:
            last = task
            continue
        if first >= 0:
            parts.append(str(first) if first == last else f"{first}-{last}")
        first = last = task
    return ",".join(parts)


def by_accounting(text: str) -> dict[str, Row]:
    """What `sacct -n -P -X -o JobID,State,ExitCode` tells; `CANCELLED by 1000` is CANCELLED."""
    found = {}
    for line in text.splitlines():
        parts = line.split("|")
        if len(parts) == 3 and parts[1]:
            code = parts[2].partition(":")[0]
            row = Row(parts[1].split()[0], "", int(code) if code.isdigit() else None)
            base, bracket, tasks = parts[0].partition("_[")
            for id in (f"{base}_{task}" for task in expanded(tasks)) if bracket else (parts[0],):
                found[id] = row
    return found


def array_size(text: str) -> int:
    """MaxArraySize of `scontrol show config`: the largest index is one less. 0 if it is not told."""
    return _configured(text, "MaxArraySize", 0)


def has_accounting(text: str) -> bool:
    """Whether `sacct` can know anything, of `scontrol show config`."""
    return any(
        line.partition("=")[0].strip() == "AccountingStorageType" and line.partition("=")[2].strip() not in ("", "(null)", "accounting_storage/none")
        for line in text.splitlines()
    )  # fmt: skip


def _configured(text: str, name: str, default: int) -> int:
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key.strip() == name and value.strip().isdigit():
            return int(value)
    return default


def bounds_of(text: str) -> tuple[int, int, int, float]:
    """Processors, MB, GPUs and seconds that one job can get, of `sinfo -h -o %c|%m|%G|%l`; 0: no bound, or not told."""
    cpus = memory = gpus = 0
    seconds: list[float] = []
    for line in text.splitlines():
        parts = line.split("|")
        if len(parts) == 4:
            cpus, memory = max(cpus, _number(parts[0])), max(memory, _number(parts[1]))
            gpus = max(gpus, sum(_gpus(gres) for gres in parts[2].split(",")))
            seconds.append(_seconds(parts[3]))
    return cpus, memory, gpus, 0.0 if not seconds or 0.0 in seconds else max(seconds)


def _number(text: str) -> int:
    digits = text.strip().rstrip("+")
    return int(digits) if digits.isdigit() else 0


def _gpus(gres: str) -> int:
    """`gpu:a100:4(S:0-1)`."""
    parts = gres.partition("(")[0].split(":")
    return int(parts[-1]) if parts[0] == "gpu" and parts[-1].isdigit() else 0


def _seconds(text: str) -> float:
    """`1-00:00:00`, `30:00`, `infinite`: 0."""
    days, dash, rest = text.strip().rpartition("-")
    parts = rest.split(":")
    if not all(part.isdigit() for part in parts) or (dash and not days.isdigit()):
        return 0.0
    total = 0
    for part in [*parts, *(["0"] * (3 - len(parts)) if dash else [])]:
        total = total * 60 + int(part)
    return float(total + int(days or 0) * 86400)
