"""What `docker inspect` says of images and containers, and what podman says otherwise: pure but for looking at the record's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.container import mounts as of_mounts
from sampan.container import state as states
from sampan.errors import SampanError
from sampan.host import processes
from sampan.oci.reference import Reference
from sampan.runtime.images import config_document
from sampan.runtime.inspect import docker_form
from sampan.terminal.gotemplate.functions import Ordered

if TYPE_CHECKING:
    from sampan.compat.program import Program
    from sampan.container.record import Record
    from sampan.runtime.session import Session

NEVER = "0001-01-01T00:00:00Z"
# What Docker shows of an image's configuration, in its order, and what it shows where the image says nothing.
_CONFIG: dict[str, object] = {
    "Hostname": "", "Domainname": "", "User": "", "AttachStdin": False, "AttachStdout": False, "AttachStderr": False, "Tty": False,
    "OpenStdin": False, "StdinOnce": False, "Env": None, "Cmd": None, "Image": "", "Volumes": None, "WorkingDir": "", "Entrypoint": None,
    "OnBuild": None, "Labels": None,
}  # fmt: skip
_ALIVE = ("running", "paused")


def image(found: dict[str, object], session: Session, program: Program) -> Ordered:
    """An image, from what `runtime.inspect` says of it."""
    short = docker_form(found, session)
    configuration = found["configuration"] if isinstance(found["configuration"], dict) else {}
    shown = Ordered(
        Id=short["Id"], RepoTags=short["RepoTags"], RepoDigests=short["RepoDigests"], Parent="", Comment="", Created=short["Created"],
        DockerVersion="", Author=short["Author"], Config=_config(short["Config"]), Architecture=short["Architecture"],
        Variant=short["Variant"], Os=short["Os"], Size=short["Size"], VirtualSize=short["Size"],
        GraphDriver=Ordered(Data={"Tree": found["tree"] or ""}, Name="sampan"), RootFS=short["RootFS"],
        Metadata=Ordered(LastTagTime=found["pulled"]),
    )  # fmt: skip
    if program.name == "podman":
        shown["Id"] = str(short["Id"]).rpartition(":")[2]
        shown["Digest"] = found["digest"]
        shown["RepoTags"] = _full(short["RepoTags"])
        shown["RepoDigests"] = _full(short["RepoDigests"])
        shown["Labels"] = shown["Config"]["Labels"]
        shown["User"] = shown["Config"]["User"]
        shown["History"] = configuration.get("history") or []
        shown["ManifestType"] = "application/vnd.oci.image.manifest.v1+json"
        shown["NamesHistory"] = shown["RepoTags"]
    return shown


def _full(names: object) -> list[str]:
    return [str(Reference.parse(str(name))) for name in names] if isinstance(names, list) else []


def _config(document: object) -> Ordered:
    own = document if isinstance(document, dict) else {}
    return Ordered({**_CONFIG, **own})


def container(record: Record, session: Session, program: Program) -> Ordered:
    """A container."""
    request = record.request
    found = states.of(record.directory)
    document = _image_config(record, session)
    words_ = _command(record, document)
    hostname = request.hostname or record.id[:12]
    shown = Ordered(
        Id=record.id, Created=record.created, Path=words_[0] if words_ else "", Args=list(words_[1:]), State=_state(found),
        Image=record.image.config if program.name == "docker" else record.image.config.rpartition(":")[2],
        ResolvConfPath="", HostnamePath="", HostsPath="", LogPath=f"{record.directory}/log",
        Name=f"/{record.name}" if program.name == "docker" else record.name, RestartCount=0, Driver="sampan",
        Platform=record.image.platform.partition("/")[0], MountLabel="", ProcessLabel="", AppArmorProfile="", ExecIDs=None,
        HostConfig=_host_config(record), GraphDriver=Ordered(Data=_graph(record), Name="sampan"),
        Mounts=_mounts(record, session), Config=_container_config(record, document, hostname), NetworkSettings=_network(record),
    )  # fmt: skip
    if program.name == "podman":
        shown["ImageName"] = record.image.reference
        shown["ImageDigest"] = record.image.manifest
        shown["Rootfs"] = record.image.tree
        shown["Pod"] = ""
        shown["IsInfra"] = False
    return shown


def _image_config(record: Record, session: Session) -> dict[str, object]:
    """The image's `config`; empty where the image is gone."""
    try:
        found = config_document(record.image, session).get("config")
    except SampanError:
        return {}
    return found if isinstance(found, dict) else {}


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _command(record: Record, document: dict[str, object]) -> list[str]:
    request = record.request
    if request.entrypoint is not None:
        return [*([request.entrypoint] if request.entrypoint else []), *request.command]
    return [*_texts(document.get("Entrypoint")), *(request.command or _texts(document.get("Cmd")))]


def _state(found: states.State) -> Ordered:
    word = found.word.partition(" ")[0]
    pid = found.process.pid if found.process is not None and not found.process.is_elsewhere() else 0
    ended = found.exit or {}
    status = found.status if found.status is not None else 0
    shown = Ordered(
        Status=word, Running=word in _ALIVE, Paused=word == "paused", Restarting=False, OOMKilled=False, Dead=False, Pid=pid,
        ExitCode=0 if found.runs else status, Error=str(ended.get("message") or ""),
        StartedAt=(processes.started_at(pid) if pid else "") or str(ended.get("started") or NEVER),
        FinishedAt=NEVER if found.runs else str(ended.get("finished") or NEVER),
    )  # fmt: skip
    if found.health:
        shown["Health"] = Ordered(Status=found.health, FailingStreak=0, Log=[])
    return shown


