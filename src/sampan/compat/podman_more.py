"""What is seldom met of podman: other words for its verbs, options without effect, and verbs that are refused, each with its reason."""

from __future__ import annotations

from sampan.compat.docker.unserved import ALIASES as WORDS_OF_DOCKER
from sampan.compat.docker.unserved import REFUSED as OF_DOCKER
from sampan.options.table import FLAG, LIST, VALUE, Option
from sampan.options.unserved import REFUSED as NOT_POSSIBLE
from sampan.options.unserved import SILENT, WARNED, Unserved

ALIASES = {**WORDS_OF_DOCKER, "image search": "search", "list": "ps", "image diff": "diff", "volume exist": "volume exists"}
_NO_PODS = "containers have no network and no processes that they could share"
REFUSED: dict[str, str] = {
    **{word: why for word, why in OF_DOCKER.items() if not why.startswith("it needs Docker")},
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
OPTIONS: tuple[Option, ...] = (
    Unserved("--root", VALUE, SILENT, "the store is that of SAMPAN_HOME"),
    Unserved("--runroot", VALUE, SILENT, ""),
    Unserved("--storage-driver", VALUE, SILENT, ""),
    Unserved("--storage-opt", LIST, SILENT, ""),
    Unserved("--cgroup-manager", VALUE, SILENT, ""),
    Unserved("--events-backend", VALUE, SILENT, ""),
    Unserved("--runtime", VALUE, SILENT, ""),
    Unserved("--tmpdir", VALUE, SILENT, ""),
    Unserved("--noout", FLAG, WARNED, "what is asked for is printed"),
)
_IDS = "your id is mapped to the user of the container, and no other"
_LATEST = Unserved("--latest", FLAG, NOT_POSSIBLE, "name the container; `ps -lq` prints the newest one's id")
_CHOICE = (
    Unserved("-l --latest", FLAG, NOT_POSSIBLE, "name the container; `ps -lq` prints the newest one's id"),
    Unserved("-f --filter", LIST, NOT_POSSIBLE, "name the containers; `ps -q --filter` prints them"),
)
_CIDFILE = Option("--cidfile", LIST, "also the container whose id is in the file", "FILE")
_IMAGE = tuple(Unserved(f"--{word}", VALUE, WARNED, "--platform chooses the image") for word in ("arch", "os", "variant"))
_RUN = (
    Unserved("--env-merge", LIST, NOT_POSSIBLE, "set the whole variable by -e"),
    Unserved("--health-on-failure", VALUE, WARNED, "`inspect` tells of the health", ("none",)),
    Unserved("--init-path", VALUE, SILENT, "the init is sampan's own"),
    Unserved("--arch", VALUE, WARNED, "--platform chooses the image"),
    Unserved("--cgroup-conf", LIST, WARNED, "no control group is made"),
    Unserved("--cgroups", VALUE, SILENT, "control groups are used where they are delegated"),
    Unserved("--chrootdirs", VALUE, WARNED, "/etc/hosts and /etc/resolv.conf are at one place"),
    Unserved("--conmon-pidfile", VALUE, WARNED, "there is no conmon; `inspect` has the pid"),
    Unserved("--decryption-key", LIST, NOT_POSSIBLE, "encrypted images are not read"),
    Unserved("--gidmap", LIST, NOT_POSSIBLE, _IDS),
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
    Unserved("--personality", VALUE, NOT_POSSIBLE, "the personality is the host's"),
    Unserved("--pidfile", VALUE, WARNED, "`inspect` has the pid"),
    Unserved("--pod", VALUE, NOT_POSSIBLE, "containers have no network and no processes that they could share"),
    Unserved("--pod-id-file", VALUE, NOT_POSSIBLE, "there are no pods"),
    Unserved("--preserve-fds", VALUE, SILENT, "descriptors stay open as they are"),
    Unserved("--requires", LIST, NOT_POSSIBLE, "containers are started one by one"),
    Unserved("--retry", VALUE, SILENT, ""),
    Unserved("--retry-delay", VALUE, SILENT, ""),
    Unserved("--rmi", FLAG, WARNED, "the image stays"),
    Unserved("--rootfs", FLAG, NOT_POSSIBLE, "an image is needed: `podman import` makes one"),
    Unserved("--sdnotify", VALUE, WARNED, "systemd is not told", ("ignore", "conmon", "container")),
    Unserved("--seccomp-policy", VALUE, WARNED, "there is no profile"),
    Unserved(
        "--secret", LIST, NOT_POSSIBLE, "a secret is a file: --mount type=bind,source=FILE,target=/run/secrets/NAME,readonly"
    ),
    Unserved("--shm-size-systemd", VALUE, SILENT, ""),
    Unserved("--signature-policy", VALUE, WARNED, "signatures are not asked for"),
    Unserved("--subgidname", VALUE, NOT_POSSIBLE, _IDS),
    Unserved("--subuidname", VALUE, NOT_POSSIBLE, _IDS),
    Unserved("--systemd", VALUE, SILENT, "no files of systemd are made"),
    Unserved(
        "--tls-verify", FLAG, WARNED, "registries on this machine are asked by http; for others see SAMPAN_INSECURE_REGISTRIES"
    ),
    Unserved("--uidmap", LIST, NOT_POSSIBLE, _IDS),
    Unserved("--umask", VALUE, WARNED, "the mask is the caller's"),
    Unserved("--unsetenv", LIST, WARNED, "-e NAME= empties a variable"),
    Unserved("--unsetenv-all", FLAG, WARNED, "-e NAME= empties a variable"),
    Unserved("--variant", VALUE, WARNED, "--platform chooses the image"),
)
_SIGNED = "signatures are not made"
MORE: dict[str, tuple[Option, ...]] = {
    **dict.fromkeys(("attach", "diff", "exec", "kill", "logs", "port", "stats", "top", "wait"), _CHOICE[:1]),
    "start": (*_CHOICE, Unserved("--all", FLAG, NOT_POSSIBLE, "name the containers")),
    "stop": _CHOICE,
    **dict.fromkeys(("pause", "unpause"), (*_CHOICE, _CIDFILE)),
    "restart": (*_CHOICE, _CIDFILE, Unserved("--running", FLAG, NOT_POSSIBLE, "name the containers")),
    "rm": (_LATEST, Unserved("--filter", LIST, NOT_POSSIBLE, "name the containers; `ps -q --filter` prints them")),
    "container inspect": _CHOICE[:1],
    "run": _RUN,
    "create": (*_RUN, Unserved("--init-ctr", VALUE, NOT_POSSIBLE, "there are no pods")),
    "import": _IMAGE,
    "pull": _IMAGE,
    "push": (
        *(
            Unserved(f"--{word}", VALUE, NOT_POSSIBLE, _SIGNED)
            for word in ("sign-by", "sign-by-sigstore-private-key", "sign-passphrase-file")
        ),
        Unserved("--cert-dir", VALUE, WARNED, "certificates are those of the settings"),
        Unserved("--compress", FLAG, SILENT, "layers stay what they are"),
    ),
    "login": (Unserved("--cert-dir", VALUE, WARNED, "certificates are those of the settings"),),
    "logout": (Unserved("-a --all", FLAG, NOT_POSSIBLE, "name the registry"),),
    "save": (Unserved("--uncompressed", FLAG, SILENT, "layers stay what they are"),),
    "search": (
        Unserved("--compatible", FLAG, SILENT, ""),
        Unserved("--list-tags", FLAG, NOT_POSSIBLE, "sampan's own `search --list-tags` lists them"),
    ),
    "image prune": (Unserved("--external", FLAG, SILENT, ""),),
    "ps": (
        Unserved("--external", FLAG, SILENT, "there are no others"),
        Unserved("--noheading", FLAG, WARNED, "--format without `table` has no header"),
        Unserved("--ns", FLAG, WARNED, "namespaces are not shown"),
        Unserved("-p --pod", FLAG, SILENT, "there are no pods"),
        Unserved("--sort", VALUE, WARNED, "the newest come first", ("created",)),
        Unserved("--sync", FLAG, SILENT, ""),
        Unserved("-w --watch", VALUE, NOT_POSSIBLE, "`watch` repeats a command"),
    ),
    "network ls": (Unserved("--noheading", FLAG, WARNED, "--format without `table` has no header"),),
    "volume ls": (Unserved("--noheading", FLAG, WARNED, "--format without `table` has no header"),),
}
