#!/usr/bin/env python3
"""Run the console blocks of documentation pages, and put what the commands print into the pages.

usage: consoles.py PAGE...   with SAMPAN_IMAGE_LAYOUT, an OCI layout made by machine_image.py, and sampan on PATH

A page is a session of one shell in a fresh home: lines with `$ ` are typed, those with `> ` continue them, the rest is what
was printed, errors included. The user, the home, the machine and the registry have fixed names in the pages. tests/journeys/test_pages.py
runs the same blocks and compares; blocks of another kind (`sh`, `text`) are not run.
"""

from __future__ import annotations

import getpass
import os
import re
import select
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

LOOP = """
while IFS= read -r -d '' line <&9; do eval "$line" </dev/null 9<&- 8>&-; printf '\\0' >&8; done
"""
SECONDS = 60
# A session as it is in the pages.
SHOWN_HOME, SHOWN_USER, SHOWN_NODE, SHOWN_REGISTRY, SHOWN_PORT = "/home/ana", "ana", "node1", "localhost:5000", "8080"


@dataclass(frozen=True)
class Step:
    """One command of a page, with what the page says that it prints; lines are those of the page."""

    command: str
    printed: tuple[str, ...]
    first: int
    last: int


def steps(page: str) -> list[Step]:
    """The commands of all console blocks."""
    found: list[Step] = []
    command: list[str] = []
    printed: list[str] = []
    begin, within = 0, False
    for number, line in enumerate(page.split("\n")):
        starts, ends = line == "```console", within and line == "```"
        if command and (ends or line.startswith("$ ")):
            found.append(Step("\n".join(command), tuple(printed), begin, number))
            command, printed = [], []
        within = (within or starts) and not ends
        if within and not starts:
            if line.startswith("$ "):
                command = [line[2:]]
                begin = number + 1
            elif (line.startswith("> ") or line == ">") and not printed:
                command.append(line[2:])
                begin = number + 1
            else:
                printed.append(line)
    return found


class Session:
    """A shell that runs one command after the other and gives what each printed."""

    def __init__(self, home: Path, environment: dict[str, str], registry: str = "") -> None:
        self._home = str(home)
        self._names = [(getpass.getuser(), SHOWN_USER), (socket.gethostname(), SHOWN_NODE)]
        # What a page listens at and where its registry is differs from run to run.
        self._places = [(registry, SHOWN_REGISTRY)] if registry else []
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._places.append((str(free.getsockname()[1]), SHOWN_PORT))
        command_read, self._commands = os.pipe()
        self._ends, end_write = os.pipe()
        self._out = (home.parent / f"{home.name}.out").open("w+b")
        self._shell = subprocess.Popen(
            ["bash", "--norc", "-c", f"exec 9<&{command_read} 8>&{end_write}; {LOOP}"], cwd=home, stdin=subprocess.DEVNULL,
            stdout=self._out, stderr=subprocess.STDOUT, env={**environment, "HOME": str(home)}, pass_fds=(command_read, end_write),
        )  # fmt: skip
        os.close(command_read)
        os.close(end_write)

    def run(self, command: str) -> list[str]:
        """The lines it printed."""
        for real, shown in self._places:
            command = command.replace(shown, real)
        before = self._out.seek(0, os.SEEK_END)
        os.write(self._commands, command.encode() + b"\0")
        if not select.select([self._ends], [], [], SECONDS)[0] or os.read(self._ends, 1) != b"\0":
            raise RuntimeError(f"did not end within {SECONDS} s, or ended the shell: {command}")
        self._out.seek(before)
        text = self._out.read().decode("utf-8", "replace")
        for real, shown in [(self._home, SHOWN_HOME), *self._places]:
            text = text.replace(real, shown)
        for real, shown in self._names:
            text = re.sub(rf"\b{re.escape(real)}\b", shown, text)
        return text.splitlines()

    def close(self) -> None:
        """The shell ends when it has no command any more."""
        os.close(self._commands)
        try:
            self._shell.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self._shell.kill()
            self._shell.wait()
        os.close(self._ends)
        self._out.close()


def filled(page: str, session: Session) -> str:
    """The page with what its commands print now."""
    lines = page.split("\n")
    parts: list[str] = []
    at = 0
    for step in steps(page):
        printed = session.run(step.command)
        keep = step.printed if "..." in step.printed and alike(list(step.printed), printed) else printed
        parts += [*lines[at : step.first], *keep]
        at = step.last
    return "\n".join([*parts, *lines[at:]])


def alike(wanted: list[str], printed: list[str]) -> bool:
    """Whether they differ only in numbers, ids and blanks; a line `...` stands for any lines."""
    pattern = "\n".join(".*" if line == "..." else re.escape(_bare(line)) for line in wanted)
    return re.fullmatch(pattern, "\n".join(_bare(line) for line in printed), re.DOTALL) is not None


def _bare(line: str) -> str:
    line = re.sub(
        r"\b([0-9]{8}-[0-9]{6}-[0-9a-f]{4}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{12,64})\b", "ID", line.strip()
    )
    line = re.sub(r"\d+(\.\d+)? ([kMG]?B|ms|s|min|h)\b", "AMOUNT", line)
    return re.sub(r"\s+", " ", re.sub(r"\d+", "N", line))


def main() -> None:
    """Fill the pages named on the command line."""
    layout = os.environ["SAMPAN_IMAGE_LAYOUT"]
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory(dir="/var/tmp", ignore_cleanup_errors=True) as place:
            home = Path(place) / "home"
            home.mkdir()
            (home / "debian-image").symlink_to(layout)
            kept = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
            runtime = {"SAMPAN_RUNTIME_DIR": f"{place}/runtime"}
            session = Session(home, {**kept, **runtime}, os.environ.get("SAMPAN_DOC_REGISTRY", ""))
            try:
                Path(name).write_text(filled(Path(name).read_text(), session))
            finally:
                session.run("sampan rm -f $(sampan ps -aq) 2>&1")
                session.close()


if __name__ == "__main__":
    main()
