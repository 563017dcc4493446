"""`udocker rm`, `name`, `rmname`, `rename`, `protect`, `unprotect` and `setup`: what changes a container, but for its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.compat.program import say_error
from sampan.compat.udocker import find, protection, repository
from sampan.compat.udocker.run import DEFAULT_MODE
from sampan.container import modes, shelf
from sampan.container.asks import asks_of
from sampan.engine.choose import choose
from sampan.errors import CannotHonour, ContainerNotFound, NoEngine, SampanError, UsageError
from sampan.options.table import FLAG, VALUE, Argument, Command, Option
from sampan.options.unserved import REFUSED, SILENT, Unserved
from sampan.runtime import containers, life
from sampan.terminal.output import result

if TYPE_CHECKING:
    from sampan.compat.program import Call, Verbs
    from sampan.container.record import Record
    from sampan.runtime.session import Session


def remove(call: Call) -> int:
    """What cannot be removed is said, the rest goes."""
    session, status = call.session(), 0
    for text in call.parsed.texts("container"):
        try:
            _remove(text, call, session)
        except SampanError as error:
            say_error(call.program, error)
            status = 1
    return status


def _remove(text: str, call: Call, session: Session) -> None:
    try:
        record = find(text, session)
    except ContainerNotFound:
        foreign = repository.foreign_container(text, call, session)
        if foreign is None:
            raise
        raise UsageError(
            f"{text} is a container of udocker's own, and sampan leaves its files as they are", f"rm -r {foreign.root}/.."
        ) from None
    _refuse_protected(record)
    containers.remove(record.id, session, force=call.parsed.flag("f"))


def _refuse_protected(record: Record) -> None:
    if record.protected:
        raise UsageError(f"the container {record.shown} is protected", f"udocker unprotect {record.shown}")


def name(call: Call) -> int:
    """Nothing is printed."""
    session, text = call.session(), str(call.parsed.values["name"])
    record = repository.container(str(call.parsed.values["container"]), call, session)
    shelf.check_name(text)
    if record.name and record.name != text:
        session.notice.warn(f"a container has one name here: {record.name} is {text} now")
    life.rename(record, text, session)
    return 0


def forget_name(call: Call) -> int:
    """The container stays, and is reached by its id."""
    session, text = call.session(), str(call.parsed.values["name"])
    record = repository.container(text, call, session)
    if record.name != text:
        raise UsageError(f"{text} is no name of a container", "see `udocker ps`")
    shelf.rename(session.store, record, "")
    return 0


def rename(call: Call) -> int:
    """Nothing is printed."""
    session = call.session()
    record = repository.container(str(call.parsed.values["name"]), call, session)
    life.rename(record, str(call.parsed.values["new_name"]), session)
    return 0


def protect(call: Call) -> int:
    """A container, else an image."""
    return _protection(call, wanted=True)


def unprotect(call: Call) -> int:
    """The same."""
    return _protection(call, wanted=False)


def _protection(call: Call, *, wanted: bool) -> int:
    session, text = call.session(), str(call.parsed.values["thing"])
    try:
        record = repository.container(text, call, session)
    except ContainerNotFound:
        repository.named_image(text, call, session)
        (protection.protect if wanted else protection.unprotect)(session.store, text)
        return 0
    shelf.write_again(session.store, record.but(protected="yes" if wanted else ""))
    return 0


def setup(call: Call) -> int:
    """Without an option, how the container is run."""
    parsed, session = call.parsed, call.session()
    record = repository.container(str(parsed.values["container"]), call, session)
    wanted = parsed.text("execmode")
    if wanted is None:
        if not parsed.given:
            result(f"execmode: {record.mode or DEFAULT_MODE}\nnvidiamode: False\n")
        return 0
    _refuse_protected(record)
    mode = modes.check(wanted)
    try:
        _, can = choose(asks_of(record.but(keep="copy")), modes.engines(mode), session.settings, record.directory)
    except (NoEngine, CannotHonour) as error:
        raise error.about(f"the execution mode {mode} is not possible here") from error
    if record.keep == "overlay" and "kept-overlay" not in can.features:
        session.notice.say(f"{mode} needs a copy of the files, which is made now")
        record = containers.flatten(record, session)
    shelf.write_again(session.store, record.but(mode=mode))
    return 0


_CONTAINER = Argument("CONTAINER", "1", "a name or an id")
_THING = (Argument("THING", "1", "a container, or an image"),)
VERBS: Verbs = {
    "rm": (
        Command("rm", "remove containers", (Option("-f", FLAG, "one that runs is ended first"),), (Argument("CONTAINER", "+", "names or ids"),)),
        remove,
    ),
    "name": (Command("name", "give a container a name", (), (_CONTAINER, Argument("NAME", "1", "its name"))), name),
    "rmname": (Command("rmname", "take a container's name away", (), (Argument("NAME", "1", "the name"),)), forget_name),
    "rename": (
        Command("rename", "give a container another name", (), (Argument("NAME", "1", "its name"), Argument("NEW_NAME", "1", "its new name"))),
        rename,
    ),
    "protect": (Command("protect", "refuse the removal of a container or an image", (), _THING), protect),
    "unprotect": (Command("unprotect", "allow it again", (), _THING), unprotect),
    "setup": (
        Command(
            "setup", "choose how a container is run",
            (
                Option("--execmode", VALUE, "one of udocker's execution modes", "P1|P2|F1|F2|F3|F4|R1|R2|R3|S1"),
                Unserved("--nvidia", FLAG, REFUSED, "no libraries of the host are copied; show them with --volume"),
                Unserved("--force", FLAG, SILENT, ""), Unserved("--purge", FLAG, SILENT, "nothing is left in a container's files"),
                Unserved("--fixperm", FLAG, SILENT, "every file is yours"),
            ),
            (_CONTAINER,),
        ),
        setup,
    ),
}  # fmt: skip
