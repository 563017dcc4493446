"""`wrap`: an executable launch file that holds its image by a pin."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.container.record import Record
from sampan.engine.programs import program as program_path
from sampan.errors import HostError, UsageError
from sampan.runtime import start
from sampan.runtime.run import check_is_stored, image_for, now
from sampan.store import pins, programs

if TYPE_CHECKING:
    from sampan.container.request import Request
    from sampan.engine.base import Engine
    from sampan.runtime.session import Session

ST_NOEXEC = 8  # statvfs(3), linux/statfs.h


def wrap(request: Request, path: str, session: Session, *, when: str = "missing", replace: bool = False) -> str:
    """Write an executable launch file; its absolute path.

    It names the launcher's copy in the store, so it works on after an upgrade of sampan. Raises `UsageError` if the file is
    there and not to be replaced, and what a pull and a plan raise; then nothing is left.
    """
    if request.subids:
        raise UsageError(
            "--subids needs a private copy, which a launch file has not", "make a container with `sampan create --subids`"
        )
    path = os.path.abspath(path)
    if not replace and os.path.lexists(path):
        raise UsageError(f"{path} is there already", "choose another file, or replace it with --force")
    if not os.path.isdir(os.path.dirname(path)):
        raise UsageError(f"the directory {os.path.dirname(path)} does not exist")
    image = image_for(request, session, when)
    check_is_stored(image)
    pin = pins.add(session.store, image.chain, path, image.reference, now())
    try:
        plan, engine = start.decide(Record(pin.id, image, request), session, dry=True)
        for warning in plan.warnings:
            session.notice.warn(warning)
        # Arguments of the caller take the place of the image's CMD, and follow a command that was named.
        program = _program(engine, session)
        _write(path, engine.launch_file(plan, program, "replace" if plan.default_arguments else "append"))
    except BaseException:
        pins.remove(session.store, pin.id)
        raise
    return path


def _program(engine: Engine, session: Session) -> str:
    """The store's copy of the engine's program. Raises `HostError` where it could not be executed."""
    program = programs.install(session.store, program_path(engine.program, session.settings), engine.program)
    if os.statvfs(os.path.dirname(program)).f_flag & ST_NOEXEC:
        raise HostError(
            f"the store {session.store.path} is mounted noexec, so a launch file cannot name a program in it",
            "set SAMPAN_HOME to a directory on another file system",
        )
    return program


def _write(path: str, data: bytes) -> None:
    temporary = f"{path}.{os.urandom(6).hex()}"
    try:
        with open(temporary, "xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
            os.fchmod(stream.fileno(), 0o755 & ~_umask())
        os.rename(temporary, path)
    except OSError as error:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise HostError(f"cannot write {path}: {error.strerror}") from error


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
