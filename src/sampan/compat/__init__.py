"""Programs that people and tools already call (docker, podman, ...), served by the flows of `runtime`.

Each is a package or module with `PROGRAM` (see `compat.program`); it is imported when it is called. `sampan docker ...`, a file that
`sampan shims` wrote, and a link named `docker` that leads to sampan all come to the same place. On the start-up path of these programs.
"""

from __future__ import annotations

# program -> (module, what it does)
PROGRAMS: dict[str, tuple[str, str]] = {
    "docker": ("sampan.compat.docker", "what `docker` would do, as far as it needs no daemon"),
    "podman": ("sampan.compat.podman", "what `podman` would do"),
}
