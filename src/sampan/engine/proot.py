"""The engine PRoot, where it is installed: system calls are watched by another process (ptrace). No start-up cost is counted for it.

PRoot knows neither read-only binds nor layers, so it gets a private copy of the image, and refuses `--read-only`. It ignores the
signals that are to end it, waits for all that the payload leaves behind, and loses the signal that ended the payload: the
two sampan-run around it and in it (`inside`) make up for that. Calls that are younger than PRoot pass it by and reach files of this machine: the
probe tries which, and they are made to fail as in an older kernel, so that programs use those that PRoot knows. It is no security
boundary (SECURITY.md).
"""

from __future__ import annotations

import os
from errno import ELOOP

from sampan.container import root
from sampan.container.asks import Can
from sampan.container.mounts import Bind, File, Tmpfs, covers
from sampan.engine import inside, launchfile
from sampan.engine.base import Engine, Probe
from sampan.engine.programs import program as program_path
from sampan.engine.remembered import answers
from sampan.errors import CannotHonour, HostError
from sampan.host.runtime_directory import runtime_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.plan import Plan
    from sampan.engine.base import Start
    from sampan.engine.launchfile import Record
    from sampan.settings import Settings

NAME = "proot"
FEATURES = frozenset(("private-copy", "binds", "tmpfs", "other-user", "root-user", "watcher", "limits", "foreign-programs"))
QUIET = ("-v", "-1")
ESCAPES = "calls that are younger than it is, and would reach files of this machine, are refused in it: {}"
NO_SECCOMP = "PROOT_NO_SECCOMP"
SHORT_LIVED = "tmp"  # of its own files


