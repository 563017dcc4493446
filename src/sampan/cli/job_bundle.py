"""`sampan job bundle` and `take`: jobs for nodes with which nothing is shared, and what comes back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.batch import bundles as back_end
from sampan.cli import job_submit
from sampan.cli.job_follow import PARTIAL
from sampan.errors import SampanError, UsageError
from sampan.executions import bundles, launch, states
from sampan.jobs import bundle as packing
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed


def bundle(parsed: Parsed, context: Context) -> int:
    """The paths of the bundles."""
    target = parsed.text("output")
    if target is None:
        raise UsageError("`sampan job bundle` needs a directory for the bundles", "--output DIRECTORY")
    directory = os.path.abspath(target)
    pyz = parsed.text("pyz")
    form = parsed.text("form") or ("pyz" if pyz or packing.running_pyz() else "native")
    if form == "native" and (pyz or parsed.flag("no_image")):
        raise UsageError("--pyz and --no-image are for the form pyz", "a node without Python needs the image as a tree")
    words = [f"directory={directory}", f"form={form}"]
    words += [f"pyz={os.path.abspath(pyz)}"] if pyz else []
    words += ["image=no"] if parsed.flag("no_image") else []
    wanted = job_submit.wanted(parsed, context, "job bundle", back_end=("bundle", tuple(words)))
    execution = None if wanted is None else job_submit.start(wanted, context, dry_run=parsed.flag("dry_run"))
    if execution is None:
        return 0
    context.progress.stop()
    for number in range(1, execution.size + 1):
        output.result(f"{directory}/{back_end.name_of(launch.mark(execution.id, number, 1))}\n")
    context.notice.say(
        f"execution {execution.id}: run the run.sh of each bundle on a node, bring it back, then `sampan job take BUNDLE...`"
    )
    return 0


def take(parsed: Parsed, context: Context) -> int:
    """How the job of each ended; 1 if some failed. What cannot be taken in holds up no other."""
    session = context.session()
    executions = launch.kept(session)
    worst = 0
    for place in parsed.texts("bundle"):
        try:
            execution, entry = bundles.take(place, executions, session)
        except SampanError as error:
            output.say_error(error)
            worst = error.exit_code
            continue
        number = f" {entry.job}" if execution.size > 1 else ""
        output.result(f"{execution.id}{number}: {entry.state}{f': {entry.cause}' if entry.cause else ''}\n")
        worst = worst or (0 if entry.state == states.FINISHED else PARTIAL)
    return worst
