"""Programs that people and tools already call (docker, podman, ...), served by the flows of `runtime`.

Each is a package or module with `PROGRAM` (see `compat.program`), named in `sampan.cli.PROGRAMS` and imported when it is called.
`sampan docker ...`, a file that `sampan shims` wrote, and a link named `docker` that leads to sampan all come to the same place.
"""
