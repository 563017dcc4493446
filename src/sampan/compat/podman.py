"""`podman`: its command line as podman 4 has it, by the verbs of `compat.docker` and a few of its own. On the start-up path.

Where the two programs print or fail differently, the verbs look at `call.program`.
"""

from __future__ import annotations

import os

from sampan.compat.docker import ALIASES, REFUSED, VERBS
from sampan.compat.program import Program
from sampan.errors import UsageError
from sampan.options.table import FLAG, LIST, VALUE, Option
from sampan.options.unserved import SILENT, WARNED, Unserved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.compat.program import Call

_OWN = {
    "run": "sampan.compat.podman_run", "create": "sampan.compat.podman_run", "container exists": "sampan.compat.docker.inspect",
    "image exists": "sampan.compat.docker.inspect", "volume exists": "sampan.compat.docker.inspect",
}  # fmt: skip
_NO_PODS = "containers have no network and no processes that they could share"
_REFUSED = {
    **{word: why for word, why in REFUSED.items() if not why.startswith("it needs Docker")},
    "pod": _NO_PODS, "play": _NO_PODS, "kube": _NO_PODS, "generate": _NO_PODS, "machine": "there is no virtual machine; sampan runs where it is",
    "secret": "a secret is a file: --mount type=bind,source=FILE,target=/run/secrets/NAME,readonly",
    "build": "sampan builds no images from a Dockerfile; buildah builds them, and `sampan load` takes them",
    "mount": "the root of a container is only seen from inside; `cp` and `export` read it", "unmount": "nothing is mounted on the host",
    "system service": "sampan works without a daemon", "system connection": "sampan works without a daemon",
    "auto-update": "images are pulled by `pull`", "healthcheck": "the watcher checks by itself; `inspect` shows its last word",
    "farm": "sampan builds no images", "unshare": "`sampan run --root` starts a program as root of a user namespace",
}  # fmt: skip


def prepare(call: Call) -> None:
    """Refuse what names a service elsewhere. Raises `UsageError`."""
    named = call.options.text("url") or call.options.text("connection") or os.environ.get("CONTAINER_HOST", "")
    if named or call.options.flag("remote"):
        raise UsageError(f"{named or '--remote'} names a service of podman, and sampan works without one", "leave it away")
    if call.options.text("log_level") in ("debug", "trace"):
        call.context = call.context.but(level=2)


PROGRAM = Program(
    "podman",
    "podman version 4.9.4",
    (
        Option("-v --version", FLAG, "print the version"),
        Option("--log-level", VALUE, "debug says more", "LEVEL"),
        Option("--host --url", VALUE, "refused: there is no service", "URL"),
        Option("-c --connection", VALUE, "refused: there is no service", "NAME"),
        Option("-r --remote", FLAG, "refused: there is no service"),
        Unserved("--root", VALUE, SILENT, "the store is that of SAMPAN_HOME"),
        Unserved("--runroot", VALUE, SILENT, ""),
        Unserved("--storage-driver", VALUE, SILENT, ""),
        Unserved("--storage-opt", LIST, SILENT, ""),
        Unserved("--cgroup-manager", VALUE, SILENT, ""),
        Unserved("--events-backend", VALUE, SILENT, ""),
        Unserved("--runtime", VALUE, SILENT, ""),
        Unserved("--tmpdir", VALUE, SILENT, ""),
        Unserved("--noout", FLAG, WARNED, "what is asked for is printed"),
    ),
    {**VERBS, **_OWN},
    aliases={**ALIASES, "image search": "search", "list": "ps", "image diff": "diff", "volume exist": "volume exists"},
    refused=_REFUSED,
    prepare=prepare,
    misuse=125,
    failure=125,
    failures={"rm": 1, "rmi": 1, "volume rm": 1},
)
