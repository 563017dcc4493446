"""registries.conf: where podman looks for images (containers-registries.conf(5), version 2), read and asked.

The user's file (`~/.config/containers/registries.conf`, or CONTAINERS_REGISTRIES_CONF) replaces the system's; the drop-ins
of both (`registries.conf.d/*.conf`) come on top in the order of their names, the later ones win. Of the tables
`[[registry]]` the one with the longest prefix counts. An alias gives a short name its whole name; those that podman noted
for this user come last. Without an alias a short name is at Docker Hub: the list of registries to search
(`unqualified-search-registries`) is not used, because whoever registers a name at the first of them would be believed.

A file that cannot be understood is an error, never passed over: it may forbid something. One that has nothing but aliases,
as the long list that comes with podman, is read when a short name is looked up: TOML costs 10 ms.
"""

from __future__ import annotations

import os

from sampan.errors import BadReference, BadSetting, printable
from sampan.oci.reference import HUB, Reference
from sampan.registry.certificates import SYSTEM, configuration_directory
from sampan.registry.toml import flag_in, parsed, read_bytes, table_in, tables_in, text_in, texts_in
from sampan.values import frozen

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.registry.toml import Table

_WHEN = {"": (True, True), "all": (True, True), "digest-only": (False, True), "tag-only": (True, False)}


@frozen
class Mirror:
    """A place that may have the images too, for references by tag, by digest or both."""

    location: str
    insecure: bool
    by_tag: bool
    by_digest: bool


@frozen
class Entry:
    """One table `[[registry]]`; `location` is empty where names are left as they are."""

    prefix: str
    location: str
    insecure: bool
    blocked: bool
    mirrors: tuple[Mirror, ...]
    file: str

    def matched(self, name: str) -> int | None:
        """How many letters of a reference's full text the prefix covers; `None` if it does not fit."""
        if self.prefix.startswith("*."):
            host = name.partition("/")[0]
            return len(host) if host.partition(":")[0].endswith(self.prefix[1:]) else None
        if not name.startswith(self.prefix):
            return None
        following = name[len(self.prefix) : len(self.prefix) + 1]
        # A prefix that is a host alone does not fit the same host with a port.
        ends = ("", "/", "@") if "/" not in self.prefix else ("", "/", ":", "@")
        return len(self.prefix) if following in ends else None

    def moved(self, reference: Reference, location: str) -> Reference:
        """The reference as it is called at a location; raises `BadSetting` for a location that makes no name."""
        covered = self.matched(str(reference)) or 0
        if not location:
            return reference
        try:
            moved = Reference.parse(location + str(reference)[covered:])
            if reference.tag is None and reference.digest is None:
                return Reference(moved.domain, moved.path)
            return moved
        except BadReference as error:
            raise BadSetting(f"{self.file} moves {reference.name} to {printable(location)!r}, which makes no name") from error


class RegistriesConf:
    """All files together: tables by their prefixes, longest first, and aliases."""

    def __init__(self, entries: tuple[Entry, ...], files: list[tuple[str, bytes]]) -> None:
        """`files`: their names and what is in them, in the order in which they count."""
        self.entries = entries
        self._files = files
        self._aliases: dict[str, tuple[str, str]] | None = None

    def entry(self, name: str) -> Entry | None:
        """The table for the full text of a reference, or for a registry's domain."""
        return next((entry for entry in self.entries if entry.matched(name) is not None), None)

    def alias(self, text: str) -> tuple[Reference, str] | None:
        """What a short name (`fedora:40`) stands for, and the file that says so; `None` if there is no alias.

        Raises `BadSetting`.
        """
        name, separator, rest = _split_short(text)
        if self._aliases is None:
            self._aliases = {}
            for file, data in self._files:
                if b"aliases" in data:
                    _take_aliases(table_in(parsed(data, file), "aliases", file), file, self._aliases)
        found = self._aliases.get(name)
        return None if found is None else (Reference.parse(found[0] + separator + rest), found[1])


def load(environ: Mapping[str, str], system: str = SYSTEM) -> RegistriesConf:
    """Read all files. Raises `BadSetting` that names the file."""
    entries: dict[str, Entry] = {}
    files: list[tuple[str, bytes]] = []
    for file in _files(environ, system):
        data = read_bytes(file)
        if data is None:
            continue
        files.append((file, data))
        if _has_aliases_alone(data):
            continue
        document = parsed(data, file)
        for table in tables_in(document, "registry", file):
            entry = _entry(table, file)
            entries[entry.prefix] = entry
        for entry in _version_1(document, file):
            entries.setdefault(entry.prefix, entry)
        _take_aliases(table_in(document, "aliases", file), file, {})
    # A wildcard is the least exact of all.
    longest = sorted(entries.values(), key=lambda entry: (not entry.prefix.startswith("*."), len(entry.prefix)), reverse=True)
    return RegistriesConf(tuple(longest), files)


