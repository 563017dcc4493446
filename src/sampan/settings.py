"""Settings: one table; each value knows where it comes from. On the start-up path.

Order, the later one wins: the default, `/etc/sampan/config.toml`, `~/.config/sampan/config.toml`, a variable
`SAMPAN_NAME`, the command line. A file is read (and the TOML reader imported) only if it exists.
"""

from __future__ import annotations

import os

from sampan.errors import BadSetting

SYSTEM_FILE = "/etc/sampan/config.toml"


class Setting:
    """One setting; `kind` is `text`, `path`, `list` (paths or words, joined by `:` in a variable), `number` or `flag`."""

    __slots__ = ("default", "help", "kind", "name", "variable")

    def __init__(self, name: str, kind: str, default: object, help: str) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.help = help
        self.variable = "SAMPAN_" + name.upper()


TABLE = (
    Setting("home", "path", "", "the store (default: sampan below XDG_DATA_HOME or ~/.local/share)"),
    Setting(
        "executions",
        "path",
        "",
        "the executions of applications, which nodes must see too (default: beside the store, with -executions)",
    ),
    Setting("stores", "list", (), "read-only stores of the site, looked at before the own one"),
    Setting("engine", "text", "auto", "the engine that runs containers, or auto"),
    Setting("platform", "text", "", "the platform to pull when the command line does not say (default: this machine's)"),
    Setting("parallel", "number", 4, "blobs fetched at the same time"),
    Setting("offline", "flag", False, "ask no registry: images have to be in a store already"),
    Setting("stage", "path", "", "a directory on a local disk where images are unpacked before they run (`run --stage`)"),
    Setting("keep_blobs", "flag", True, "keep the compressed layers after unpacking"),
    Setting("insecure_registries", "list", (), "registries reached by plain http (loopback always is)"),
    Setting("hub", "text", "", "the address of the registry that is asked for what belongs to Docker Hub"),
    Setting("foreign_layers", "flag", False, "fetch layers that a registry must not keep from the addresses in their manifest"),
    Setting("runtime_dir", "path", "", "this node's short-lived files (default: sampan below XDG_RUNTIME_DIR or /tmp)"),
    Setting("programs", "path", "", "sampan's native programs (default: inside the package)"),
    Setting(
        "repo_keys", "path", "", "the directory with keys of CVMFS repositories (default: sampan/keys below XDG_CONFIG_HOME)"
    ),
    Setting(
        "cvmfs_mounts", "path", "/cvmfs", "where CVMFS repositories are mounted, for images and inputs at `cvmfs://NAME/PATH`"
    ),
    Setting(
        "cvmfs_servers",
        "list",
        (),
        "servers of CVMFS repositories, nearest first; @fqrn@ stands for the name (default: what /etc/cvmfs says)",
    ),
    Setting(
        "cvmfs_proxies", "text", "", "proxies for them: groups by `;`, members by `|`, as `http://a:3128|http://b:3128;DIRECT`"
    ),
    Setting("cvmfs_cache", "path", "", "fetched parts of repositories (default: sampan/cvmfs below XDG_CACHE_HOME or ~/.cache)"),
    Setting("cvmfs_quota", "number", 4000, "megabytes that the cache may have"),
    Setting("cvmfs_alien_cache", "path", "", "a cache without a limit that several users or nodes share, instead"),
    Setting(
        "cvmfs",
        "text",
        "auto",
        "how `run cvmfs://` gets at a repository: mounted, fuse, bundle, or the first of them that works (auto)",
    ),
    Setting("cvmfs_linger", "number", 60, "seconds for which a mount of a repository stays when nobody uses it"),
    Setting(
        "tokens",
        "list",
        (),
        "what holds the bearer tokens for inputs and outputs of jobs at web servers: HOST=file:/PATH or HOST=env:NAME",
    ),
    Setting("authfile", "path", "", "credentials for registries (default: those of podman and docker)"),
)
BY_NAME = {setting.name: setting for setting in TABLE}


