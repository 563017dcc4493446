"""The applications that are kept: descriptors in the store, by name and version. On the path of `app launch`.

`applications/NAME/VERSION.json` of a store holds one record: the bytes of the descriptor, and by which sampan they were found valid.
They are looked for in the site's stores first, as images are. The names of files are spelled so that any name of a tool fits.
"""

from __future__ import annotations

import os

from sampan import __version__
from sampan.errors import CorruptRecord, SampanError, UsageError, printable
from sampan.store import layout, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.apps.application import Application
    from sampan.runtime.session import Session
    from sampan.store.layout import Store

DIRECTORY = "applications"
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+.")
_SUFFIX = ".json"


class Kept:
    """One version of an application in a store."""

    __slots__ = ("added", "data", "name", "path", "version")

    def __init__(self, path: str, found: dict[str, object]) -> None:
        self.path = path
        self.name = records.text_of(found, "name", path)
        self.version = records.text_of(found, "version", path)
        self.added = records.text_of(found, "added", path)
        self.data = records.text_of(found, "descriptor", path).encode("utf-8", "surrogateescape")


def spelled(name: str) -> str:
    """A name of a tool as a file's name: other letters as `=XX` of their bytes, so that two names never meet."""
    found: list[str] = []
    for letter in name:
        if letter in _LETTERS and (found or letter != "."):
            found.append(letter)
        else:
            found += [f"={byte:02X}" for byte in letter.encode("utf-8", "surrogateescape")]
    return "".join(found)


def find(session: Session, word: str) -> tuple[bytes, str, bool]:
    """The descriptor that `NAME` or `NAME/VERSION` means (without a version: the newest), what to call it, and whether it was checked.

    Raises `UsageError` if there is none.
    """
    kept = None
    for store in session.stores():
        kept = _exact(store, word) or _newest(store, word)
        if kept is not None:
            break
    if kept is None:
        raise _unknown(session, word)
    found = records.read(kept)
    if found is None:
        raise _unknown(session, word)
    one = Kept(kept, found)
    return one.data, f"{one.name}/{one.version}", found.get("checked") == __version__


def _exact(store: Store, word: str) -> str | None:
    name, slash, version = word.rpartition("/")
    path = store.join(DIRECTORY, spelled(name), spelled(version) + _SUFFIX) if slash else ""
    return path if slash and os.path.exists(path) else None


def _newest(store: Store, word: str) -> str | None:
    directory = store.join(DIRECTORY, spelled(word))
    names = [name for name in _names(directory) if name.endswith(_SUFFIX)]
    return f"{directory}/{max(names, key=_order)}" if names else None


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _order(version: str) -> list[tuple[int, str]]:
    """Versions in the order that people mean: numbers by their value."""
    parts: list[str] = [""]
    for letter in version.removesuffix(_SUFFIX):
        if parts[-1] and letter.isdigit() != parts[-1][-1].isdigit():
            parts.append("")
        parts[-1] += letter
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts if part]


def _unknown(session: Session, word: str) -> UsageError:
    from difflib import get_close_matches

    names = [name for kept in listing(session) for name in (kept.name, f"{kept.name}/{kept.version}")]
    close = get_close_matches(word, names, 1, 0.5)
    hint = f"did you mean {close[0]}?" if close else "`sampan app add FILE` keeps one, or name the file of a descriptor"
    return UsageError(f"no application {printable(word)} is kept, and no such file is there", hint)


def listing(session: Session) -> list[Kept]:
    """All versions of all applications, by name, the newest version first; one that cannot be read is left out with a warning."""
    found: dict[tuple[str, str], Kept] = {}
    for store in session.stores():
        for kept in _in(store, session):
            found.setdefault((kept.name, kept.version), kept)
    ordered = sorted(found.values(), key=lambda one: _order(one.version), reverse=True)
    return sorted(ordered, key=lambda one: one.name.lower())


def _in(store: Store, session: Session) -> Iterator[Kept]:
    base = store.join(DIRECTORY)
    for name in sorted(_names(base)):
        for version in sorted(_names(f"{base}/{name}")):
            if not version.endswith(_SUFFIX):
                continue
            path = f"{base}/{name}/{version}"
            try:
                found = records.read(path)
                if found is not None:
                    yield Kept(path, found)
            except SampanError as error:
                session.notice.warn(error.sentence, error.hint)


def add(session: Session, application: Application, *, replace: bool = False) -> str:
    """Keep a checked application; its `NAME/VERSION`. Raises `UsageError` if another descriptor has that name and version already."""
    from sampan.runtime.run import now

    store = session.store
    layout.create(store)
    directory = store.join(DIRECTORY, spelled(application.name))
    path = f"{directory}/{spelled(application.version)}{_SUFFIX}"
    before = _same(path, application)
    if before is False and not replace:
        raise UsageError(
            f"another descriptor of {application.identifier} is kept already",
            "give it another tool-version, or replace it with --force",
        )
    if before is True:
        return application.identifier
    document: dict[str, object] = {
        "format": records.FORMAT,
        "name": application.name,
        "version": application.version,
        "added": now(),
        "checked": __version__,
        "descriptor": application.data.decode("utf-8-sig"),
    }
    try:
        os.makedirs(directory, exist_ok=True)
        records.write(path, store.temporary("application"), document)
    except OSError as error:
        raise layout.failure(store, f"cannot keep {application.identifier}", error) from error
    return application.identifier


def _same(path: str, application: Application) -> bool | None:
    """Whether the record at `path` holds this descriptor; `None` if there is none."""
    try:
        found = records.read(path)
    except CorruptRecord:
        return False
    return None if found is None else found.get("descriptor") == application.data.decode("utf-8-sig")


def remove(session: Session, word: str) -> str:
    """Forget `NAME/VERSION`, or `NAME` if only one version is kept; what was forgotten. Raises `UsageError`."""
    store = session.store
    path = _exact(store, word)
    if path is None:
        directory = store.join(DIRECTORY, spelled(word))
        names = [name for name in _names(directory) if name.endswith(_SUFFIX)]
        if not names:
            raise _unknown(session, word)
        if len(names) > 1:
            raise UsageError(
                f"{len(names)} versions of {printable(word)} are kept", "name one, as NAME/VERSION; see `sampan app list`"
            )
        path = f"{directory}/{names[0]}"
    found = records.read(path)
    kept = Kept(path, found) if found is not None else None
    os.unlink(path)
    try:
        os.rmdir(os.path.dirname(path))
    except OSError:
        pass  # other versions are left
    return f"{kept.name}/{kept.version}" if kept is not None else word