class Proot(Engine):
    """System calls watched by PRoot."""

    name = NAME
    words = "system calls watched by PRoot (ptrace); slow, no security boundary"
    program = inside.LAUNCHER
    namespaces = False
    shares_trees = False

    def probe(self, place: str | None) -> Probe:  # noqa: ARG002 - changes are kept in a private copy, wherever it lies
        """Whether a PRoot is here, works, and which calls pass it by."""
        proot = inside.find(("proot",))
        if not proot:
            return Probe(None, (("PRoot is not installed", "apt install proot, or put a static proot on PATH"),))
        found = self._answers(proot)
        if found.get("root") != "ok":
            return Probe(
                None,
                ((f"{proot} does not work here", f"try `{proot} -r / true`; ptrace may be forbidden, as in other containers"),),
            )
        escaping = _escaping(found)
        notes = [ESCAPES.format(", ".join(escaping))] if escaping else []
        return Probe(Can(NAME, FEATURES), (), (f"it is {proot}; every container is a private copy of its image", *notes))

    def _answers(self, proot: str) -> dict[str, str]:
        """What sampan-run says in a root that has nothing but itself."""
        base = runtime_directory(self.settings.text("runtime_dir"))
        place = os.path.join(base, "proot-root")
        os.makedirs(f"{place}/run", 0o700, exist_ok=True)
        # It would be made and removed again by PRoot, under the hands of another one that is probed at the same time.
        os.close(os.open(place + inside.PROGRAM, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        os.makedirs(f"{place}/proc", 0o700, exist_ok=True)
        launcher, stamp = program_path(self.program, self.settings), os.stat(proot)
        words = (proot, *QUIET, "-r", place, "-b", f"{launcher}:{inside.PROGRAM}", "-b", "/proc", "-w", "/")
        where = f"{NAME}.{stamp.st_size:x}.{stamp.st_mtime_ns:x}.{len(os.environ.get(NO_SECCOMP, ''))}"
        return answers(launcher, (), where, self.settings, (*words, inside.PROGRAM, "--probe-inside", base))

    def command(self, plan: Plan) -> Start:
        """PRoot with sampan-run around it and in it. Raises `CannotHonour`, `HostError`."""
        place = _place(plan)
        _empty(place)
        words, directory = _view(plan, place, self.settings)
        kept = self._payload(plan, directory)
        group: list[Record] = [("cgroup", plan.cgroup)] if plan.cgroup else []
        watching: list[Record] = [inside.ALONE] if plan.stay is None else launchfile.staying(plan.stay, str(kept))
        return self._around(plan, group, watching, (words, kept))

    def join(self, plan: Plan, process: tuple[int, int, tuple[str, ...]], directory: str, *, detach: bool) -> Start:  # noqa: ARG002
        """A second PRoot with the same view: what the first one made for the start is there."""
        place = _place(plan)
        words, _ = _view(plan, place, self.settings)
        kept = self._payload(plan, (directory, "/"))
        watching: list[Record] = [launchfile.DETACHED, ("fds", str(kept))] if detach else [inside.ALONE]
        return self._around(plan, [], watching, (words, kept))

    def launch_file(self, plan: Plan, program: str, arguments: str) -> bytes:  # noqa: ARG002 - the contract
        """Raises `CannotHonour`."""
        raise inside.no_file(NAME)

    def _payload(self, plan: Plan, directory: tuple[str, str]) -> int:
        refused = _escaping(self._answers(inside.find(("proot",))))
        *found, program = inside.payload(plan, directory, refused=refused)
        return inside.memory_file([*found, inside.ALONE, program])

    def _around(self, plan: Plan, group: list[Record], watching: list[Record], call: tuple[tuple[str, ...], int]) -> Start:
        words, kept = call
        found: list[Record] = [("owner", str(plan.owner[0])), ("image", plan.image), *group, ("root-host", "launcher,parent")]
        found += [("env-prefix", ""), ("env", f"PROOT_TMP_DIR={_place(plan)}/{SHORT_LIVED}"), *watching, ("args", "refuse")]
        proot = inside.find(("proot",))
        found.append(("exec", proot, *words, inside.PROGRAM, f"--fd={kept}"))
        return inside.started(self.settings, found, kept)


def _escaping(found: dict[str, str]) -> tuple[str, ...]:
    """The calls that go past it."""
    return tuple(name for name, answer in found.items() if answer == "escapes" and name != "root")


def _place(plan: Plan) -> str:
    """Where what a start needs on disk lies: beside the private copy. Raises `CannotHonour` for a tree that others share."""
    if not isinstance(plan.root, root.Copy):
        raise CannotHonour(f"the engine {NAME} needs a private copy of the image, since it cannot keep a shared one unchanged")
    return os.path.join(os.path.dirname(plan.root.path), NAME)


def _empty(place: str) -> None:
    """A new directory there, without what an earlier start left."""
    from sampan.container import shelf

    try:
        if os.path.lexists(place):
            shelf.discard(place)
        os.makedirs(f"{place}/{SHORT_LIVED}", 0o700)
    except OSError as error:
        raise HostError(f"cannot use {place}: {error.strerror}", "look at the space that is left") from error


def _view(plan: Plan, place: str, settings: Settings) -> tuple[tuple[str, ...], tuple[str, str]]:
    """PRoot's words for root, binds and identity, and the payload's directory with what to do without it.

    Raises `CannotHonour`, `HostError`.
    """
    binds: list[tuple[str, str]] = []
    for number, mount in enumerate(plan.mounts):
        source = _source(mount, f"{place}/{number}")
        if source:
            binds.append((source, mount.target))
    found, shown = inside.directory_of(plan, binds)
    binds += [(shown, shown)] if shown else []
    for _, target in binds:
        _refuse_loop(plan, target, binds)
    words: list[str] = [*QUIET, "-r", plan.root.path]  # type: ignore[union-attr] # _place has seen that it is a copy
    for source, target in (*binds, (program_path(inside.LAUNCHER, settings), inside.PROGRAM)):
        if ":" in source or ":" in target:
            raise CannotHonour(f"the engine {NAME} cannot bind {source} at {target}: a colon is in the name")
        words += ["-b", f"{source}:{target}"]
    if plan.binfmt is not None:
        words += ["-q", plan.binfmt.interpreter]
    identity = plan.identity
    if identity.uid == 0 and plan.owner[0] != 0:
        words.append("-0")
    elif (identity.uid, identity.gid) != plan.owner:
        words += ["-i", f"{identity.uid}:{identity.gid}"]
    return (*words, "-w", "/"), found


def _refuse_loop(plan: Plan, target: str, binds: list[tuple[str, str]]) -> None:
    """Raises `HostError` for a target that is a link without end, of which PRoot would say nothing."""
    under = max(
        (bind for bind in binds if bind[1] != target and covers(bind[1], target)), key=lambda bind: len(bind[1]), default=None
    )
    path = f"{under[0]}{target[len(under[1].rstrip('/')) :]}" if under is not None else f"{root.places(plan.root)[0]}{target}"
    try:
        os.stat(path)
    except OSError as error:
        if error.errno == ELOOP:
            raise HostError(f"cannot bind anything at {target}: {error.strerror}", "choose another target") from error


def _source(mount: object, own: str) -> str:
    """The file or directory of this machine that is shown; empty for one that is optional and missing."""
    if isinstance(mount, Bind):
        if not os.path.exists(mount.source):
            if "optional" in mount.flags:
                return ""
            raise HostError(f"{mount.source} does not exist, and was to be visible at {mount.target}", "make it, or leave it out")
        if "ro" in mount.flags and "optional" not in mount.flags:
            raise CannotHonour(f"the engine {NAME} cannot show {mount.source} read-only", "`sampan doctor` says which engine can")
        return mount.source
    try:
        if isinstance(mount, Tmpfs):
            os.makedirs(own, exist_ok=True)
            os.chmod(own, mount.mode)
            return own
        if isinstance(mount, File):
            if not os.path.exists(own):
                with open(own, "wb") as stream:
                    stream.write(mount.content)
                os.chmod(own, mount.mode)
            return own
    except OSError as error:
        raise HostError(f"cannot write {own}: {error.strerror}", "look at the space that is left") from error
    raise CannotHonour(f"the engine {NAME} cannot mount file systems of the kernel", "`sampan doctor` says which engine can")
