"""`container-opts` of a descriptor: options of docker or singularity, as fields of a request. Pure; on the path of `app launch`.

What means something here is honoured; what would loosen a container that has nothing to loosen (`--privileged`), or is about docker's
own housekeeping (`--rm`, `--name`), is not needed; anything else is left out with a warning.
"""

from __future__ import annotations

from sampan.apps import shell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Spelling -> field of a request; an upper-case letter marks fields that take several.
_DOCKER = {
    "-e": "environment", "--env": "environment", "--env-file": "environment_files", "-v": "volumes", "--volume": "volumes",
    "--mount": "mounts", "--tmpfs": "tmpfs", "--device": "devices", "--add-host": "add_hosts", "--dns": "dns", "--ulimit": "limits",
    "-u": "user", "--user": "user", "-w": "workdir", "--workdir": "workdir", "--network": "network", "--net": "network", "--ipc": "ipc",
    "--pid": "pid", "--uts": "uts", "--shm-size": "shm_size", "-m": "memory", "--memory": "memory", "--cpus": "cpus",
    "--cpuset-cpus": "cpuset", "-h": "hostname", "--hostname": "hostname",
}  # fmt: skip
_SINGULARITY = {
    "-B": "volumes", "--bind": "volumes", "--env": "environment", "--env-file": "environment_files", "--pwd": "workdir",
    "--network": "network", "--memory": "memory", "--cpus": "cpus", "--hostname": "hostname",
}  # fmt: skip
SEVERAL = ("environment", "environment_files", "volumes", "mounts", "tmpfs", "devices", "add_hosts", "dns", "limits")
_DOCKER_FLAGS = {"--read-only": "read_only", "--init": "init"}
_SINGULARITY_FLAGS = {
    "--no-home": "isolate",
    "-C": "isolate",
    "--containall": "isolate",
    "-c": "isolate",
    "--contain": "isolate",
    "-f": "root",
    "--fakeroot": "root",
}
_NEEDLESS = frozenset(
    [
        "--rm",
        "-i",
        "-t",
        "-it",
        "-ti",
        "--interactive",
        "--tty",
        "--privileged",
        "--cleanenv",
        "--writable-tmpfs",
        "--userns",
        "-W",
        "--no-privs",
        "-p",
        "--pid",
        "--ipc",
        "--net",
        "-n",
        "-q",
        "--quiet",
    ]
)
_NEEDLESS_WITH_VALUE = frozenset(
    [
        "--name",
        "--cap-add",
        "--cap-drop",
        "--security-opt",
        "--pull",
        "--entrypoint",
        "--label",
        "-l",
        "--log-driver",
        "--memory-swap",
        "--workdir",
        "-H",
        "--home",
    ]
)
_GPU = ("--gpus", "--nv", "--rocm", "--runtime", "--nvccli")
_CHOICES = {"network": ("none", "host"), "ipc": ("host", "private"), "pid": ("host", "private"), "uts": ("host",)}


def fields_of(kind: str, options: Sequence[str], directory: str) -> tuple[dict[str, object], list[str]]:
    """Fields of a request, and warnings about what was left out. `$PWD` stands for the working directory, as bosh has it."""
    docker = kind != "singularity"
    values, flags = (_DOCKER, _DOCKER_FLAGS) if docker else (_SINGULARITY, _SINGULARITY_FLAGS)
    fields: dict[str, object] = {}
    warnings: list[str] = []
    words = [word for option in options for word in _words(option, directory)]
    at = 0
    while at < len(words):
        spelling, equals, value = words[at].partition("=")
        at += 1
        if spelling in flags and not equals:
            fields[flags[spelling]] = True
        elif spelling in values and not (spelling in _NEEDLESS and not docker):
            if not equals and at < len(words):
                value = words[at]
                at += 1
            _put(fields, values[spelling], value, docker=docker, warnings=warnings)
        elif spelling in _GPU:
            at += not equals and spelling in ("--gpus", "--runtime")
            warnings.append(f"container-opts: {spelling} is left out: sampan does not set up GPUs")
        elif spelling in _NEEDLESS_WITH_VALUE:
            at += not equals
        elif spelling not in _NEEDLESS:
            warnings.append(f"container-opts: {spelling} is left out: it means nothing here")
    return fields, warnings


def _put(fields: dict[str, object], name: str, value: str, *, docker: bool, warnings: list[str]) -> None:
    if name in _CHOICES and value not in _CHOICES[name]:
        warnings.append(f"container-opts: {name} {value} is left out: it can be {' or '.join(_CHOICES[name])}")
    elif name in ("environment", "environment_files") and "=" not in value:
        # A descriptor is somebody else's: what it takes from this machine, its user has to hand over.
        warnings.append(
            f"container-opts: the variables {value} of this machine are left out; only NAME=VALUE is taken from a descriptor"
        )
    elif name in ("volumes", "mounts"):
        warnings.append(f"container-opts: the mount {value} is left out; hand it over yourself with -v")
    elif name in SEVERAL:
        before = fields.get(name, ())
        several = value.split(",") if not docker and name == "environment" else [value]
        fields[name] = (*(before if isinstance(before, tuple) else ()), *several)
    else:
        fields[name] = value


def _words(option: str, directory: str) -> list[str]:
    """The words of one option, which may hold several: bosh puts it into a shell's line."""
    for spelling in ("${PWD}", "$PWD", "$(pwd)", "`pwd`"):
        option = option.replace(spelling, f"'{directory}'" if "'" not in directory else spelling)
    try:
        reading = shell.read(option)
    except shell.Unfinished:
        return option.split()
    return [word.text for command in reading.commands for word in command.words]
