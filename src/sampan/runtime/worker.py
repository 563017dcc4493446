"""The process that works on a container's files, as root under its maps (`inside.py`). Started with a descriptor and a task.

The current directory is the container's changes or its root. stdin and stdout are streams of the task; what was found, or the
error, goes as one JSON object to the descriptor.
"""

from __future__ import annotations

import json
import os
import traceback

from sampan.errors import HostError, NoSpace, SampanError, StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    Task = dict[str, object]

# name -> (module, function); each takes the task and gives what was found.
WORKS = {
    "changes": ("sampan.runtime.differing", "list_changes"),
    "layer": ("sampan.runtime.differing", "write_layer"),
    "root": ("sampan.runtime.differing", "write_root"),
    "copy": ("sampan.runtime.owned", "do_copy"),
    "remove": ("sampan.runtime.owned", "do_remove"),
    "give": ("sampan.runtime.copying", "give"),
    "take": ("sampan.runtime.copying", "take"),
}


def main(words: list[str]) -> None:
    """Do the task and report."""
    report = int(words[0])
    os.set_inheritable(report, False)
    task: Task = json.loads(words[1])
    os.umask(0)
    try:
        found = _work(str(task["name"]))(task)
    except BrokenPipeError:
        found = {"unread": True}  # the other side met an error, and raises it
    except SampanError as error:
        found = {"error": type(error).__name__, "sentence": error.sentence, "hint": error.hint}
    except OSError as error:
        found = _system_error(error)
    except BaseException as error:  # noqa: BLE001 - reported, and raised by whoever waits
        trace = traceback.extract_tb(error.__traceback__)[-1]
        sentence = (
            f"this is a defect of sampan: {type(error).__name__}: {error} ({os.path.basename(trace.filename)}:{trace.lineno})"
        )
        found = {"error": "HostError", "sentence": sentence}
    os.write(report, json.dumps(found).encode("ascii"))
    os._exit(0)


def _work(name: str) -> Callable[[Task], Task]:
    module, function = WORKS[name]
    work: Callable[[Task], Task] = getattr(__import__(module, fromlist=[function]), function)
    return work


def _system_error(error: OSError) -> Task:
    import errno

    from sampan.errors import printable

    where = f" ({printable(error.filename)})" if isinstance(error.filename, (bytes, str)) else ""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    kind = NoSpace if full else HostError if error.errno is None else StoreError
    return {"error": kind.__name__, "sentence": f"{error.strerror or error}{where}"}
