"""Run `sampan` and end it by SIGKILL at its N-th rename, before or after it is done: `python killed.py N WORDS...`.

Every object and every root file of a repository in a directory gets its name by a rename, so these are all the points at which something
that others see can change.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

limit, *words = sys.argv[1:]
count = 0
lock = threading.Lock()
rename = os.rename


def counted(source, target, **rest):
    """Those that fail, for want of a directory, are done again and do not count."""
    global count  # noqa: PLW0603 - a script
    with lock:
        if count + 1 == -int(limit):
            os.kill(os.getpid(), signal.SIGKILL)
        rename(source, target, **rest)
        count += 1
        if count == int(limit):
            os.kill(os.getpid(), signal.SIGKILL)


os.rename = counted
from sampan.__main__ import main  # noqa: E402

status = main(words)
if not int(limit):
    print(f"renames {count}", file=sys.stderr)
sys.exit(status)
