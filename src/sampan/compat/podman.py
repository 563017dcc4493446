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
    "network exists": "sampan.compat.docker.networks",
}  # fmt: skip
_NO_PODS = "containers have no network and no processes that they could share"
_REFUSED = {
    **{word: why for word, why in REFUSED.items() if not why.startswith("it needs Docker")},
    "pod": _NO_PODS, "play": _NO_PODS, "kube": _NO_PODS, "generate": _NO_PODS, "machine": "there is no virtual machine; sampan runs where it is",
    "secret": "a secret is a file: --mount type=bind,source=FILE,target=/run/secrets/NAME,readonly",
    "build": "sampan builds no images from a Dockerfile; buildah builds them, and `sampan load` takes them",
    "system service": "sampan works without a daemon", "system connection": "sampan works without a daemon",
    "auto-update": "images are pulled by `pull`", "healthcheck": "the watcher checks by itself; `inspect` shows its last word",
    **dict.fromkeys(("mount", "unmount", "container mount", "container unmount", "image mount", "image unmount", "volume mount", "volume unmount"),
                    "files are only seen from inside; `cp` and `export` read them"),
    **dict.fromkeys(("container checkpoint", "container restore"), "a process cannot be frozen to disk without root"),
    **dict.fromkeys(("container cleanup", "container init", "init"), "a container is set up when it starts, and nothing stays to be cleaned up"),
    **dict.fromkeys(("image sign", "image trust"), "signatures are a matter of the policy"),
    **dict.fromkeys(("system migrate", "system renumber", "system reset", "volume reload", "network reload"), "it mends podman's own state"),
    "container clone": "`commit` and `run` make another one", "container runlabel": "commands of labels are not run", "image scp": "`save | ssh HOST podman load` does it",
    "image tree": "sampan's own `images --tree` shows it", "untag": "`rmi NAME` takes a name away", "image untag": "`rmi NAME` takes a name away",
    "volume export": "`volume inspect` tells the directory: tar -C DIRECTORY -c .", "volume import": "`volume inspect` tells the directory: tar -C DIRECTORY -x",
    "farm": "sampan builds no images", "unshare": "sampan's own `run --root` starts a program as root of a user namespace",
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
    more="sampan.compat.podman_more",
    misuse=125,
    failure=125,
    failures={"rm": 1, "rmi": 1, "volume rm": 1},
)
