"""The options by which a launch becomes an execution of jobs, as `app launch`, `job submit` and others have them. On the path of `app launch`."""

from __future__ import annotations

from sampan.options.table import FLAG, LIST, VALUE, Option

OVER = (
    Option(
        "--over", LIST, "one job for each value: a pattern of files, values between commas, a range 1..10, or @FILE", "ID=VALUES"
    ),
    Option("--dot", LIST, "pair these inputs of --over instead of crossing them", "ID,ID"),
)
BACK_END = (
    Option("--back-end", VALUE, "what runs the jobs (default: local)", "local|slurm", ("local", "slurm")),
    Option("--option", LIST, "an option for the batch system itself, as --option=--partition=long", "WORD"),
)
LIMITS = (
    Option("--time", VALUE, "end a job after so long, as 90s, 30m or 2h", "DURATION"),
    Option("--memory", VALUE, "memory of a job, as 512m or 4g", "SIZE"),
    Option("--cpus", VALUE, "processors of a job", "NUMBER"),
    Option("--gpus", VALUE, "GPUs of a job", "NUMBER"),
)
AT_ONCE = Option("--at-once", VALUE, "run at most so many jobs at a time", "NUMBER")
NAME = Option("--name", VALUE, "a name for the execution", "NAME")
RETRIES = Option("--retries", VALUE, "try jobs again so often whose failure may pass: a node, a transfer, a lost job", "NUMBER")
EVENTS = Option("--json", FLAG, "an event a line on standard output, for programs")
EXECUTION = (*OVER, *BACK_END, *LIMITS, AT_ONCE, NAME)
"""All by which `app launch` makes an execution instead of a process of its own."""


def names() -> tuple[str, ...]:
    """The names of the options of `EXECUTION`."""
    return tuple(option.name for option in EXECUTION)
