"""What a compatible program is, and how a command line of it is served.

A `Program` is tables: its verbs with the modules that serve them, options before the verb, and the exit statuses of the original. A
verb's module has `VERBS`: words of the verb -> (`Command`, `main(call)`). One serves `docker` and `podman` alike, which are told apart by
`call.program`. An option that the original has and that means nothing here is an `Unserved` one (`options.unserved`).

Errors are said under the program's own name, and the ways on that they name are translated (`sampan pull x` -> `docker pull x`)
where the program has the verb. On the start-up path of these programs.
"""

from __future__ import annotations

from sampan.errors import EXIT_FAILURE, SampanError, UsageError
from sampan.options.parse import HelpRequested, nearest, parse
from sampan.options.table import Argument, Command, Parsed
from sampan.options.unserved import judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from sampan.cli.context import Context
    from sampan.options.table import Option
    from sampan.runtime.session import Session

    Main = Callable[["Call"], int]
    Verbs = dict[str, tuple[Command, Main]]


class Call:
    """One command line of a program: `options` are those before the verb, `parsed` those of the verb."""

    __slots__ = ("context", "options", "parsed", "program", "verb")

    def __init__(self, program: Program, verb: str, options: Parsed, parsed: Parsed, context: Context) -> None:
        self.program = program
        self.verb = verb
        self.options = options
        self.parsed = parsed
        self.context = context

    def session(self) -> Session:
        """What the flows are handed."""
        return self.context.session()


class Program:
    """A program that is imitated.

    `options` stand before the verb. `verbs`: words (one or two) -> module. `aliases`: other words -> words of `verbs`. `refused`: words
    -> why there is no such verb here. `prepare(call)` runs before each verb: it looks at `call.options` and the environment and may put
    another `call.context`. Exit statuses: `misuse` for a command line that cannot be read, `failures[verb]` or else `failure` for what
    goes wrong afterwards. `more`: a module whose `MORE` has further options of verbs that are shared with another program. `bare` is the verb of an empty command line (empty: the help).
    """

    __slots__ = (
        "aliases", "bare", "failure", "failures", "misuse", "more", "name", "options", "prepare", "refused", "verbs", "version",
    )  # fmt: skip

    def __init__(
        self, name: str, version: str, options: tuple[Option, ...], verbs: dict[str, str], *,
        aliases: dict[str, str], refused: dict[str, str], **rest: object,
    ) -> None:  # fmt: skip
        self.name = name
        self.version = version  # the line of `--version`
        self.options = options
        self.verbs = verbs
        self.aliases = aliases
        self.refused = refused
        self.misuse: int = rest.get("misuse", EXIT_FAILURE)  # type: ignore[assignment]
        self.failure: int = rest.get("failure", 1)  # type: ignore[assignment]
        self.failures: dict[str, int] = rest.get("failures", {})  # type: ignore[assignment]
        self.prepare: Callable[[Call], None] | None = rest.get("prepare")  # type: ignore[assignment]
        self.more = str(rest.get("more", ""))
        self.bare = str(rest.get("bare", ""))

    def status(self, verb: str) -> int:
        """The exit status of a failure in a verb."""
        return self.failures.get(verb, self.failure)


def serve(program: Program, words: list[str], context: Context) -> int:
    """One command line; the exit status. Errors of sampan are said here, in the program's words."""
    verb, status = "", program.misuse
    try:
        options, words = _leading(program, words)
        if options.values.get("version"):
            return _say(f"{program.version}\n")
        if not words and not program.bare:
            return _help(program)
        status = program.failure
        verb, rest = find(program, words or [program.bare])
        status = program.misuse
        command, main = _load(program, verb)
        parsed = parse(command, rest)
        judge(command, parsed, context.notice)
        status = program.status(verb)
        call = Call(program, verb, options, parsed, context)
        if program.prepare is not None:
            program.prepare(call)
        return int(main(call))
    except HelpRequested:
        return _help(program, verb)
    except SampanError as error:
        context.progress.stop()
        say_error(program, error)
        return status


def _leading(program: Program, words: list[str]) -> tuple[Parsed, list[str]]:
    """The options before the verb, and the words from the verb on. Raises `UsageError`, `HelpRequested`."""
    table = Command("", "", program.options, (Argument("WORDS", "*", ""),), options_end=True)
    if words and words[0] == "help":
        raise HelpRequested
    options = parse(table, words)
    return options, list(options.texts("words"))


def find(program: Program, words: list[str]) -> tuple[str, list[str]]:
    """The verb that `words` begin with, and what follows it. Raises `UsageError`."""
    pair = " ".join(words[:2])
    for written, rest in ((pair, words[2:]), (words[0], words[1:])):
        found = program.aliases.get(written, written)
        if found in program.verbs:
            return found, rest
        if found in program.refused:
            raise UsageError(f"`{program.name} {found}` is not possible: {program.refused[found]}")
    own = {verb.partition(" ")[2] for verb in (*program.verbs, *program.aliases) if verb.startswith(f"{words[0]} ")}
    if own:
        if len(words) == 1 or words[1] in ("-h", "--help"):
            raise UsageError(f"`{program.name} {words[0]}` needs a verb: {', '.join(sorted(own))}")
        near = nearest(words[1], own)
        hint = f"did you mean `{program.name} {words[0]} {near}`?" if near else f"it has {', '.join(sorted(own))}"
        raise UsageError(f"`{program.name} {words[0]}` has no verb {words[1]!r}", hint)
    near = nearest(words[0], (*program.verbs, *program.aliases))
    hint = f"did you mean `{program.name} {near}`?" if near else f"see `{program.name} --help`"
    raise UsageError(f"{words[0]!r} is not a {program.name} command", hint)


def _load(program: Program, verb: str) -> tuple[Command, Main]:
    verbs: Verbs = __import__(program.verbs[verb], fromlist=["VERBS"]).VERBS
    command, main = verbs[verb]
    more = __import__(program.more, fromlist=["MORE"]).MORE.get(verb, ()) if program.more else ()
    if more:
        options = (*command.options, *more)
        ends = command.options_end
        command = Command(
            command.words, command.summary, options, command.arguments, description=command.description, options_end=ends
        )
    return command, main


def say_error(program: Program, error: SampanError) -> None:
    """The sentence and the way on, in the program's words."""
    from sampan.terminal import output

    output.say_error(SampanError(translated(program, error.sentence), translated(program, error.hint or "")), program.name)


def translated(program: Program, text: str) -> str:
    """`sampan VERB` as `docker VERB`, where the program has this verb."""
    first, *others = text.split("sampan ")
    for part in others:
        word = part.split(" ", 1)[0].strip("`'\",.;:)")
        first += f"{program.name if word in program.verbs else 'sampan'} {part}"
    return first


def _say(text: str) -> int:
    from sampan.terminal.output import result

    result(text)
    return 0


def _help(program: Program, verb: str = "") -> int:
    from sampan.terminal import help

    if verb:
        return _say(help.render(_load(program, verb)[0], program.name))
    rows = [(words, _load(program, words)[0].summary) for words in program.verbs]
    return _say(help.program(program.name, rows, [(help.spelled(option), option.help) for option in program.options]))
