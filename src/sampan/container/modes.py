"""udocker's execution modes: how a container is run, by the names that udocker has for it. Pure; on the start-up path.

A record names a mode or nothing. Each mode is a promise, which an engine of this machine keeps, whichever is there: how files are shown
(P and F: without namespaces; R: in namespaces) and whether owners can be changed (R2 and R3).
"""

from __future__ import annotations

from sampan.errors import CannotHonour, UsageError

# Mode -> the engines that serve it, the first that works here is taken. `{}`: nothing of sampan's keeps its promise.
MODES: dict[str, tuple[str, ...]] = {
    "P1": ("intercept", "proot"),
    "P2": ("intercept", "proot"),
    "F1": ("intercept",),
    "F2": ("intercept",),
    "F3": ("intercept",),
    "F4": ("intercept",),
    "R1": ("namespace", "oci-runtime"),
    "R2": ("namespace", "oci-runtime"),
    "R3": ("namespace", "oci-runtime"),
    "S1": (),
}
SINGULARITY = "it runs containers by singularity or apptainer, which sampan has no engine for yet"


def check(mode: str) -> str:
    """The mode, in capitals as udocker writes it. Raises `UsageError`, `CannotHonour` for one that nothing here can serve."""
    found = mode.upper()
    if found not in MODES:
        raise UsageError(f"there is no execution mode {mode!r}", f"there are {', '.join(MODES)}")
    if not MODES[found]:
        raise CannotHonour(f"the execution mode {found} is not possible: {SINGULARITY}", "P1 and R1 are served")
    return found


def engines(mode: str) -> str:
    """The setting `engine` for a mode: names with commas between, empty for no mode."""
    return ",".join(MODES.get(mode, ()))