def _host_config(record: Record) -> Ordered:
    request = record.request
    from sampan.container import limits

    return Ordered(
        Binds=list(request.volumes) or None, ContainerIDFile="", LogConfig=Ordered(Type="json-file", Config={}),
        NetworkMode=request.network or "host", PortBindings={}, RestartPolicy=Ordered(Name="no", MaximumRetryCount=0),
        AutoRemove=record.keep == "memory", VolumeDriver="", VolumesFrom=None, CapAdd=None, CapDrop=None, CgroupnsMode="host",
        Dns=list(request.dns), DnsOptions=[], DnsSearch=list(request.dns_search), ExtraHosts=list(request.add_hosts) or None, GroupAdd=None,
        IpcMode=request.ipc or "private", Cgroup="", Links=None, OomScoreAdj=0, PidMode=request.pid or "", Privileged=False,
        PublishAllPorts=False, ReadonlyRootfs=request.read_only, SecurityOpt=None, UTSMode=request.uts or "", UsernsMode="",
        ShmSize=of_mounts.parse_size(request.shm_size, "--shm-size") if request.shm_size else 67108864, Runtime="sampan", Isolation="",
        Memory=limits.parse_memory(request.memory) if request.memory else 0,
        NanoCpus=int(limits.parse_share(request.cpus) * 1e9) if request.cpus else 0, CpusetCpus=request.cpuset or "", Init=request.init,
    )  # fmt: skip


def _graph(record: Record) -> dict[str, str]:
    if record.keep == "overlay":
        return {"LowerDir": record.image.tree, "UpperDir": f"{record.directory}/upper", "WorkDir": f"{record.directory}/work"}
    return {"Tree": f"{record.directory}/rootfs" if record.keep == "copy" else record.image.tree}


def _mounts(record: Record, session: Session) -> list[Ordered]:
    request = record.request
    volumes = f"{session.store.join('volumes')}/"
    found = []
    for text in request.volumes:
        bind = of_mounts.parse_volume(text, "/")
        rest = bind.source[len(volumes) :] if bind.source.startswith(volumes) else ""
        named = Ordered(Type="volume", Name=rest.partition("/")[0]) if rest else Ordered(Type="bind")
        writable = "ro" not in bind.flags
        mode = ",".join(text.split(":")[2:])
        found.append(
            Ordered(
                {
                    **named,
                    "Source": bind.source,
                    "Destination": bind.target,
                    "Mode": mode,
                    "RW": writable,
                    "Propagation": "rprivate",
                }
            )
        )
    for text in request.mounts:
        mount = of_mounts.parse_mount(text, "/")
        source = mount.source if isinstance(mount, of_mounts.Bind) else ""
        kind = "bind" if source else "image" if isinstance(mount, of_mounts.ImageMount) else "tmpfs"
        writable = kind != "image" and not (isinstance(mount, of_mounts.Bind) and "ro" in mount.flags)
        found.append(Ordered(Type=kind, Source=source, Destination=mount.target, Mode="", RW=writable, Propagation=""))
    found += [
        Ordered(Type="tmpfs", Source="", Destination=text.partition(":")[0], Mode="", RW=True, Propagation="")
        for text in request.tmpfs
    ]
    return found


def _container_config(record: Record, document: dict[str, object], hostname: str) -> Ordered:
    request = record.request
    images = document.get("Labels")
    labels: dict[str, object] = dict(images) if isinstance(images, dict) else {}
    labels.update((name, value) for name, _, value in (text.partition("=") for text in request.labels))
    names = {text.partition("=")[0] for text in request.environment}
    env = [text for text in _texts(document.get("Env")) if text.partition("=")[0] not in names]
    command = list(request.command) or (None if request.entrypoint is not None else document.get("Cmd"))
    entry = document.get("Entrypoint") if request.entrypoint is None else [request.entrypoint] if request.entrypoint else None
    user = "" if request.root else request.user or str(document.get("User") or "")
    return Ordered(
        {
            **_CONFIG, "Hostname": hostname, "User": user, "AttachStdout": True, "AttachStderr": True, "AttachStdin": request.interactive,
            "Tty": request.tty, "OpenStdin": request.interactive, "Env": [*request.environment, *env], "Cmd": command,
            "Image": _image_name(record.image.reference),
            "Volumes": document.get("Volumes"), "WorkingDir": request.workdir or str(document.get("WorkingDir") or ""), "Entrypoint": entry,
            "Labels": labels, **({"StopSignal": request.stop_signal} if request.stop_signal else {}),
        }
    )  # fmt: skip


def _image_name(text: str) -> str:
    return text if text.startswith("sha256:") else Reference.parse(text).familiar


def _network(record: Record) -> Ordered:
    name = record.request.network or "host"
    inner = Ordered(
        IPAMConfig=None,
        Links=None,
        Aliases=None,
        NetworkID=name,
        EndpointID="",
        Gateway="",
        IPAddress="",
        IPPrefixLen=0,
        MacAddress="",
    )
    return Ordered(
        Bridge="", SandboxID="", Ports={}, SandboxKey="", EndpointID="", Gateway="", IPAddress="", IPPrefixLen=0, MacAddress="",
        Networks={name: inner},
    )  # fmt: skip
