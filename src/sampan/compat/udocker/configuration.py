"""udocker's configuration: `udocker.conf` in its three places, a file that is named, and its variables. On the start-up path.

Order, the later one wins: /etc/udocker.conf, ~/.udocker/udocker.conf, udocker.conf in the repository, `--config`, the environment, the command
line. A file is what udocker's manual shows: lines `key = value` under `[DEFAULT]` or without it; values may be quoted, lists are
written as in Python, `%(key)s` stands for another value. (udocker 1.3.17 itself fails on most of that.) With UDOCKER_NOSYSCONF the file in /etc
is not read.
"""

from __future__ import annotations

import os

from sampan.compat.udocker import SYSTEM_FILE, default_repository
from sampan.errors import BadSetting, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.compat.program import Call

# What has a meaning here: key -> (default, variable). Others of udocker's keys are known, and say how it finds its engines.
SERVED: dict[str, tuple[str, str]] = {
    "topdir": ("", "UDOCKER_DIR"),
    "keystore": ("", "UDOCKER_KEYSTORE"),
    "tmpdir": ("", "UDOCKER_TMP"),
    "verbose_level": ("", "UDOCKER_LOGLEVEL"),
    "dockerio_registry_url": ("", "UDOCKER_REGISTRY"),
    "dockerio_index_url": ("", "UDOCKER_INDEX"),
    "override_default_execution_mode": ("", "UDOCKER_DEFAULT_EXECUTION_MODE"),
    "use_proot_executable": ("", "UDOCKER_USE_PROOT_EXECUTABLE"),
    "use_runc_executable": ("", "UDOCKER_USE_RUNC_EXECUTABLE"),
    "http_proxy": ("", ""),
    "http_insecure": ("", ""),
    "cmd": ("", ""),
}
# The shipped file writes it so; udocker does not read that.
SPELLED = {
    "default_execution_mode": "override_default_execution_mode",
    "registry": "dockerio_registry_url",
    "index": "dockerio_index_url",
}
KNOWN = frozenset((
    "homedir", "bindir", "libdir", "docdir", "reposdir", "layersdir", "containersdir", "tarball_release", "tarball", "installinfo", "installretry",
    "autoinstall", "config", "root_path", "user_path", "sysdirs_list", "dri_list", "mountpoint_prefixes", "default_execution_modes",
    "proot_noseccomp", "proot_killonexit", "proot_link2symlink", "ld_so_cache", "fakechroot_so", "fakechroot_expand_symlinks", "fakechroot_cmd_subst",
    "libc_search", "fakechroot_libc", "lib_dirs_list_nvidia", "lib_dirs_list_essential", "lib_dirs_list_append", "access_files",
    "use_patchelf_executable", "use_singularity_executable", "use_curl_executable", "runc_nomqueue", "runc_capabilities", "singularity_options",
    "valid_host_env", "invalid_host_env", "cpu_affinity_exec_tools", "location", "timeout", "download_timeout", "ctimeout", "http_agent",
    "docker_registries", "nvi_etc_list", "nvi_bin_list", "nvi_lib_list", "nvi_dev_list",
))  # fmt: skip


# What a file may have, and what a value may become by others that it names.
_MOST = 1 << 16


class Configuration:
    """The values that have a meaning here, and where each comes from."""

    __slots__ = ("origins", "values")

    def __init__(self) -> None:
        self.values = {key: default for key, (default, _) in SERVED.items()}
        self.origins: dict[str, str] = {}

    def __getitem__(self, key: str) -> str:
        return self.values[key]

    def set(self, key: str, value: str, origin: str) -> None:
        """A later value wins."""
        self.values[key] = value
        self.origins[key] = origin

    def on(self, key: str) -> bool:
        """Whether a switch is on."""
        return self.values[key].lower() in ("1", "true", "yes", "on")


def read(named: str | None, repository: str | None = None) -> Configuration:
    """The configuration of this call; `named` is the file of `--config`, `repository` that of `--repo`. Raises `BadSetting`."""
    found = Configuration()
    home = default_repository()
    if "UDOCKER_NOSYSCONF" not in os.environ:
        _file(SYSTEM_FILE, found)
    _file(os.path.join(home, "udocker.conf"), found)
    stated = repository or os.environ.get("UDOCKER_DIR")
    if stated and stated != home:
        _file(os.path.join(stated, "udocker.conf"), found)
    if named is not None:
        if not os.path.isfile(named):
            raise UsageError(f"there is no configuration file {named}")
        _file(named, found)
    for key, (_, variable) in SERVED.items():
        if variable and os.environ.get(variable):
            found.set(key, os.environ[variable], f"environment {variable}")
    if repository is not None:
        found.set("topdir", repository, "command line")
    return found


