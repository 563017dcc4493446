"""The options of `docker run` and `docker create`: those that do something, and those that are known and do not.

Each option that Docker 28 has stands here (tests/compat/test_tables.py compares with its list). On the start-up path.
"""

from __future__ import annotations

from sampan.container.request import KEEP_OPTIONS
from sampan.options.table import FLAG, LIST, VALUE, Option
from sampan.options.unserved import REFUSED, SILENT, WARNED, Unserved

# Those that mean what they mean for `sampan run`.
_SAME = frozenset((
    "name", "label", "read_only", "volume", "mount", "volumes_from", "tmpfs", "device", "shm_size", "workdir", "user", "entrypoint", "env",
    "env_file", "add_host", "dns", "dns_search", "memory", "cpus", "cpuset_cpus", "ulimit", "init", "stop_signal", "stop_timeout",
    "health_cmd", "health_interval", "health_timeout", "health_retries", "health_start_period", "no_healthcheck",
))  # fmt: skip
_NO_CGROUP = "a share is given by the batch system, or by --cpus and --memory"
_NO_NETWORK = "there is one network, the host's"
_ONE_ID = "files and devices are opened with your own rights"
_NO_DAEMON = "without a daemon nobody would start it again; a batch system or systemd --user can"

SERVED = (
    *(option for option in KEEP_OPTIONS if option.name in _SAME),
    Option("-h --hostname", VALUE, "own host name", "NAME"),
    Option("-i --interactive", FLAG, "pass standard input; without it there is none"),
    Option("-t --tty", FLAG, "use the terminal"),
    Option("--network --net", VALUE, "`none`, or the host's network (host, bridge and default are the same)", "NETWORK"),
    Option("--pid", VALUE, "`host` shows the host's processes", "host"),
    Option("--ipc", VALUE, "`host` shares the host's System V IPC", "MODE"),
    Option("--uts", VALUE, "`host` keeps the host's name", "host"),
    Option("--pull", VALUE, "when to ask the registry", "missing|always|never", ("missing", "always", "never")),
    Option("--platform", VALUE, "the image for this platform", "OS/ARCH[/VARIANT]"),
    Option("-p --publish", LIST, "a port that is the same inside and outside; it is open in any case", "PORTS"),
    Option("--label-file", LIST, "labels from the lines of a file", "FILE"),
    Option("--rm", FLAG, "remove the container when it has ended"),
    Option("--cidfile", VALUE, "write the container's id into a new file", "FILE"),
    Option("-a --attach", LIST, "STDIN passes standard input", "STREAM"),
)
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
    Unserved("--use-api-socket", FLAG, REFUSED, "there is no daemon whose socket could be used"),
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
    Unserved("--link", LIST, REFUSED, "containers have no network of their own in which they could find each other; all are on localhost"),
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
    Unserved("--gpus", VALUE, REFUSED, "devices are named one by one: --device /dev/nvidia0, or by the own `run` of sampan, which shows all of /dev", ("", "0")),
    Unserved("--group-add", LIST, REFUSED, "with one id mapped there is one group", ("keep-groups",)),
    Unserved("--restart", VALUE, REFUSED, _NO_DAEMON, ("no", "")),
    Unserved("--sysctl", LIST, REFUSED, "the settings of this kernel belong to root"),
    Unserved("--userns", VALUE, WARNED, "your id is mapped to the user of the container", ("host", "", "private")),
)  # fmt: skip
CREATE = (*SERVED, *WITHOUT_EFFECT)
RUN = (
    Option("-d --detach", FLAG, "in the background; print the id"),
    *CREATE,
)
