"""A real bash with job control on a real terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import time

PROMPT = "@@ "


class Shell:
    """Type a line, read until something shows up."""

    def __init__(self):
        words = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
        env = {"PATH": "/usr/bin:/bin", "PS1": PROMPT, "TERM": "dumb", "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve("/bin/bash", words, env)
        self.text = ""
        self.read(re.escape(PROMPT))

    def read(self, pattern, seconds=10.0):
        """What came up to and with the first match of `pattern`."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.text, re.DOTALL)):
            assert time.monotonic() < deadline, f"{pattern!r} did not show up in {self.text!r}"
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.fd, 65536).decode(errors="replace").replace("\r", "")
                except OSError:
                    raise AssertionError(f"the shell has ended: {self.text!r}") from None
        out, self.text = self.text[: found.end()], self.text[found.end() :]
        return out

    def type(self, text):
        os.write(self.fd, text.encode())

    def run(self, line):
        """Runs a line to its end; what it prints."""
        self.type(line + "\n")
        return self.read(r"\n" + re.escape(PROMPT)).partition("\n")[2][: -len(PROMPT)]

    def status(self):
        return int(self.run("echo $?"))

    def close(self, number=signal.SIGKILL):
        os.kill(self.pid, number)
        os.close(self.fd)
        os.waitpid(self.pid, 0)
