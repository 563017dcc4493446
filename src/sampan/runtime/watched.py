"""A payload with its watcher beside it, for who stays and sees it to its end: how a job is started.

It has processes of its own where the kernel gives them, and everything of it ends with the thread that started it. Nothing of
the caller is inherited but the environment: its input and outputs are files.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sampan.container.asks import Ask, asks_of
from sampan.container.edits import Edits
from sampan.container.plan import plan
from sampan.container.record import Record
from sampan.container.stay import Way
from sampan.engine.choose import choose
from sampan.errors import CannotHonour, HostError
from sampan.host import processes
from sampan.runtime import gather
from sampan.runtime.images import config_of, find
from sampan.runtime.run import new_id, now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.container.asks import Can
    from sampan.container.facts import Facts
    from sampan.container.mounts import Bind
    from sampan.container.plan import Plan
    from sampan.container.record import ContainerImage
    from sampan.container.request import Request
    from sampan.engine.base import Engine
    from sampan.oci.config import ImageConfig
    from sampan.runtime.session import Session

MEMORY_SECONDS = 2.0
# Requests with one of these need facts of their own; so do those with a uts namespace.
SPECIAL = ("memory", "cpus", "environment_files", "mounts", "root", "user", "subids", "hostname", "add_hosts", "network")
# What Python ignores, and nobody else should.
IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)


@dataclass(frozen=True)
class Decided:
    """What is going to be started, by which engine."""

    plan: Plan
    engine: Engine
    record: Record

    @property
    def alone(self) -> bool:
        """Whether its processes have a pid namespace of their own, so that none can be left."""
        return "pid" in self.plan.namespaces


class Starter:
    """Decides the starts of one process, also of several threads: what is the same from one to the next is asked once in a while."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._chosen: dict[tuple[object, ...], tuple[float, tuple[Engine, Can]]] = {}
        self._configs: dict[str, ImageConfig] = {}
        self._facts: dict[str, tuple[float, Facts]] = {}
        self._images: dict[tuple[str, str | None], tuple[float, ContainerImage]] = {}

    def find(self, reference: str, platform: str | None) -> ContainerImage | None:
        """The image of a reference in a store, as `images.find` has it."""
        key = (reference, platform)
        when, known = self._images.get(key, (0.0, None))
        if known is None or time.monotonic() > when + MEMORY_SECONDS:
            known = find(reference, self._session, platform)
            if known is not None:
                self._images[key] = (time.monotonic(), known)
        return known

    def decide(self, request: Request, image: ContainerImage, records: str, binds: tuple[Bind, ...]) -> Decided:
        """The plan of a request with `binds` besides; the watcher writes into the directory `records`.

        Raises what a start raises.
        """
        edits = Edits(mounts=binds, asks=(Ask("binds", "the files of the job", must=True),))
        wishes = [request] if request.pid is not None else [request.but(pid="private"), request]
        for wish in wishes:
            record = Record(new_id(), image, wish, created=now())
            try:
                engine, can = self._choose((*asks_of(record), *edits.asks), wish)
                found = plan(record, self._config(image), edits, self._gather(record), can, Way(records=records))
            except CannotHonour:
                if wish is wishes[-1]:
                    raise
                continue
            return Decided(found, engine, record.but(directory=records))
        raise AssertionError("one wish is always tried")

    def _choose(self, asks: tuple[Ask, ...], request: Request) -> tuple[Engine, Can]:
        name = request.engine or self._session.settings.text("engine")
        key = (name, frozenset(ask.feature for ask in asks if ask.must))
        when, known = self._chosen.get(key, (0.0, None))
        if known is None or time.monotonic() > when + MEMORY_SECONDS:
            known = choose(asks, name, self._session.settings, None)
            self._chosen[key] = (time.monotonic(), known)
        return known

    def _config(self, image: ContainerImage) -> ImageConfig:
        if image.config not in self._configs:
            self._configs[image.config] = config_of(image, self._session)
        return self._configs[image.config]

    def _gather(self, record: Record) -> Facts:
        """Facts of this node and image for a request that asks for nothing special are those of the last one."""
        request = record.request
        if request.uts == "private" or any(getattr(request, name) for name in SPECIAL):
            return gather.facts(record, self._session)
        when, known = self._facts.get(record.image.tree, (0.0, None))
        if known is None or time.monotonic() > when + MEMORY_SECONDS:
            known = gather.facts(record, self._session)
            self._facts[record.image.tree] = (time.monotonic(), known)
        return known


def spawn(decided: Decided, streams: tuple[int, int, int], environment: Mapping[bytes, bytes]) -> int:
    """Start it with these descriptors as stdin, stdout and stderr; the watcher's pid. Raises `HostError`.

    Its descriptors are made inheritable in the child alone: other threads start programs as well.
    """
    command = decided.engine.command(decided.plan)
    # Ours stand high, out of the way of 0, 1 and 2; a descriptor duplicated onto itself would keep its close-on-exec mark in old C libraries.
    spare = max((*command.descriptors, *streams)) + 1
    actions: list[tuple[int, ...]] = [(os.POSIX_SPAWN_DUP2, own, number) for number, own in enumerate(streams)]
    for descriptor in command.descriptors:
        actions += [(os.POSIX_SPAWN_DUP2, descriptor, spare), (os.POSIX_SPAWN_DUP2, spare, descriptor)]
    if command.descriptors:
        actions.append((os.POSIX_SPAWN_CLOSE, spare))
    try:
        return os.posix_spawn(command.program, command.argv, environment, file_actions=actions, setsigdef=IGNORED, setsigmask=())
    except OSError as error:
        raise HostError(
            f"cannot execute {command.program}: {error.strerror}",
            "if its file system is mounted noexec, set SAMPAN_PROGRAMS to a copy elsewhere",
        ) from error
    finally:
        for descriptor in command.descriptors:
            os.close(descriptor)


def left_behind(decided: Decided) -> list[int]:
    """The pids of what a payload without processes of its own has left running."""
    if decided.alone or decided.engine.namespaces:
        return []
    return [pid for pid in processes.own_pids() if processes.intercepted(pid) == decided.plan.label]
