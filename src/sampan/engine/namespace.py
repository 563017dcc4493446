"""The engine of user and mount namespaces: sampan-run and the kernel, nothing in between. On the start-up path.

What works is found by behaviour: `sampan-run --probe` tries namespaces and the overlay, and its answer is remembered
for this boot, kernel, program and file system in the node's runtime directory.
"""

from __future__ import annotations

import os

from sampan.container.asks import Can
from sampan.engine import launchfile
from sampan.engine.base import Engine, Probe, Start
from sampan.engine.encoding import encode, header
from sampan.engine.programs import program as program_path
from sampan.host import kernel
from sampan.host.runtime_directory import runtime_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.plan import Plan
    from sampan.engine.base import Work

NAME = "namespace"
ALWAYS = frozenset((
    "shared-root", "read-only-root", "private-copy", "binds", "read-only-binds", "tmpfs", "other-user", "root-user",
    "own-network", "own-hostname", "own-ipc", "own-pid", "small-dev",
))  # fmt: skip
OVERLAY = ("overlay", "whiteout", "opaque")


class Namespace(Engine):
    """Own launcher: user and mount namespaces, overlayfs or a read-only bind."""

    name = NAME
    words = "user namespaces and overlayfs, by sampan's own launcher"

    def probe(self, place: str | None) -> Probe:
        """What sampan-run can do here; `place` is where kept changes would lie."""
        program = program_path("sampan-run", self.settings)
        answers = self._answers(program, "memory")
        broken = [f"{name}: {answer}" for name, answer in answers.items() if name.endswith("-namespace") and answer != "ok"]
        if broken:
            known = kernel.namespace_obstacles()
            return Probe(
                None, tuple(known) or ((", ".join(broken), "ask the administrator whether user namespaces can be allowed"),)
            )
        features = set(ALWAYS)
        notes = []
        if answers.get("binfmt") == "ok":
            features.add("foreign-programs")
        tried = [("memory-overlay", answers, "in memory")]
        if place is not None:
            tried.append(("kept-overlay", self._answers(program, place), f"in {place}"))
        for feature, found, where in tried:
            wrong = [f"{name}: {found.get(name, 'not tried')}" for name in OVERLAY if found.get(name) != "ok"]
            if wrong:
                notes.append(f"no overlay with changes {where} ({', '.join(wrong)})")
            else:
                features.add(feature)
        return Probe(Can(NAME, frozenset(features)), (), tuple(notes))

    def _answers(self, program: str, place: str) -> dict[str, str]:
        """`sampan-run --probe PLACE`, remembered."""
        memory = self._memory_of(program, place)
        try:
            with open(memory, encoding="utf-8") as stream:
                text = stream.read()
        except OSError:
            text = _ask(program, place)
            _remember(memory, text)
        pairs = (line.partition(" ") for line in text.splitlines())
        return {name: answer for name, _, answer in pairs}

    def _memory_of(self, program: str, place: str) -> str:
        stamp = os.stat(program)
        where = "memory" if place == "memory" else f"{os.stat(place).st_dev:x}"
        name = f"probe.{kernel.boot_id()}.{os.uname().release}.{stamp.st_size:x}.{stamp.st_mtime_ns:x}.{where}"
        return os.path.join(runtime_directory(self.settings.text("runtime_dir")), name)

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
        program = program_path("sampan-run", self.settings)
        data = encode(records, header(None))
        descriptor = os.memfd_create("sampan-launch")
        os.write(descriptor, data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return Start(program, ("sampan-run", f"--fd={descriptor}"), (descriptor,))


def _ask(program: str, place: str) -> str:
    import subprocess

    done = subprocess.run([program, "--probe", place], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60, check=False)
    return done.stdout.decode("utf-8", "replace")


def _remember(path: str, text: str) -> None:
    """Kept by rename; without a place to keep it, it is asked again."""
    temporary = f"{path}.{os.getpid()}"
    try:
        with open(temporary, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.rename(temporary, path)
    except OSError:
        pass


def launch_file(plan: Plan, program: str, arguments: str) -> bytes:
    """The bytes of an executable launch file for `sampan wrap`."""
    return encode(launchfile.records(plan, arguments), header(program))
