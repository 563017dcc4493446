"""The command line's first steps: find the command's module, run it, print an error as a person should see it.

A command's module is imported only when it is called. On the start-up path.
"""

from __future__ import annotations

import sys

from sampan.cli import GROUPS, LEVELS, PROGRAMS, find
from sampan.errors import EXIT_FAILURE, SampanError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, NoReturn

    from sampan.cli.context import Context
    from sampan.options.table import Command, Parsed

    Main = Callable[[Parsed, Context], int]


def main(words: list[str] | None = None) -> int:
    """Run one command; the exit status."""
    words = _called() if words is None else words
    level = 1
    while words and words[0] in LEVELS:
        level = LEVELS[words[0]]
        words = words[1:]
    try:
        return _command(words, level)
    except SampanError as error:
        from sampan.terminal.output import say_error

        say_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        from sampan.terminal.output import talk

        talk("sampan: interrupted; what was complete is kept")
        return _leave(130)
    except BrokenPipeError:
        _ignore_output()
        return 141
    except Exception as error:
        if level > 1:
            raise
        return _say_unexpected(error)


def _called() -> list[str]:
    """The words of this process; with its own name in front where that is a compatible program's (a link to sampan named docker)."""
    name = sys.argv[0].rpartition("/")[2]
    return [name, *sys.argv[1:]] if name in PROGRAMS else sys.argv[1:]


def _command(words: list[str], level: int) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        return _help(words[1:])
    if words[0] == "--version":
        from sampan import __version__

        sys.stdout.write(f"sampan {__version__}\n")
        return 0
    from sampan.cli.context import Context

    found = find(words[0])
    if found is None:
        return _compatible(words, Context(level, words[0]))
    from sampan.options.parse import HelpRequested, parse

    module = __import__(found[0], fromlist=["COMMAND"])
    if hasattr(module, "VERBS") and words[1:2] and words[1] in ("-h", "--help"):
        return _help_of_noun(words[0], found[1], module.VERBS)
    command, run, rest = (
        _verb(words[0], module.VERBS, words[1:]) if hasattr(module, "VERBS") else (module.COMMAND, module.main, words[1:])
    )
    try:
        parsed = parse(command, rest)
    except HelpRequested:
        from sampan.terminal.help import render
        from sampan.terminal.output import result

        result(render(command))
        return 0
    context = Context(level)
    try:
        return int(run(parsed, context))
    finally:
        context.progress.stop()


def _compatible(words: list[str], context: Context) -> int:
    """A command line of docker, podman and the like."""
    if words[0] not in PROGRAMS:
        raise _unknown(words[0])
    from sampan.compat.program import serve

    program = __import__(PROGRAMS[words[0]][0], fromlist=["PROGRAM"]).PROGRAM
    try:
        return serve(program, words[1:], context)
    finally:
        context.progress.stop()


def _verb(noun: str, verbs: dict[str, tuple[Command, Main]], words: list[str]) -> tuple[Command, Main, list[str]]:
    """The verb of a noun: `store du`."""
    if words and words[0] in verbs:
        command, run = verbs[words[0]]
        return command, run, words[1:]
    from sampan.options.parse import nearest

    known = ", ".join(verbs)
    if not words:
        raise UsageError(f"`sampan {noun}` needs a verb: {known}", f"see `sampan {noun} --help`")
    near = nearest(words[0], verbs)
    raise UsageError(
        f"`sampan {noun}` has no verb {words[0]!r}", f"did you mean `sampan {noun} {near}`?" if near else f"it has {known}"
    )


def _help_of_noun(noun: str, summary: str, verbs: dict[str, tuple[Command, Main]]) -> int:
    from sampan.terminal.help import verbs as render
    from sampan.terminal.output import result

    # The summary of a noun names its verbs for the overview; here they follow one by one.
    result(render(noun, summary.partition(":")[0], [(name, command.summary) for name, (command, _) in verbs.items()]))
    return 0


def _help(words: list[str]) -> int:
    found = find(words[0]) if words else None
    if words and words[0] in PROGRAMS:
        return _command([words[0], "--help"], 1)
    if words and found is None and words[0] not in ("-h", "--help"):
        raise _unknown(words[0])
    if found is not None:
        noun = hasattr(__import__(found[0], fromlist=["COMMAND"]), "VERBS")
        return _command([*words[: 2 if noun else 1], "--help"], 1)
    from sampan.terminal.help import overview
    from sampan.terminal.output import result

    groups = [(title, [(name, entry[1]) for name, entry in commands.items()]) for title, commands in GROUPS.items()]
    result(overview([*groups, ("programs that others call", [(name, entry[1]) for name, entry in PROGRAMS.items()])]))
    return 0


def _unknown(word: str) -> UsageError:
    from sampan.cli import PROGRAMS
    from sampan.options.parse import nearest

    names = [*(name for commands in GROUPS.values() for name in commands), *PROGRAMS]
    what = "option" if word.startswith("-") else "command"
    near = nearest(word, [*names, *LEVELS, "--help", "--version"])
    return UsageError(f"there is no {what} {word!r}", f"did you mean `sampan {near}`?" if near else "see `sampan --help`")


def _say_unexpected(error: Exception) -> int:
    """Something that no error class foresees: an operating system's refusal, or a defect of sampan."""
    from sampan.errors import HostError
    from sampan.terminal.output import say_error

    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        say_error(HostError(f"the system refused: {error.strerror}{where}", "run again with `sampan --debug` for the details"))
    else:
        say_error(
            HostError(
                f"this is a defect of sampan: {type(error).__name__}: {error}",
                "please report it with the output of `sampan --debug`",
            )
        )
    return EXIT_FAILURE


def _leave(status: int) -> NoReturn:
    """End at once: a thread that waits for a server must not hold up who pressed Ctrl-C."""
    import os

    try:
        sys.stdout.flush()
    finally:
        os._exit(status)


def _ignore_output() -> None:
    """Nobody reads our output any more: keep the interpreter from complaining at its end."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main_and_exit() -> NoReturn:
    """The entry of the command: run it and end.

    The interpreter is not taken apart piece by piece, which takes 5 ms, and its collector, which would look through all modules
    again and again while they are imported, seldom finds anything in a process that is this short.
    """
    import gc
    import os

    gc.set_threshold(50_000, 20, 20)
    status = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        status = 141
    except OSError as error:
        status = _say_unexpected(error)
    os._exit(status)


if __name__ == "__main__":
    main_and_exit()
