"""What is seldom met of Docker: other words for its verbs, options without effect, and verbs that are refused, each with its reason.

Apart from what is served, because it is looked at only when a command line has a word that is not there. Each option that Docker 28 has
stands here or in `run` (tests/compat/test_tables.py compares with its list).
"""

from __future__ import annotations

from sampan.options.table import FLAG, LIST, VALUE, Option
from sampan.options.unserved import REFUSED as NOT_POSSIBLE
from sampan.options.unserved import SILENT, WARNED, Unserved

_OF_CONTAINERS = (
    "run", "create", "exec", "start", "stop", "restart", "kill", "pause", "unpause", "wait", "rm", "rename", "attach", "port", "logs", "top",
    "stats", "cp", "diff", "commit", "export",
)  # fmt: skip
ALIASES: dict[str, str] = {
    **{f"container {verb}": verb for verb in _OF_CONTAINERS},
    **{f"image {verb}": verb for verb in ("pull", "push", "tag", "history", "save", "load", "import")},
    "container ls": "ps", "container list": "ps", "container ps": "ps", "image ls": "images", "image list": "images", "image rm": "rmi",
    "image remove": "rmi", "volume list": "volume ls", "volume remove": "volume rm", "network list": "network ls", "system info": "info",
    "system events": "events", "context list": "context ls", "container remove": "rm",
}  # fmt: skip
_NO_BUILD = "sampan builds no images from a Dockerfile; buildah or podman build them, and `sampan load` takes them"
_NO_DAEMON = "it needs Docker's daemon, and sampan works without one"
_NO_NETWORKS = "containers are in the host's network, or in none"
REFUSED: dict[str, str] = {
    "build": _NO_BUILD, "buildx": _NO_BUILD, "builder": _NO_BUILD, "image build": _NO_BUILD, "compose": "several containers are started one by one",
    "network create": _NO_NETWORKS, "network rm": _NO_NETWORKS, "network connect": _NO_NETWORKS, "network disconnect": _NO_NETWORKS,
    "network prune": _NO_NETWORKS, "update": "what a container may use is said when it is started", "context use": _NO_DAEMON,
    "context create": _NO_DAEMON, "checkpoint": "a process cannot be frozen to disk without root", "manifest": "sampan's own `pull --all-platforms` and `push` keep an index as it is",
    "container update": "what a container may use is said when it is started",
    **dict.fromkeys(("context export", "context import", "context inspect", "context rm", "context update", "volume update"), _NO_DAEMON),
    **dict.fromkeys(("swarm", "service", "stack", "node", "secret", "config", "plugin", "trust", "dial-stdio"), _NO_DAEMON),
}  # fmt: skip

