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
from sampan.options.table import Argument, Command, Option, Parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Callable

    from sampan.cli.context import Context
    from sampan.events import Notice
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
    goes wrong afterwards. `bare` is the verb of an empty command line (empty: the help).

    `more`: modules with what is seldom met, imported for a word that is nowhere else: `MORE` (words of a verb -> further options, those
    of the first module count), `OPTIONS` (before the verb), and `ALIASES` and `REFUSED` (of the first that has them, in the place of
    `aliases` and `refused`).
    """

    __slots__ = (
        "bare", "failure", "failures", "misuse", "more", "name", "options", "other_words", "prepare", "unknown", "verbs", "version",
    )  # fmt: skip

    def __init__(
        self, name: str, version: str, options: tuple[Option, ...], verbs: dict[str, str], **rest: object
    ) -> None:  # fmt: skip
        self.name = name
        self.version = version  # the line of `--version`
        self.options = options
        self.verbs = verbs
        self.other_words: dict[str, str] = rest.get("aliases", {})  # type: ignore[assignment]
        self.unknown: dict[str, str] = rest.get("refused", {})  # type: ignore[assignment]
        self.misuse: int = rest.get("misuse", EXIT_FAILURE)  # type: ignore[assignment]
        self.failure: int = rest.get("failure", 1)  # type: ignore[assignment]
        self.failures: dict[str, int] = rest.get("failures", {})  # type: ignore[assignment]
        self.prepare: Callable[[Call], None] | None = rest.get("prepare")  # type: ignore[assignment]
        self.more: tuple[str, ...] = rest.get("more", ())  # type: ignore[assignment]
        self.bare = str(rest.get("bare", ""))

    def status(self, verb: str) -> int:
        """The exit status of a failure in a verb."""
        return self.failures.get(verb, self.failure)

    @property
    def aliases(self) -> dict[str, str]:
        """Other words for verbs."""
        return self.other_words or self._first("ALIASES")

    @property
    def refused(self) -> dict[str, str]:
        """Verbs that there are not, with why."""
        return self.unknown or self._first("REFUSED")

    def _first(self, table: str) -> dict[str, str]:
        return next((getattr(module, table) for module in self.seldom() if hasattr(module, table)), {})

    def seldom(self) -> list[ModuleType]:
        """The modules of `more`."""
        return [__import__(name, fromlist=["MORE"]) for name in self.more]


def serve(program: Program, words: list[str], context: Context) -> int:
    """One command line; the exit status. Errors of sampan are said here, in the program's words."""
    verb, status = "", program.misuse
    try:
        options, words = _leading(program, words, context.notice)
        if options.values.get("version"):
            return _say(f"{program.version}\n")
        if not words and not program.bare:
            return _help(program)
        status = program.failure
        verb, rest = find(program, words or [program.bare])
        status = program.misuse
        command, main = _load(program, verb)
        parsed = _read(command, rest, lambda: table_of(program, verb).options, context.notice)
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


def _read(command: Command, words: list[str], whole: Callable[[], tuple[Option, ...]], notice: Notice) -> Parsed:
    """The words by a table, and by the whole one for a word that is not in it. Raises `UsageError`, `HelpRequested`."""
    options = list(command.options)

    def more() -> list[Option]:
        options[:] = whole()
        return options

    parsed = parse(command, words, more)
    given = [option for option in options if option.name in parsed.given and type(option) is not Option] if parsed.given else []
    if given:
        from sampan.options.unserved import judge

        judge(given, parsed, notice)
    return parsed


def _leading(program: Program, words: list[str], notice: Notice) -> tuple[Parsed, list[str]]:
    """The options before the verb, and the words from the verb on. Raises `UsageError`, `HelpRequested`."""
    if words and words[0] == "help":
        raise HelpRequested

    table = Command("", "", program.options, (Argument("WORDS", "*", ""),), options_end=True)
    options = _read(table, words, lambda: leading_options(program), notice)
    return options, list(options.texts("words"))


def leading_options(program: Program) -> tuple[Option, ...]:
    """All options before the verb."""
    return (*program.options, *(option for module in program.seldom() for option in getattr(module, "OPTIONS", ())))


def find(program: Program, words: list[str]) -> tuple[str, list[str]]:
    """The verb that `words` begin with, and what follows it. Raises `UsageError`."""
    if words[0] in program.verbs:
        return words[0], words[1:]
    pair = " ".join(words[:2])
    if pair in program.verbs:
        return pair, words[2:]
    aliases, refused = program.aliases, program.refused
    ways = ((pair, words[2:]), (words[0], words[1:]))
    for written, rest in ways:
        if written in aliases:
            return aliases[written], rest
    for written, _ in ways:
        if written in refused:
            raise UsageError(f"`{program.name} {written}` is not possible: {refused[written]}")
    own = {verb.partition(" ")[2] for verb in (*program.verbs, *aliases) if verb.startswith(f"{words[0]} ")}
    if own:
        if len(words) == 1 or words[1] in ("-h", "--help"):
            raise UsageError(f"`{program.name} {words[0]}` needs a verb: {', '.join(sorted(own))}")
        near = nearest(words[1], own)
        hint = f"did you mean `{program.name} {words[0]} {near}`?" if near else f"it has {', '.join(sorted(own))}"
        raise UsageError(f"`{program.name} {words[0]}` has no verb {words[1]!r}", hint)
    near = nearest(words[0], (*program.verbs, *aliases))
    hint = f"did you mean `{program.name} {near}`?" if near else f"see `{program.name} --help`"
    raise UsageError(f"{words[0]!r} is not a {program.name} command", hint)


def table_of(program: Program, verb: str) -> Command:
    """The whole table of a verb, with what is seldom met."""
    command, _ = _load(program, verb)
    options = list(command.options)
    taken = {spelling for option in options for spelling in option.spellings}
    for module in program.seldom():
        for option in getattr(module, "MORE", {}).get(verb, ()):
            if taken.isdisjoint(option.spellings):
                options.append(option)
                taken.update(option.spellings)
    ends = command.options_end
    return Command(
        command.words, command.summary, tuple(options), command.arguments, description=command.description, options_end=ends
    )


def _load(program: Program, verb: str) -> tuple[Command, Main]:
    """A verb as this program has it, else as all that share its module."""
    verbs: Verbs = __import__(program.verbs[verb], fromlist=["VERBS"]).VERBS
    return verbs.get(f"{program.name} {verb}") or verbs[verb]


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
        return _say(help.render(table_of(program, verb), program.name))
    rows = [(words, _load(program, words)[0].summary) for words in program.verbs]
    return _say(
        help.program(program.name, rows, [(help.spelled(option), help.explained(option)) for option in leading_options(program)])
    )
