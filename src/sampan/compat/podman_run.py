"""`podman run` and `podman create`: Docker's, and the options that only podman has. On the start-up path."""

from __future__ import annotations

from sampan.compat.docker import run
from sampan.compat.docker.options import CREATE, RUN
from sampan.container.request import IMAGE_ARGUMENTS
from sampan.options.table import FLAG, LIST, VALUE, Command, Option
from sampan.options.unserved import REFUSED, SILENT, WARNED, Unserved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.compat.program import Verbs

_IDS = "your id is mapped to the user of the container, and no other"
_OWN = (
    Option("--userns", VALUE, "`keep-id`: be yourself inside", "MODE"),
    Option("--pull", VALUE, "when to ask the registry", "missing|always|never|newer", ("missing", "always", "never", "newer", "true", "false")),
    Option("--replace", FLAG, "remove a container of this name first"),
    Option("--timeout", VALUE, "end it after so many seconds", "SECONDS"),
    Option("--env-host", FLAG, "pass all variables of the host"),
    Option("--authfile", VALUE, "the file of passwords", "FILE"),
    Option("--tz", VALUE, "the time zone, as TZ", "ZONE"),
    Option("--read-only-tmpfs", FLAG, "with --read-only, /tmp, /run and /var/tmp in memory (the default)", default=True),
    Unserved("--arch", VALUE, WARNED, "--platform chooses the image"),
    Unserved("--cgroup-conf", LIST, WARNED, "no control group is made"),
    Unserved("--cgroups", VALUE, SILENT, "control groups are used where they are delegated"),
    Unserved("--chrootdirs", VALUE, WARNED, "/etc/hosts and /etc/resolv.conf are at one place"),
    Unserved("--conmon-pidfile", VALUE, WARNED, "there is no conmon; `inspect` has the pid"),
    Unserved("--decryption-key", LIST, REFUSED, "encrypted images are not read"),
    Unserved("--gidmap", LIST, REFUSED, _IDS),
    Unserved("--hooks-dir", LIST, WARNED, "no hooks are run"),
    Unserved("--hostuser", LIST, WARNED, _IDS),
    Unserved("--http-proxy", FLAG, SILENT, "set the variables by -e"),
    Unserved("--image-volume", VALUE, SILENT, "what an image calls a volume is part of the container"),
    Unserved("--infra", FLAG, SILENT, ""),
    Unserved("--no-hosts", FLAG, WARNED, "/etc/hosts has localhost and the container's name"),
    Unserved("--no-hostname", FLAG, SILENT, ""),
    Unserved("--os", VALUE, WARNED, "--platform chooses the image", ("linux",)),
    Unserved("--passwd", FLAG, SILENT, "the image's passwd stays"),
    Unserved("--passwd-entry", VALUE, WARNED, "the image's passwd stays"),
    Unserved("--personality", VALUE, REFUSED, "the personality is the host's"),
    Unserved("--pidfile", VALUE, WARNED, "`inspect` has the pid"),
    Unserved("--pod", VALUE, REFUSED, "containers have no network and no processes that they could share"),
    Unserved("--pod-id-file", VALUE, REFUSED, "there are no pods"),
    Unserved("--preserve-fds", VALUE, SILENT, "descriptors stay open as they are"),
    Unserved("--requires", LIST, REFUSED, "containers are started one by one"),
    Unserved("--retry", VALUE, SILENT, ""),
    Unserved("--retry-delay", VALUE, SILENT, ""),
    Unserved("--rmi", FLAG, WARNED, "the image stays"),
    Unserved("--rootfs", FLAG, REFUSED, "an image is needed: `podman import` makes one"),
    Unserved("--sdnotify", VALUE, WARNED, "systemd is not told", ("ignore", "conmon", "container")),
    Unserved("--seccomp-policy", VALUE, WARNED, "there is no profile"),
    Unserved("--secret", LIST, REFUSED, "a secret is a file: --mount type=bind,source=FILE,target=/run/secrets/NAME,readonly"),
    Unserved("--shm-size-systemd", VALUE, SILENT, ""),
    Unserved("--signature-policy", VALUE, WARNED, "signatures are not asked for"),
    Unserved("--subgidname", VALUE, REFUSED, _IDS),
    Unserved("--subuidname", VALUE, REFUSED, _IDS),
    Unserved("--systemd", VALUE, SILENT, "no files of systemd are made"),
    Unserved("--tls-verify", FLAG, WARNED, "registries on this machine are asked by http; for others see SAMPAN_INSECURE_REGISTRIES"),
    Unserved("--uidmap", LIST, REFUSED, _IDS),
    Unserved("--umask", VALUE, WARNED, "the mask is the caller's"),
    Unserved("--unsetenv", LIST, WARNED, "-e NAME= empties a variable"),
    Unserved("--unsetenv-all", FLAG, WARNED, "-e NAME= empties a variable"),
    Unserved("--variant", VALUE, WARNED, "--platform chooses the image"),
)  # fmt: skip
_TAKEN = frozenset(option.name for option in _OWN)
VERBS: Verbs = {
    "run": (
        Command(
            "run",
            "run a program in a new container",
            (*(o for o in RUN if o.name not in _TAKEN), *_OWN),
            IMAGE_ARGUMENTS,
            options_end=True,
        ),
        run.run_,
    ),
    "create": (
        Command(
            "create", "make a container", (*(o for o in CREATE if o.name not in _TAKEN), *_OWN), IMAGE_ARGUMENTS, options_end=True
        ),
        run.create,
    ),
}