class Settings:
    """Frozen values with their origins."""

    __slots__ = ("_origins", "_values")

    def __init__(self, values: dict[str, object], origins: dict[str, str]) -> None:
        self._values = values
        self._origins = origins

    def __getitem__(self, name: str) -> object:
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def text(self, name: str) -> str:
        """The value of a text or path setting."""
        return str(self._values[name])

    def texts(self, name: str) -> tuple[str, ...]:
        """The values of a list setting."""
        value = self._values[name]
        return value if isinstance(value, tuple) else ()

    def number(self, name: str) -> int:
        """The value of a number setting."""
        value = self._values[name]
        return value if isinstance(value, int) else 0

    def flag(self, name: str) -> bool:
        """Whether a flag is on."""
        return bool(self._values[name])

    def origin(self, name: str) -> str:
        """Where the value comes from: `default`, a file, a variable or `command line`."""
        return self._origins[name]

    def document(self) -> dict[str, object]:
        """All values, as JSON can hold them; `of_document` reads it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self._values.items()}

    def override(self, name: str, value: object) -> Settings:
        """A copy with one value of the command line."""
        return Settings({**self._values, name: value}, {**self._origins, name: "command line"})


def of_document(found: dict[str, object], origin: str) -> Settings:
    """The settings of a document. Raises `BadSetting` for one that is wrong; `origin` names it."""
    values: dict[str, object] = {setting.name: setting.default for setting in TABLE}
    values.update((name, _checked(BY_NAME[name], value, origin)) for name, value in found.items() if name in BY_NAME)
    return Settings(values, dict.fromkeys(values, origin))


def load(environ: dict[str, str] | os._Environ[str], system_file: str = SYSTEM_FILE) -> Settings:
    """All settings for this process. Raises `BadSetting` with the nearest right key."""
    values: dict[str, object] = {setting.name: setting.default for setting in TABLE}
    origins = dict.fromkeys(values, "default")
    for file in (system_file, os.path.join(_below(environ, "XDG_CONFIG_HOME", ".config"), "sampan/config.toml")):
        _read_file(file, values, origins)
    for setting in TABLE:
        text = environ.get(setting.variable)
        if text is not None and (text or setting.kind in ("text", "path", "list")):
            values[setting.name] = _from_text(setting, text)
            origins[setting.name] = f"environment {setting.variable}"
    if not values["home"]:
        values["home"] = os.path.join(_below(environ, "XDG_DATA_HOME", ".local/share"), "sampan")
    if not values["executions"]:
        values["executions"] = f"{str(values['home']).rstrip('/')}-executions"
    return Settings(values, origins)


def _below(environ: dict[str, str] | os._Environ[str], variable: str, otherwise: str) -> str:
    base = environ.get(variable)
    if base and base.startswith("/"):
        return base
    home = environ.get("HOME")
    if not home:
        import pwd

        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            home = f"/tmp/sampan-{os.getuid()}"  # noqa: S108 - a user without a home, made 0700 by the store
    return os.path.join(home, otherwise)


def _read_file(file: str, values: dict[str, object], origins: dict[str, str]) -> None:
    try:
        with open(file, "rb") as stream:
            raw = stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise BadSetting(f"cannot read {file}: {error.strerror}") from error
    for key, value in parse_toml(raw, file).items():
        setting = BY_NAME.get(key)
        if setting is None:
            raise _unknown(key, file)
        values[key] = _checked(setting, value, file)
        origins[key] = file


def parse_toml(raw: bytes, file: str) -> dict[str, object]:
    """The document in `raw`; raises `BadSetting` that names the file and the place."""
    try:
        import tomllib
    except ImportError:
        import tomli as tomllib  # type: ignore[import-not-found,no-redef,unused-ignore]
    try:
        document: dict[str, object] = tomllib.loads(raw.decode("utf-8"))
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError
        raise BadSetting(f"{file} is not valid TOML: {error}", "see docs/reference/settings.md for an example") from error
    return document


def _unknown(key: str, file: str) -> BadSetting:
    from difflib import get_close_matches

    close = get_close_matches(key, BY_NAME, 1, 0.6)
    return BadSetting(f"{file} has an unknown key {key!r}", f"did you mean {close[0]}?" if close else "see `sampan config`")


def _checked(setting: Setting, value: object, file: str) -> object:
    wanted = {"number": (int, "a whole number"), "flag": (bool, "true or false")}.get(setting.kind, (str, "a text in quotes"))
    if setting.kind == "list":
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise BadSetting(f"{file}: {setting.name} must be a list of texts", f'write {setting.name} = ["..."]')
    if not isinstance(value, wanted[0]) or (setting.kind == "number" and (isinstance(value, bool) or not _positive(value))):
        raise BadSetting(f"{file}: {setting.name} must be {wanted[1]}, not {value!r}")
    return _absolute(setting, value, file)


def _from_text(setting: Setting, text: str) -> object:
    if setting.kind == "number":
        if not text.isdigit() or int(text) == 0:
            raise BadSetting(f"{setting.variable} must be a whole number, not {text!r}")
        return int(text)
    if setting.kind == "flag":
        if text.lower() not in ("0", "1", "true", "false", "yes", "no", "on", "off"):
            raise BadSetting(f"{setting.variable} must be true or false, not {text!r}")
        return text.lower() in ("1", "true", "yes", "on")
    if setting.kind == "list":
        return tuple(part for part in text.split(":" if setting.name == "stores" else ",") if part)
    return _absolute(setting, text, setting.variable)


def _absolute(setting: Setting, value: object, origin: str) -> object:
    if setting.kind != "path" or not value:
        return value
    path = os.path.expanduser(str(value))
    if not path.startswith("/"):
        raise BadSetting(f"{origin}: {setting.name} must be an absolute path, not {str(value)!r}")
    return path


def _positive(value: object) -> bool:
    return isinstance(value, int) and value > 0
