"""`doctor`: what works on this machine, and why something does not."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from sampan.container.asks import FEATURES
from sampan.engine.choose import ENGINES, load
from sampan.engine.programs import program
from sampan.errors import SampanError
from sampan.host import foreign
from sampan.host.runtime_directory import runtime_directory
from sampan.layers.decompress import means
from sampan.store.layout import create as layout_create
from sampan.store.layout import open_store
from sampan.values import as_dict, frozen

if TYPE_CHECKING:
    from sampan.settings import Settings


@frozen
class Finding:
    """One line: `state` is `ok`, `warning` or `missing`; `fatal` if nothing can be run without it."""

    what: str
    state: str
    words: str
    hint: str = ""
    fatal: bool = False

    def document(self) -> dict[str, object]:
        """For JSON."""
        return as_dict(self)


def examine(settings: Settings) -> list[Finding]:
    """Everything that is worth knowing, in the order in which it matters."""
    found = [Finding("python", "ok", f"{'.'.join(str(part) for part in sys.version_info[:3])} ({sys.executable})")]
    found += _try("sampan-run", lambda: program("sampan-run", settings), fatal=True)
    found += _try("store", lambda: _store(settings), fatal=True)
    found += _try("runtime directory", lambda: runtime_directory(settings.text("runtime_dir")), fatal=True)
    if all(finding.state == "ok" for finding in found):
        engines = [finding for name in ENGINES for finding in _engine(name, settings)]
        working = any(finding.state == "ok" for finding in engines)
        found += engines if working else [Finding(**{**as_dict(finding), "fatal": True}) for finding in engines]
    found += _architectures()
    found += _repositories(settings)
    return found + [_decompressor(*entry) for entry in means()]


def _repositories(settings: Settings) -> list[Finding]:
    """How `run cvmfs://` gets at images here."""
    from sampan.cvmfs.fuse import mounting

    found = []
    mounts = settings.text("cvmfs_mounts")
    if os.path.isdir(mounts) and os.listdir(mounts):
        found.append(Finding("repositories", "ok", f"those mounted below {mounts}, by --cvmfs=mounted"))
    stopped = mounting.obstacle()
    if stopped is None:
        found.append(Finding("repositories", "ok", "fetched as they are read, by --cvmfs=fuse"))
    else:
        found.append(Finding("repositories", "warning", f"cannot be mounted: {stopped[0]}", stopped[1]))
    return [*found, Finding("repositories", "ok", "fetched whole, by --cvmfs=bundle")]


def _architectures() -> list[Finding]:
    own, others = foreign.runnable()
    found = [Finding("programs of", "ok", f"{', '.join(own)}: by this machine itself")]
    words = [f"{name} by {one.interpreter}" for name, one in others.items()]
    advice = "" if words else "install qemu-user-static for others"
    return [
        *found,
        Finding("programs of", "ok", ", ".join(words))
        if words
        else Finding("programs of", "warning", "other architectures: not here", advice),
    ]


def _try(what: str, attempt: object, *, fatal: bool) -> list[Finding]:
    try:
        return [Finding(what, "ok", str(attempt()))]  # type: ignore[operator]
    except SampanError as error:
        return [Finding(what, "missing", error.sentence, error.hint or "", fatal)]


def _store(settings: Settings) -> str:
    store = open_store(settings.text("home"))
    layout_create(store)
    free = os.statvfs(store.path)
    return f"{store.path} ({free.f_bavail * free.f_frsize // 1000000000} GB free)"


def _engine(name: str, settings: Settings) -> list[Finding]:
    """What an engine can do here, or each obstacle with what would help."""
    engine = load(name, settings)
    try:
        probe = engine.probe(settings.text("home"))
    except SampanError as error:
        return [Finding(f"engine {name}", "missing", error.sentence, error.hint or "")]
    if probe.can is None:
        return [Finding(f"engine {name}", "missing", reason, help) for reason, help in probe.obstacles]
    lacking = [words for feature, words in FEATURES.items() if feature not in probe.can.features]
    found = [Finding(f"engine {name}", "ok", engine.words)]
    if lacking:
        found.append(Finding(f"engine {name}", "warning", f"cannot {'; cannot '.join(lacking)}"))
    return found + [Finding(f"engine {name}", "warning", note) for note in probe.notes]


def _decompressor(kind: str, means: str, advice: str) -> Finding:
    if not means:
        return Finding(f"layers in {kind}", "missing", "cannot be read", advice)
    return Finding(f"layers in {kind}", "warning" if advice else "ok", f"by {means}", advice)
