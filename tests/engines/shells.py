"""Shells as an engine may find them on a node: free, without user namespaces, inside the filter of an outer container engine."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.product import Sampan

CONFINE = Path(__file__).parents[2] / "native/tests/intercept/confine.c"
NO_NAMESPACES = (
    "unshare", "-U", "--map-current-user", "--keep-caps", "sh", "-c",
    'echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all "$@"', "sh",
)  # fmt: skip


@dataclass(frozen=True)
class Shelled(Sampan):
    """The command, started from such a shell."""

    shell: tuple[str, ...] = ()

    def command(self) -> list[str]:
        return [*self.shell, *Sampan.command()]


def confine(place: Path) -> str:
    """The program that sets filters, compiled into `place`; empty without a compiler."""
    program = place / "confine"
    if not program.exists():
        if not shutil.which("gcc"):
            return ""
        temporary = place / f"confine.{os.getpid()}"
        subprocess.run(["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", str(CONFINE), "-o", temporary], check=True)
        temporary.rename(program)
    return str(program)


def shells(place: Path) -> dict[str, tuple[str, ...]]:
    """The words that begin each shell, by name; a shell that cannot be had here is left out."""
    found: dict[str, tuple[str, ...]] = {"a free shell": ()}
    program = confine(place)
    if program:
        found["an outer filter"] = (program, "docker")
        found["an outer filter without openat2"] = (program, "old-docker")
        found["no filters either"] = (program, "no-filter")
    if subprocess.run([*NO_NAMESPACES, "true"], capture_output=True).returncode == 0:
        found["no user namespaces"] = NO_NAMESPACES
    return found
