"""`sampan app test`."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from sampan.apps.bind import bind
from sampan.apps.launch import prepare, write
from sampan.apps.load import load
from sampan.apps.outputs import collect
from sampan.apps.testing import judge, with_files
from sampan.cli.app_launch import run
from sampan.errors import EXIT_FAILURE, SampanError, UsageError
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.apps.application import Application, Test
    from sampan.cli.context import Context
    from sampan.options.table import Parsed
    from sampan.runtime.session import Session


def test(parsed: Parsed, context: Context) -> int:
    """A line for each test: passed or failed, and why."""
    session = context.session(parsed)
    application = load(str(parsed.values["application"]), session)
    wanted = parsed.texts("only")
    unknown = set(wanted) - {one.name for one in application.tests}
    if unknown or not application.tests:
        names = ", ".join(one.name for one in application.tests)
        raise UsageError(
            f"{application.identifier} has no test {', '.join(sorted(unknown))}".rstrip(),
            f"its tests are {names}" if names else None,
        )
    rows: list[dict[str, object]] = []
    for one in application.tests:
        if not wanted or one.name in wanted:
            wrong = _run(application, one, session, context, parsed)
            rows.append({"test": one.name, "passed": not wrong, "problems": wrong})
            if not parsed.flag("json"):
                output.result(f"{one.name}: {'passed' if not wrong else 'failed: ' + '; '.join(wrong)}\n")
    if parsed.flag("json"):
        output.json_result(rows)
    return EXIT_FAILURE if any(not row["passed"] for row in rows) else 0


def _run(application: Application, test: Test, session: Session, context: Context, parsed: Parsed) -> list[str]:
    """What is wrong after one test; it works in a directory that vanishes, and what it prints goes to standard error."""
    here = os.getcwd()
    base = os.path.dirname(os.path.abspath(application.origin)) if os.path.isfile(application.origin) else here
    directory = tempfile.mkdtemp(prefix="sampan-test-")
    try:
        invocation = with_files(bind(application, test.invocation), base)
        prepared = prepare(
            invocation, directory, mounts=session.settings.text("cvmfs_mounts"), container=not parsed.flag("no_container")
        )
        write(prepared)
        os.chdir(directory)
        status = run(application, prepared, session, context, parsed, out=os.dup(2))
        return judge(test, directory, status, collect(prepared.outputs, directory))
    except SampanError as error:
        return [error.sentence]
    finally:
        os.chdir(here)
        shutil.rmtree(directory, ignore_errors=True)