def _has_aliases_alone(data: bytes) -> bool:
    """Whether a file can say nothing of registries: the table of aliases is its only one, and no key stands before it."""
    headers = 0
    for line in data.splitlines():
        words = line.strip()
        if words.startswith(b"["):
            if words != b"[aliases]":
                return False
            headers += 1
        elif words and not words.startswith(b"#") and not headers:
            return False
    return True


def _files(environ: Mapping[str, str], system: str) -> list[str]:
    """In the order in which they are read; the later one wins."""
    own = f"{configuration_directory(environ)}/containers/registries.conf"
    base = f"{system}/containers/registries.conf"
    chosen = environ.get("CONTAINERS_REGISTRIES_CONF") or (own if os.path.exists(own) else base)
    home = environ.get("HOME") or os.path.expanduser("~")
    return [chosen, *_drop_ins(f"{base}.d"), *_drop_ins(f"{own}.d"), f"{home}/.cache/containers/short-name-aliases.conf"]


def _drop_ins(directory: str) -> list[str]:
    try:
        return [f"{directory}/{name}" for name in sorted(os.listdir(directory)) if name.endswith(".conf")]
    except OSError:
        return []


def _entry(table: Table, file: str) -> Entry:
    location = text_in(table, "location", file).rstrip("/")
    prefix = text_in(table, "prefix", file).rstrip("/") or location
    if not prefix:
        raise BadSetting(f"{file} has a [[registry]] with neither prefix nor location")
    if "*" in prefix.removeprefix("*.") or (prefix.startswith("*.") and ("/" in prefix or ":" in prefix)):
        raise BadSetting(
            f"{file} has the prefix {printable(prefix[:100])!r}: a wildcard stands for the front of a host name, as in *.example.com"
        )
    if not location and not prefix.startswith("*."):
        location = prefix
    for text in (prefix, location):
        if "://" in text:
            raise BadSetting(f"{file} has {printable(text[:100])!r}, which must be written without {text.partition('://')[0]}://")
    only_digests = flag_in(table, "mirror-by-digest-only", file)
    mirrors = tuple(_mirror(one, file, only_digests=only_digests) for one in tables_in(table, "mirror", file))
    return Entry(prefix, location, flag_in(table, "insecure", file), flag_in(table, "blocked", file), mirrors, file)


def _mirror(table: Table, file: str, *, only_digests: bool) -> Mirror:
    location = text_in(table, "location", file).rstrip("/")
    if not location or "://" in location:
        raise BadSetting(f"{file} has a mirror with the location {printable(location[:100])!r}, which must be HOST[:PORT][/PATH]")
    when = text_in(table, "pull-from-mirror", file)
    if when not in _WHEN:
        raise BadSetting(f"{file}: pull-from-mirror is all, digest-only or tag-only, not {printable(when[:100])!r}")
    by_tag, by_digest = (False, True) if only_digests else _WHEN[when]
    return Mirror(location, flag_in(table, "insecure", file), by_tag, by_digest)


def _version_1(document: Table, file: str) -> list[Entry]:
    """The lists of the old format that say how a registry is reached, as tables."""
    lists = table_in(document, "registries", file)
    insecure, blocked = (texts_in(table_in(lists, key, file), "registries", file) for key in ("insecure", "block"))
    return [
        Entry(name, name, name in insecure, name in blocked, (), file) for name in dict.fromkeys((*insecure, *blocked)) if name
    ]


def _take_aliases(table: Table, file: str, aliases: dict[str, tuple[str, str]]) -> None:
    for name in table:
        value = text_in(table, name, file)
        if not value:
            aliases.pop(name, None)
            continue
        try:
            meant = Reference.parse(value)
            is_good = meant.digest is None and ":" not in value.rpartition("/")[2] and not is_long(name)
        except BadReference:
            is_good = False
        if not is_good:
            raise BadSetting(f"{file} has the alias {printable(name[:100])!r} = {printable(value[:100])!r}, which names no image")
        aliases[name] = (value, file)


def is_long(text: str) -> bool:
    """Whether a reference begins with a registry's domain, so that no alias is looked for."""
    first, slash, _ = text.partition("/")
    return bool(slash) and (first in ("localhost", HUB) or "." in first or ":" in first or first.lower() != first)


def _split_short(text: str) -> tuple[str, str, str]:
    """`fedora:40@sha256:..` as name, the first separator and the rest."""
    if is_long(text):
        return text, "", ""
    for at, letter in enumerate(text):
        if letter in ":@":
            return text[:at], letter, text[at + 1 :]
    return text, "", ""
