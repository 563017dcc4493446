"""The engine of user and mount namespaces: sampan-run and the kernel, nothing in between. On the start-up path.

What works is found by behaviour: `sampan-run --probe` tries namespaces and the overlay.
"""

from __future__ import annotations

import os

from sampan.container.asks import Can
from sampan.engine import launchfile
from sampan.engine.base import Engine, Probe, Start
from sampan.engine.encoding import encode, header
from sampan.engine.programs import program as program_path
from sampan.engine.remembered import answers
from sampan.host import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.plan import Plan
    from sampan.engine.base import Work

NAME = "namespace"
ALWAYS = frozenset((
    "shared-root", "read-only-root", "private-copy", "binds", "read-only-binds", "tmpfs", "bounded-tmpfs", "other-user", "root-user", "several-users",
    "noted-owners", "shown-owners", "own-network", "own-hostname", "own-ipc", "small-dev", "landlock", "watcher", "health-checks", "limits",
))  # fmt: skip
NEEDED = ("user-namespace", "mount-namespace")
PID = ("pid-namespace", "proc")
OVERLAY = ("overlay", "whiteout", "opaque")


class Namespace(Engine):
    """Own launcher: user and mount namespaces, overlayfs or a read-only bind."""

    name = NAME
    words = "user namespaces and overlayfs, by sampan's own launcher"
    program = "sampan-run"

    def probe(self, place: str | None) -> Probe:
        """What sampan-run can do here; `place` is where kept changes would lie."""
        program = program_path(self.program, self.settings)
        found = self._answers(program, "memory")
        broken = [f"{name}: {found.get(name)}" for name in NEEDED if found.get(name) != "ok"]
        if broken:
            known = kernel.namespace_obstacles()
            return Probe(
                None, tuple(known) or ((", ".join(broken), "ask the administrator whether user namespaces can be allowed"),)
            )
        features = set(ALWAYS)
        notes = []
        if found.get("pid-namespace") == "ok" and found.get("proc") == "ok":
            features.add("own-pid")
        else:
            notes.append(f"no processes of its own ({', '.join(f'{name}: {found.get(name)}' for name in PID)})")
        if found.get("binfmt") == "ok":
            features.add("foreign-programs")
        tried = [("memory-overlay", found, "in memory")]
        if place is not None:
            tried.append(("kept-overlay", self._answers(program, place), f"in {place}"))
        for feature, said, where in tried:
            wrong = [f"{name}: {said.get(name, 'not tried')}" for name in OVERLAY if said.get(name) != "ok"]
            if wrong:
                notes.append(f"no overlay with changes {where} ({', '.join(wrong)})")
            else:
                features.add(feature)
        return Probe(Can(NAME, frozenset(features)), (), tuple(notes))

    def _answers(self, program: str, place: str) -> dict[str, str]:
        """`sampan-run --probe PLACE`."""
        where = "memory" if place == "memory" else f"{os.stat(place).st_dev:x}"
        return answers(program, (place,), where, self.settings)

    def command(self, plan: Plan) -> Start:
        """sampan-run with the plan in a memfd: no file is written, and it is gone with the start."""
        return self._start(launchfile.records(plan))

    def join(self, plan: Plan, process: tuple[int, int, tuple[str, ...]], directory: str, *, detach: bool) -> Start:
        """sampan-run in the namespaces of the running container."""
        return self._start(launchfile.joining(plan, process, directory, detach=detach))

    def outside(self, work: Work) -> Start:
        """sampan-run in namespaces of its own."""
        return self._start(launchfile.outside(work))

    def _start(self, records: list[launchfile.Record]) -> Start:
        program = program_path(self.program, self.settings)
        data = encode(records, header(None))
        descriptor = os.memfd_create("sampan-launch")
        os.write(descriptor, data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return Start(program, (self.program, f"--fd={descriptor}"), (descriptor,))

    def launch_file(self, plan: Plan, program: str, arguments: str) -> bytes:
        """An executable launch file for `sampan wrap`."""
        return encode(launchfile.records(plan, arguments), header(program))
