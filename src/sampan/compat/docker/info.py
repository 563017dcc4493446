"""`docker info` and `podman info`: the store and the machine, by the names that each of them has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan import __version__
from sampan.host import memory
from sampan.image.resolve import this_host
from sampan.options.table import FLAG, VALUE, Command, Option
from sampan.options.unserved import SILENT, Unserved
from sampan.runtime import ps
from sampan.runtime.listing import listed
from sampan.terminal.gotemplate.evaluate import Template
from sampan.terminal.gotemplate.functions import Ordered, as_json
from sampan.terminal.output import json_text, result

if TYPE_CHECKING:
    from sampan.compat.program import Call, Program


def info(call: Call) -> int:
    """Lines as the program prints them, JSON, or a template."""
    is_podman = call.program.name == "podman"
    document = _podman(call) if is_podman else _docker(call)
    form = call.parsed.text("format")
    if form == "json":
        result(json_text(document) if is_podman else f"{as_json(document)}\n")
    elif form is not None:
        result(f"{Template(form).render(_by_fields(document) if is_podman else document)}\n")
    else:
        result(yaml(document) if is_podman else _told(document))
    return 0


_FIELDS = {
    "cgroupVersion": "CgroupsVersion",
    "cpus": "CPUs",
    "ociRuntime": "OCIRuntime",
    "os": "OS",
    "selinuxEnabled": "SELinuxEnabled",
}


def _by_fields(document: Ordered) -> Ordered:
    """By the names of Go's fields, which templates have where podman's JSON has others."""
    return Ordered(
        {
            _FIELDS.get(key, key[:1].upper() + key[1:]): _by_fields(Ordered(value)) if isinstance(value, dict) else value
            for key, value in document.items()
        }
    )


def _counts(call: Call) -> Ordered:
    session = call.session()
    states = [entry.state for entry in ps.listed(session, everything=True, anonymous=False)]
    running, paused = states.count("running"), states.count("paused")
    images = len({entry.config for entry in listed(session)})
    return Ordered(number=len(states), running=running, paused=paused, stopped=len(states) - running - paused, images=images)


def number(program: Program) -> str:
    """The version of the program that is imitated."""
    return program.version.split()[2].rstrip(",")


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _docker(call: Call) -> Ordered:
    counts = _counts(call)
    return Ordered(
        ID="", Containers=counts["number"], ContainersRunning=counts["running"], ContainersPaused=counts["paused"],
        ContainersStopped=counts["stopped"], Images=counts["images"],
        Driver="sampan", DriverStatus=[], Plugins=Ordered(Volume=["local"], Network=["host", "null"], Log=["json-file"]), MemoryLimit=False,
        CgroupDriver="none", CgroupVersion="2", NCPU=os.cpu_count() or 1, MemTotal=_memory(), DockerRootDir=call.session().store.path,
        KernelVersion=os.uname().release, OperatingSystem=_release().get("PRETTY_NAME", "Linux"), OSType="linux",
        Architecture=os.uname().machine, Name=os.uname().nodename, ServerVersion=number(call.program), SecurityOptions=["name=rootless"],
        DefaultRuntime="sampan", LoggingDriver="json-file", Warnings=[], Labels=[], IndexServerAddress="https://index.docker.io/v1/",
    )  # fmt: skip


def _podman(call: Call) -> Ordered:
    counts = _counts(call)
    host = this_host()
    root = call.session().store.path
    release = _release()
    return Ordered(
        host=Ordered(
            arch=host.architecture, cgroupControllers=[], cgroupManager="none", cgroupVersion="v2", cpus=os.cpu_count() or 1,
            distribution=Ordered(
                codename=release.get("VERSION_CODENAME", ""), distribution=release.get("ID", ""), version=release.get("VERSION_ID", "")
            ),
            eventLogger="none", hostname=os.uname().nodename, kernel=os.uname().release, logDriver="k8s-file", memFree=memory.available(),
            memTotal=_memory(), networkBackend="none", ociRuntime=Ordered(name="sampan", version=f"sampan {__version__}"), os=host.os,
            remoteSocket=Ordered(exists=False), security=Ordered(rootless=True, selinuxEnabled=False), serviceIsRemote=False,
        ),
        plugins=Ordered(log=["k8s-file"], network=["host", "none"], volume=["local"]),
        registries=Ordered(),
        store=Ordered(
            containerStore=Ordered({key: counts[key] for key in ("number", "paused", "running", "stopped")}), graphDriverName="sampan",
            graphOptions=Ordered(), graphRoot=root, imageStore=Ordered(number=counts["images"]), volumePath=f"{root}/volumes",
        ),
        version=Ordered(APIVersion=number(call.program), Version=number(call.program), OsArch=f"{host.os}/{host.architecture}"),
    )  # fmt: skip


def _told(document: Ordered) -> str:
    lines = (
        ("Containers", document["Containers"]), (" Running", document["ContainersRunning"]), (" Paused", document["ContainersPaused"]),
        (" Stopped", document["ContainersStopped"]), ("Images", document["Images"]), ("Server Version", document["ServerVersion"]),
        ("Served by", f"sampan {__version__}, without a daemon"), ("Storage Driver", "sampan"), ("Kernel Version", document["KernelVersion"]),
        ("Operating System", document["OperatingSystem"]), ("OSType", "linux"), ("Architecture", document["Architecture"]), ("CPUs", document["NCPU"]),
        ("Total Memory", f"{_memory() / 2**30:.4g}GiB"), ("Name", document["Name"]), ("Docker Root Dir", document["DockerRootDir"]),
    )  # fmt: skip
    return "".join(f"{title}: {value}\n" for title, value in lines)


def yaml(value: object, indent: str = "") -> str:
    """A document of mappings, lists of texts, and scalars, as YAML 1.1 that readers take back as it was."""
    lines = []
    for key, one in value.items() if isinstance(value, dict) else ():
        if isinstance(one, dict) and one:
            lines.append(f"{indent}{key}:\n{yaml(one, indent + '  ')}")
        elif isinstance(one, list) and one:
            lines.append(f"{indent}{key}:\n" + "".join(f"{indent}- {as_json(item)}\n" for item in one))
        else:
            plain = isinstance(one, str) and one[:1].isalpha() and one.isalnum() and not _is_a_word_of_yaml(one)
            lines.append(f"{indent}{key}: {one if plain else as_json(one)}\n")
    return "".join(lines)


def _is_a_word_of_yaml(text: str) -> bool:
    return text.lower() in ("y", "n", "yes", "no", "on", "off", "true", "false", "null")


def _release() -> dict[str, str]:
    """os-release(5) of the host."""
    try:
        with open("/etc/os-release", encoding="utf-8", errors="replace") as stream:
            pairs = dict(line.rstrip("\n").split("=", 1) for line in stream if "=" in line)
    except OSError:
        return {}
    return {key: text.strip('"') for key, text in pairs.items()}


_FORMAT = Option("-f --format", VALUE, "`json` or a template", "FORMAT")
VERBS = {
    "info": (Command("info", "show the store and the machine", (_FORMAT, Unserved("-D --debug", FLAG, SILENT, ""))), info),
}
