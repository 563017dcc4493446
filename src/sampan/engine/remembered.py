"""What a native program's `--probe` says of this host, asked once. On the start-up path.

An answer is a line, `NAME ok` or `NAME WORDS`. It is remembered in the node's runtime directory for this boot, kernel, program and
file system, and for what this process may do (its user namespace and the seccomp filters around it): with another of
them it is asked again.
"""

from __future__ import annotations

import os

from sampan.errors import HostError
from sampan.host import kernel
from sampan.host.runtime_directory import runtime_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.settings import Settings


def answers(
    program: str, words: tuple[str, ...], where: str, settings: Settings, command: tuple[str, ...] = ()
) -> dict[str, str]:
    """What `PROGRAM --probe WORDS...` says, or `command` if there is one; `where` names what the answer depends on besides.

    Raises `HostError` if it cannot be executed.
    """
    memory = _memory_of(program, where, settings)
    try:
        with open(memory, encoding="utf-8") as stream:
            text = stream.read()
    except OSError:
        text = _ask(command or (program, "--probe", *words))
        if text:  # else it could not be asked this time
            _remember(memory, text)
    pairs = (line.partition(" ") for line in text.splitlines())
    return {name: answer for name, _, answer in pairs}


def _memory_of(program: str, where: str, settings: Settings) -> str:
    stamp = os.stat(program)
    built = f"{stamp.st_size:x}.{stamp.st_mtime_ns:x}"
    name = f"probe.{kernel.boot_id()}.{os.uname().release}.{kernel.confinement()}.{built}.{where}"
    return os.path.join(runtime_directory(settings.text("runtime_dir")), name)


def _ask(command: tuple[str, ...]) -> str:
    import subprocess

    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=False
        )
    except OSError as error:
        raise HostError(
            f"cannot execute {command[0]}: {error.strerror}",
            "if its file system is mounted noexec, set SAMPAN_PROGRAMS to a copy elsewhere",
        ) from error
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