_NO_CGROUP = "a share is given by the batch system, or by --cpus and --memory"
_NO_NETWORK = "there is one network, the host's"
_ONE_ID = "files and devices are opened with your own rights"
_NO_RESTART = "without a daemon nobody would start it again; a batch system or systemd --user can"
WITHOUT_EFFECT = (
    Unserved("--annotation", LIST, SILENT, "a note for a runtime that is not used"),
    Unserved("--cap-drop", LIST, SILENT, "the program has no capabilities outside anyway"),
    Unserved("--cgroupns", VALUE, SILENT, "control groups are not shown"),
    Unserved("--detach-keys", VALUE, SILENT, "Ctrl-P Ctrl-Q leave `attach`"),
    Unserved("--disable-content-trust", FLAG, SILENT, "signatures are checked by a policy, not by an option"),
    Unserved("--expose", LIST, SILENT, _NO_NETWORK),
    Unserved("--log-driver", VALUE, WARNED, "what it writes goes to you, or to the log that `docker logs` shows", ("none", "json-file", "local", "k8s-file", "passthrough")),
    Unserved("--log-opt", LIST, SILENT, "the log is kept within 30 MB"),
    Unserved("-P --publish-all", FLAG, SILENT, "every port is open in any case"),
    Unserved("-q --quiet", FLAG, SILENT, ""),
    Unserved("--sig-proxy", FLAG, SILENT, "signals are passed on"),
    Unserved("--use-api-socket", FLAG, NOT_POSSIBLE, "there is no daemon whose socket could be used"),
    Unserved("--blkio-weight", VALUE, WARNED, _NO_CGROUP, ("0",)),
    Unserved("--blkio-weight-device", LIST, WARNED, _NO_CGROUP),
    Unserved("--cap-add", LIST, WARNED, "no capability can be given that you do not have"),
    Unserved("--cgroup-parent", VALUE, WARNED, _NO_CGROUP),
    Unserved("--cpu-count", VALUE, WARNED, "it is for Windows"),
    Unserved("--cpu-percent", VALUE, WARNED, "it is for Windows"),
    Unserved("--cpu-period", VALUE, WARNED, _NO_CGROUP, ("0",)),
    Unserved("--cpu-quota", VALUE, WARNED, _NO_CGROUP, ("0", "-1")),
    Unserved("--cpu-rt-period", VALUE, WARNED, _NO_CGROUP, ("0",)),
    Unserved("--cpu-rt-runtime", VALUE, WARNED, _NO_CGROUP, ("0",)),
    Unserved("-c --cpu-shares", VALUE, WARNED, _NO_CGROUP, ("0",)),
    Unserved("--cpuset-mems", VALUE, WARNED, _NO_CGROUP),
    Unserved("--device-cgroup-rule", LIST, WARNED, _ONE_ID),
    Unserved("--device-read-bps", LIST, WARNED, _NO_CGROUP),
    Unserved("--device-read-iops", LIST, WARNED, _NO_CGROUP),
    Unserved("--device-write-bps", LIST, WARNED, _NO_CGROUP),
    Unserved("--device-write-iops", LIST, WARNED, _NO_CGROUP),
    Unserved("--dns-opt --dns-option", LIST, WARNED, "resolv.conf gets name servers and search domains only"),
    Unserved("--domainname", VALUE, WARNED, "a host name is all that can be set"),
    Unserved("--health-start-interval", VALUE, WARNED, "checks come at --health-interval from the start"),
    Unserved("--io-maxbandwidth", VALUE, WARNED, "it is for Windows"),
    Unserved("--io-maxiops", VALUE, WARNED, "it is for Windows"),
    Unserved("--ip", VALUE, WARNED, _NO_NETWORK),
    Unserved("--ip6", VALUE, WARNED, _NO_NETWORK),
    Unserved("--isolation", VALUE, WARNED, "it is for Windows", ("default", "")),
    Unserved("--kernel-memory", VALUE, WARNED, _NO_CGROUP, ("0",)),
    Unserved("--link", LIST, NOT_POSSIBLE, "containers have no network of their own in which they could find each other; all are on localhost"),
    Unserved("--link-local-ip", LIST, WARNED, _NO_NETWORK),
    Unserved("--mac-address", VALUE, WARNED, _NO_NETWORK),
    Unserved("--memory-reservation", VALUE, WARNED, _NO_CGROUP, ("0",)),
    Unserved("--memory-swap", VALUE, WARNED, "--memory bounds memory alone", ("0", "-1")),
    Unserved("--memory-swappiness", VALUE, WARNED, _NO_CGROUP, ("-1",)),
    Unserved("--network-alias --net-alias", LIST, WARNED, _NO_NETWORK),
    Unserved("--oom-kill-disable", FLAG, WARNED, _NO_CGROUP),
    Unserved("--oom-score-adj", VALUE, WARNED, "the kernel lets nobody lower it but root", ("0",)),
    Unserved("--pids-limit", VALUE, WARNED, _NO_CGROUP, ("0", "-1")),
    Unserved("--privileged", FLAG, WARNED, "the program has your rights and no more"),
    Unserved("--runtime", VALUE, WARNED, "sampan starts it by itself; SAMPAN_ENGINE chooses how", ("runc", "crun")),
    Unserved("--security-opt", LIST, WARNED, "no new privileges can be gained in any case, and profiles need a daemon", ("no-new-privileges", "no-new-privileges=true", "no-new-privileges:true", "label=disable", "label:disable", "seccomp=unconfined", "seccomp:unconfined", "apparmor=unconfined", "apparmor:unconfined")),
    Unserved("--storage-opt", LIST, WARNED, "changes are bounded by the disk, or by half of the memory"),
    Unserved("--volume-driver", VALUE, WARNED, "volumes are directories", ("local",)),
    Unserved("--gpus", VALUE, NOT_POSSIBLE, "devices are named one by one: --device /dev/nvidia0, or by the own `run` of sampan, which shows all of /dev", ("", "0")),
    Unserved("--group-add", LIST, NOT_POSSIBLE, "with one id mapped there is one group", ("keep-groups",)),
    Unserved("--restart", VALUE, NOT_POSSIBLE, _NO_RESTART, ("no", "")),
    Unserved("--sysctl", LIST, NOT_POSSIBLE, "the settings of this kernel belong to root"),
    Unserved("--userns", VALUE, WARNED, "your id is mapped to the user of the container", ("host", "", "private")),
)  # fmt: skip
OPTIONS: tuple[Option, ...] = (
    Unserved("--config", VALUE, SILENT, "passwords are those of podman and docker"),
    Unserved("-l --log-level", VALUE, SILENT, ""),
    Unserved("--tls", FLAG, SILENT, ""),
    Unserved("--tlsverify", FLAG, SILENT, ""),
)
MORE: dict[str, tuple[Option, ...]] = {"run": WITHOUT_EFFECT, "create": WITHOUT_EFFECT}
