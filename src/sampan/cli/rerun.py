"""`sampan rerun`: repeat the execution of a crate, and say what differs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan import __version__
from sampan.cli import job_submit
from sampan.cli.job_follow import PARTIAL, followed
from sampan.cli.job_options import AT_ONCE, BACK_END, LIMITS
from sampan.executions import launch, rerun
from sampan.options.table import FLAG, Argument, Command, Option
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "rerun",
    "repeat the execution of a crate with the same image, values and files, and say what differs",
    (
        *BACK_END,
        *LIMITS,
        AT_ONCE,
        Option("--json", FLAG, "the differences as JSON"),
    ),
    (Argument("CRATE", "1", "a directory that `sampan job fetch --crate` made"),),
    description=(
        "Image, descriptor and input files must have the digests that the crate states; an input that has another one makes its job fail. Results "
        "are compared by their digests. Exit status 0 if all are the same, 1 if something differs, 125 if sampan failed."
    ),
    examples=(("sampan rerun crate", "on this machine"), ("sampan rerun --back-end slurm crate", "on a cluster")),
)


def main(parsed: Parsed, context: Context) -> int:
    """A line a difference, or a JSON document."""
    session = context.session()
    place = str(parsed.values["crate"])
    earlier = rerun.read(place)
    wanted = rerun.wanted(earlier, os.path.abspath(place), job_submit.settings(parsed, rerun.limits_of(earlier)))
    execution = job_submit.start(wanted, context)
    if execution is None:
        return 0
    if earlier.sampan and earlier.sampan != __version__:
        context.notice.say(f"the crate was made with sampan {earlier.sampan}, this is {__version__}")
    executions = launch.kept(session)
    jobs = followed(execution, context)
    found = rerun.compare(earlier, executions, execution, jobs)
    if parsed.flag("json"):
        rows = [{"job": one.job, "what": one.what, "before": one.before, "now": one.now} for one in found]
        same = len(earlier.results) - sum(1 for one in found if (one.job, one.what) in earlier.results)
        output.json_result({"execution": execution.id, "origin": wanted.origin, "same": same, "differences": rows})
    else:
        output.result("".join(f"{one.sentence()}\n" for one in found))
        results = len(earlier.results)
        context.notice.say(
            f"{len(found)} differences" if found else f"nothing differs: {results} results have the digests that the crate states"
        )
    return PARTIAL if found else 0
