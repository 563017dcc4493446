"""The command without its start-up: a process that has sampan imported forks for each command, and the test may kill that fork.

    with Forked(sampan) as forked:
        forked("pull", reference)                       # status and what it said
        forked("pull", reference, kill_at=17)           # -9 before its 17th change of or look at the file system
        forked("pull", reference, kill_after=0.03)      # -9 after so many seconds
        forked.events                                   # how many the last one had made when it ended

The server has one thread, so forking is safe whatever the tests run beside it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import sampan as package

PROGRAM = """
import importlib, json, os, sys
sys.path[:0] = {paths!r}
import sampan.__main__ as command
for commands in command.GROUPS.values():
    for module, _ in commands.values():
        importlib.import_module(module)
import sampan.image.pull, sampan.store.repair, sampan.store.move, sampan.runtime.pull, urllib3, hashlib, json, zlib

EVENTS = ("open", "os.rename", "os.link", "os.symlink", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.utime", "os.truncate")

def run(request):
    out = os.open(request["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for number in (1, 2):
        os.dup2(out, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.setsid()
    count = 0
    def hook(event, _):
        nonlocal count
        if event in EVENTS:
            count += 1
            if count == request["kill_at"]:
                os.kill(os.getpid(), 9)
    sys.addaudithook(hook)
    status = command.main(request["words"])
    sys.stdout.flush()
    os.write(2, b"\\nevents %d" % count)
    os._exit(status)

for line in sys.stdin:
    request = json.loads(line)
    pid = os.fork()
    if not pid:
        try:
            run(request)
        except SystemExit as error:
            os._exit(error.code or 0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(99)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Forked:
    """The server. Commands run one after the other."""

    def __init__(self, sampan) -> None:
        self._out = sampan.directory / "forked-out"
        self.events = 0
        paths = [str(Path(package.__file__).parents[1])]
        self._server = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(paths=paths)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=sampan.directory, env=sampan.environment(),
        )  # fmt: skip

    def __call__(self, *words: str, kill_at: int = 0, kill_after: float | None = None) -> tuple[int, str]:
        """Exit status (negative: the signal) and what was said."""
        request = {"words": [os.fspath(word) for word in words], "out": str(self._out), "kill_at": kill_at}
        print(json.dumps(request), file=self._server.stdin, flush=True)
        pid = int(self._server.stdout.readline())
        timer = threading.Timer(kill_after, _kill, [pid]) if kill_after is not None else None
        if timer is not None:
            timer.start()
        status = int(self._server.stdout.readline())
        if timer is not None:
            timer.cancel()
            timer.join()
        said, _, count = self._out.read_text(errors="replace").rpartition("\nevents ")
        if count.isdigit():
            self.events = int(count)
        else:
            said = self._out.read_text(errors="replace")
        return status, said

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stdin.close()
        self._server.wait(30)
        self._server.stdout.close()


def _kill(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
