"""The command line's first steps: find the command's module, run it, print an error as a person should see it.

The table below is all that `sampan --help` needs; a command's module is imported only when it is called.
On the start-up path.
"""

from __future__ import annotations

import sys

from sampan.errors import EXIT_FAILURE, SampanError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, NoReturn

    from sampan.cli.context import Context
    from sampan.options.table import Command, Parsed

    Main = Callable[[Parsed, Context], int]

# group -> command -> (module, what it does)
GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "images": {
        "pull": ("sampan.cli.pull", "fetch images from their registries and unpack them"),
        "push": ("sampan.cli.push", "send an image to a registry"),
        "images": ("sampan.cli.images", "list the images in the store"),
        "inspect": ("sampan.cli.inspect", "show what an image or a container is"),
        "history": ("sampan.cli.history", "show the steps that made an image"),
        "verify": ("sampan.cli.verify", "read an image again and compare it with its digests"),
        "tag": ("sampan.cli.tag", "give an image of the store another name"),
        "rmi": ("sampan.cli.rmi", "remove images"),
        "load": ("sampan.cli.load", "load images from an archive or a layout"),
        "save": ("sampan.cli.save", "write images to an archive"),
        "import": ("sampan.cli.import_", "make an image of a root file system"),
        "export": ("sampan.cli.export", "write the root file system of an image"),
    },
    "registries": {
        "search": ("sampan.cli.search", "look for images at a registry"),
        "login": ("sampan.cli.login", "store a password for a registry, after asking it whether it is right"),
        "logout": ("sampan.cli.logout", "forget the password for a registry"),
    },
    "containers": {
        "run": ("sampan.cli.run", "run a program in an image"),
        "create": ("sampan.cli.create", "make a container that keeps its changes"),
        "start": ("sampan.cli.start", "run a container that was created"),
        "ps": ("sampan.cli.ps", "list containers"),
        "rm": ("sampan.cli.rm", "remove containers"),
        "wrap": ("sampan.cli.wrap", "make an executable file that runs a program in an image"),
    },
    "sampan itself": {
        "doctor": ("sampan.cli.doctor", "say what works on this machine, and why something does not"),
        "config": ("sampan.cli.config", "show the settings and where they come from"),
        "store": ("sampan.cli.store", "look after the store: du, gc, prune, fsck, pins, move, init, adopt"),
    },
}
LEVELS = {"-q": 0, "--quiet": 0, "--debug": 2}


def find(word: str) -> tuple[str, str] | None:
    """The module and summary of a command."""
    for commands in GROUPS.values():
        if word in commands:
            return commands[word]
    return None


def main(words: list[str] | None = None) -> int:
    """Run one command; the exit status."""
    words = sys.argv[1:] if words is None else words
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


def _command(words: list[str], level: int) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        return _help(words[1:])
    if words[0] == "--version":
        from sampan import __version__

        sys.stdout.write(f"sampan {__version__}\n")
        return 0
    found = find(words[0])
    if found is None:
        raise _unknown(words[0])
    from sampan.cli.context import Context
    from sampan.options.parse import HelpRequested, parse

    module = __import__(found[0], fromlist=["COMMAND"])
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


def _verb(noun: str, verbs: dict[str, tuple[Command, Main]], words: list[str]) -> tuple[Command, Main, list[str]]:
    """The verb of a noun: `store du`."""
    if words and words[0] in verbs:
        command, run = verbs[words[0]]
        return command, run, words[1:]
    from sampan.options.parse import nearest

    known = ", ".join(verbs)
    if not words or words[0] in ("-h", "--help"):
        raise UsageError(f"`sampan {noun}` needs a verb: {known}", f"see `sampan {noun} {next(iter(verbs))} --help`")
    near = nearest(words[0], verbs)
    raise UsageError(
        f"`sampan {noun}` has no verb {words[0]!r}", f"did you mean `sampan {noun} {near}`?" if near else f"it has {known}"
    )


def _help(words: list[str]) -> int:
    if words and find(words[0]):
        return main([words[0], "--help"])
    from sampan.terminal.help import overview
    from sampan.terminal.output import result

    result(overview([(title, [(name, entry[1]) for name, entry in commands.items()]) for title, commands in GROUPS.items()]))
    return 0


def _unknown(word: str) -> UsageError:
    from sampan.options.parse import nearest

    names = [name for commands in GROUPS.values() for name in commands]
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


def main_and_exit() -> None:
    """The entry of `sampan.pyz`."""
    sys.exit(main())


if __name__ == "__main__":
    sys.exit(main())
