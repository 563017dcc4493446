"""What the tests of the watcher share: starting one, reading its files, finding processes that were left."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

PIDS = "user,mount,pid"
PLAIN = "user,mount"
RECORD = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (stdout|stderr) ([FP]) (.*)\n")


def until(condition, seconds=10.0, what="it"):
    """Waits until `condition()` is true and returns its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come to pass in {seconds} s"
        time.sleep(0.01)
    return value


def alive(pid):
    """Does this process run? A zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def processes(marker):
    """The processes that have these bytes in their command line, but for this one."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                words = Path(f"/proc/{entry}/cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(marker) in words:
                found.append(int(entry))
    return found


def start_time(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def cpu_ticks(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def private_kilobytes(pid):
    """Memory that the process shares with no other."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(map(int, re.findall(r"Private_\w+: +(\d+) kB", text)))


class Watched:
    """One container: its plan's `watch` record, its directory, and its files."""

    def __init__(self, launch, folder, root):
        self.launch, self.directory, self.root = launch, folder, root
        folder.mkdir()

    def plan(self, *records, flags="", limit="0", grace="2", stop="15", **options):
        """`directory=""` for none; the rest as `Launcher.plan`."""
        directory = str(options.pop("directory", self.directory))
        options = {"spaces": PIDS, **options}
        watch = ("watch", flags, directory, stop, grace, limit)
        rest = [] if "pid" not in options["spaces"] else [("proc", "/proc")]
        return self.launch.plan(options.pop("root", self.root), *rest, watch, *records, **options)

    def start(self, *records, popen=None, **options):
        return self.launch.start(self.plan(*records, **options), **(popen or {}))

    def run(self, *records, popen=None, **options):
        with self.start(*records, popen=popen, **options) as process:
            out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess([], process.returncode, out, err)

    def detach(self, *records, flags="logs", script="true", **options):
        """Starts something in the background, which must succeed and say nothing."""
        options.setdefault("argv", ("sh", "-c", script))
        done = self.run(("fds", ""), *records, flags=",".join(filter(None, ["detach", flags])), **options)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        return self.payload()

    def read(self, name):
        return json.loads((self.directory / name).read_text())

    def payload(self):
        return self.read("payload")

    def has(self, name):
        return (self.directory / name).exists()

    def exit(self, seconds=10.0):
        """The content of `exit`, once it is there and belongs to the run that `payload` names."""

        def ended():
            if not self.has("exit"):
                return None
            found, payload = self.read("exit"), self.payload()
            return found if (found["pid"], found["start"]) == (payload["pid"], payload["start"]) else None

        return until(ended, seconds, "the end")

    def records(self, newest_only=False):
        """Every record of the log, oldest first: (stream, "F" or "P", text)."""
        names = ["log"] if newest_only else sorted((p.name for p in self.directory.glob("log*")), reverse=True, key=number)
        data = b"".join((self.directory / name).read_bytes() for name in names)
        found = RECORD.findall(data)
        assert sum(len(t) + len(s) + len(k) + len(x) + 4 for t, s, k, x in found) == len(data), "something else is in the log"
        return [(stream.decode(), kind.decode(), text.decode(errors="surrogateescape")) for _, stream, kind, text in found]

    def lines(self, stream="stdout"):
        """The lines of one stream, put together from their parts."""
        lines, line = [], ""
        for of, kind, text in self.records():
            if of == stream:
                line += text
                if kind == "F":
                    lines.append(line)
                    line = ""
        return lines + ([line] if line else [])

    def end(self):
        """Whatever runs, does not afterwards."""
        if self.has("payload"):
            payload = self.payload()
            for pid, start in ((payload["pid"], payload["start"]), tuple(payload["watcher"].values())):
                if alive(pid) and start_time(pid) == start:
                    os.kill(pid, signal.SIGKILL)


def number(name):
    return int(name.partition(".")[2] or 0)