def _file(path: str, found: Configuration) -> None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            text = stream.read(_MOST)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise BadSetting(f"cannot read {path}: {error.strerror}") from error
    for written, value in parse(text, path).items():
        key = SPELLED.get(written, written)
        if key in SERVED:
            found.set(key, value, path)
        elif key not in KNOWN:
            from sampan.options.parse import nearest

            near = nearest(key, (*SERVED, *KNOWN))
            raise BadSetting(f"{path} has an unknown key {key!r}", f"did you mean {near}?" if near else "see `udocker showconf`")


def parse(text: str, path: str) -> dict[str, str]:
    """The keys of a file with their values, quotes taken off and `%(key)s` replaced. Raises `BadSetting` that names the line."""
    raw: dict[str, str] = {}
    last = ""
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if not bare or bare[0] in "#;" or (bare[0] == "[" and bare[-1] == "]" and not last):
            continue
        if bare.startswith("[") and bare.endswith("]") and "=" not in bare and line[0] == "[":
            continue
        key, equals, value = bare.partition("=")
        if line[0] in " \t" and last and (not equals or raw[last].count("[") > raw[last].count("]")):
            raw[last] += f" {bare}"  # a long value goes on
            continue
        if not equals or not key.strip().replace("_", "a").isalnum():
            raise BadSetting(f"line {number} of {path} is not KEY = VALUE: {bare[:60]!r}")
        last = key.strip()
        raw[last] = value.strip()
    return {key: _plain(value, raw, key) for key, value in raw.items()}


def _plain(value: str, raw: dict[str, str], own: str) -> str:
    """Without quotes, other values put in; one that stands for itself (the shipped `topdir = %(topdir)s`) is not set."""
    for key, other in raw.items():
        if f"%({key})s" in value:
            value = (
                "" if key == own else value.replace(f"%({key})s", _plain(other, {k: v for k, v in raw.items() if k != own}, key))
            )
            if len(value) > _MOST:
                raise BadSetting(f"the value of {own[:60]} names others that make it too long")
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return "" if value == "None" else value


def apply(call: Call) -> None:
    """Let a call's context follow the configuration. Raises `UsageError`, `BadSetting`."""
    options = call.options
    repository = options.text("repo")
    if repository is not None and not is_repository(repository):
        raise UsageError(f"{repository} is not a repository of udocker", f"make one: udocker mkrepo {repository}")
    found = read(options.text("config"), repository)
    context = call.context
    settings = context.settings
    top = found["topdir"]
    if top and os.path.realpath(top) != os.path.realpath(default_repository()):
        settings = settings.override("home", os.path.join(os.path.abspath(top), "sampan"))
    keystore = found["keystore"] or os.path.join(top or default_repository(), "keystore")
    if found["keystore"] or (os.path.exists(keystore) and not settings.text("authfile")):
        settings = settings.override("authfile", os.path.abspath(keystore))
    settings = settings.override("udocker", found)
    if found["tmpdir"]:
        os.environ["TMPDIR"] = found["tmpdir"]
    if found["http_proxy"]:
        os.environ["http_proxy"] = os.environ["https_proxy"] = found["http_proxy"]
    for key in ("use_proot_executable", "use_runc_executable"):
        if found[key].startswith("/"):
            os.environ["PATH"] = f"{os.path.dirname(found[key])}:{os.environ.get('PATH', '')}"
    call.context = context.but(level=_level(call, found["verbose_level"]), settings=settings)


def _level(call: Call, stated: str) -> int:
    """Udocker's levels go from -1 to 5; 2 and below are warnings and errors."""
    if call.options.flag("quiet"):
        return 0
    if call.options.flag("debug"):
        return 2
    if stated:
        if not stated.lstrip("-").isdigit():
            raise BadSetting(f"the log level {stated!r} is no number", "it goes from -1 to 5")
        return 0 if int(stated) < 2 else 1 if int(stated) < 5 else 2
    return call.context.level


def of(call: Call) -> Configuration:
    """The configuration that `apply` has read, else the defaults."""
    settings = call.context.settings
    if "udocker" in settings and isinstance(found := settings["udocker"], Configuration):
        return found
    return Configuration()


def is_repository(path: str) -> bool:
    """Whether a directory looks like udocker's."""
    return all(os.path.isdir(os.path.join(path, name)) for name in ("repos", "layers", "containers"))


def directory(call: Call) -> str:
    """The repository of this call."""
    return of(call)["topdir"] or default_repository()
