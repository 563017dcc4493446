"""Options of podman's verbs that Docker's do not have. On the start-up path of podman."""

from __future__ import annotations

from sampan.options.table import FLAG, LIST, VALUE, Option
from sampan.options.unserved import REFUSED, SILENT, WARNED, Unserved

_LATEST = Unserved("--latest", FLAG, REFUSED, "name the container; `ps -lq` prints the newest one's id")
_CHOICE = (
    Unserved("-l --latest", FLAG, REFUSED, "name the container; `ps -lq` prints the newest one's id"),
    Unserved("-f --filter", LIST, REFUSED, "name the containers; `ps -q --filter` prints them"),
)
_CIDFILE = Option("--cidfile", LIST, "also the container whose id is in the file", "FILE")
_IMAGE = tuple(Unserved(f"--{word}", VALUE, WARNED, "--platform chooses the image") for word in ("arch", "os", "variant"))
_RUN = (
    Unserved("--env-merge", LIST, REFUSED, "set the whole variable by -e"),
    Unserved("--health-on-failure", VALUE, WARNED, "`inspect` tells of the health", ("none",)),
    Unserved("--init-path", VALUE, SILENT, "the init is sampan's own"),
)
_SIGNED = "signatures are not made"
MORE: dict[str, tuple[Option, ...]] = {
    **dict.fromkeys(("attach", "diff", "exec", "kill", "logs", "port", "stats", "top", "wait"), _CHOICE[:1]),
    "start": (*_CHOICE, Unserved("--all", FLAG, REFUSED, "name the containers")),
    "stop": _CHOICE,
    **dict.fromkeys(("pause", "unpause"), (*_CHOICE, _CIDFILE)),
    "restart": (*_CHOICE, _CIDFILE, Unserved("--running", FLAG, REFUSED, "name the containers")),
    "rm": (_LATEST, Unserved("--filter", LIST, REFUSED, "name the containers; `ps -q --filter` prints them")),
    "container inspect": _CHOICE[:1],
    "run": _RUN,
    "create": (*_RUN, Unserved("--init-ctr", VALUE, REFUSED, "there are no pods")),
    "import": _IMAGE,
    "pull": _IMAGE,
    "push": (
        *(
            Unserved(f"--{word}", VALUE, REFUSED, _SIGNED)
            for word in ("sign-by", "sign-by-sigstore-private-key", "sign-passphrase-file")
        ),
        Unserved("--cert-dir", VALUE, WARNED, "certificates are those of the settings"),
        Unserved("--compress", FLAG, SILENT, "layers stay what they are"),
    ),
    "login": (Unserved("--cert-dir", VALUE, WARNED, "certificates are those of the settings"),),
    "logout": (Unserved("-a --all", FLAG, REFUSED, "name the registry"),),
    "save": (Unserved("--uncompressed", FLAG, SILENT, "layers stay what they are"),),
    "search": (
        Unserved("--compatible", FLAG, SILENT, ""),
        Unserved("--list-tags", FLAG, REFUSED, "sampan's own `search --list-tags` lists them"),
    ),
    "image prune": (Unserved("--external", FLAG, SILENT, ""),),
    "ps": (
        Unserved("--external", FLAG, SILENT, "there are no others"),
        Unserved("--noheading", FLAG, WARNED, "--format without `table` has no header"),
        Unserved("--ns", FLAG, WARNED, "namespaces are not shown"),
        Unserved("-p --pod", FLAG, SILENT, "there are no pods"),
        Unserved("--sort", VALUE, WARNED, "the newest come first", ("created",)),
        Unserved("--sync", FLAG, SILENT, ""),
        Unserved("-w --watch", VALUE, REFUSED, "`watch` repeats a command"),
    ),
    "network ls": (Unserved("--noheading", FLAG, WARNED, "--format without `table` has no header"),),
    "volume ls": (Unserved("--noheading", FLAG, WARNED, "--format without `table` has no header"),),
}
