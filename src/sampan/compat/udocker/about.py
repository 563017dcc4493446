"""`udocker version`, `showconf`, `install` and `mkrepo`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.compat.udocker import VERSION, configuration
from sampan.errors import HostError, UsageError
from sampan.options.table import FLAG, Argument, Command
from sampan.options.unserved import SILENT, Unserved
from sampan.terminal.output import result

if TYPE_CHECKING:
    from sampan.compat.program import Call, Verbs

_REPOSITORY = ("bin", "containers", "doc", "layers", "lib", "repos")


def version(call: Call) -> int:  # noqa: ARG001 - the contract
    """Udocker's three lines; nothing is ever fetched."""
    from sampan import __version__

    result(f"version: {VERSION}\ntarball: none, sampan {__version__} has its engines in it\ntarball_release: {__version__}\n")
    return 0


def showconf(call: Call) -> int:
    """Each key that has a meaning here, with its value and where it comes from."""
    found = configuration.of(call)
    lines = ["-" * 80, "\t\tConfiguration options"]
    values = {**found.values, "topdir": configuration.directory(call), "store": call.session().store.path}
    for key in sorted(values):
        origin = found.origins.get(key)
        lines.append(f"{key} = {values[key] or None}" + (f"    ({origin})" if origin else ""))
    result("".join(f"{line}\n" for line in [*lines, "-" * 80]))
    return 0


def install(call: Call) -> int:
    """There is nothing to install: the repository is made, if there is none."""
    path = configuration.directory(call)
    if not configuration.is_repository(path):
        _make(path)
    call.context.notice.say("nothing to install: the engines are sampan's own (`sampan doctor` says which work here)")
    return 0


def make_repository(call: Call) -> int:
    """A directory that `--repo` takes."""
    path = str(call.parsed.values["directory"])
    if os.path.lexists(path):
        raise UsageError(f"{path} is there already", "name a new directory")
    _make(path)
    return 0


def _make(path: str) -> None:
    try:
        for name in _REPOSITORY:
            os.makedirs(os.path.join(path, name), exist_ok=True)
    except OSError as error:
        raise HostError(f"cannot make the repository {path}: {error.strerror}", "name a directory that you can write") from error


VERBS: Verbs = {
    "version": (Command("version", "print the version"), version),
    "showconf": (Command("showconf", "print the configuration"), showconf),
    "install": (
        Command("install", "accepted: there is nothing to install", (Unserved("--force", FLAG, SILENT, ""), Unserved("--purge", FLAG, SILENT, ""))),
        install,
    ),
    "mkrepo": (Command("mkrepo", "make a repository", (), (Argument("DIRECTORY", "1", "a new directory"),)), make_repository),
}  # fmt: skip
