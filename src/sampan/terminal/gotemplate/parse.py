"""The second step of a template: its words as a tree.

Go's grammar (text/template): an action is a pipeline or a keyword (`if`, `range`, `with`, `else`, `end`, `break`, `continue`, `define`,
`template`, `block`). A pipeline is commands joined by `|`; a command is operands; the first may be a function.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Union

from sampan.terminal.gotemplate import lex
from sampan.terminal.gotemplate.lex import Action, Word, wrong

MAX_DEPTH = 60  # of parentheses and of blocks in blocks
KEYWORDS = ("if", "range", "with", "else", "end", "break", "continue", "define", "template", "block")


@dataclass(frozen=True)
class Constant:
    """A literal: text, number, truth or `nil` (`None`)."""

    value: object
    place: int


@dataclass(frozen=True)
class Path:
    """`.A.B`, `$x.A`, `(...).A`: fields of the dot, of a variable or of a pipeline in parentheses; `base` is `.`, a variable or a pipeline."""

    base: str | Pipeline
    fields: tuple[str, ...]
    place: int


@dataclass(frozen=True)
class Function:
    """The name of a function."""

    name: str
    place: int


Operand = Union[Constant, Path, Function]


@dataclass(frozen=True)
class Pipeline:
    """Commands, each gets the value of the one before as its last argument; `variables` take the result (`is_new`: declared here)."""

    commands: tuple[tuple[Operand, ...], ...]
    variables: tuple[str, ...]
    is_new: bool
    place: int


@dataclass(frozen=True)
class Text:
    """What stands outside of actions."""

    text: str


@dataclass(frozen=True)
class Print:
    """The value of a pipeline is written, unless it goes into a variable."""

    pipeline: Pipeline
    source: str


@dataclass(frozen=True)
class Branch:
    """`if`, `with` or `range`."""

    word: str
    pipeline: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]
    source: str


@dataclass(frozen=True)
class Leave:
    """`break` or `continue`."""

    word: str


@dataclass(frozen=True)
class Include:
    """`template "name" pipeline`."""

    name: str
    pipeline: Pipeline | None
    place: int


Node = Union[Text, Print, Branch, Leave, Include]


@dataclass
class _Block:
    """A block that is not closed yet."""

    word: str
    pipeline: Pipeline | None
    source: str
    place: int
    name: str = ""
    is_elses: bool = False  # an `else if`: closed by the `end` of the `if`
    outer: list[str] = field(default_factory=list)  # the variables in front of it
    inner: int = 0  # how many there are in front of its body
    body: list[Node] = field(default_factory=list)
    otherwise: list[Node] | None = None

    def nodes(self) -> list[Node]:
        return self.body if self.otherwise is None else self.otherwise


class Parser:
    """Reads one template; `functions` are the names that can be called."""

    def __init__(self, source: str, functions: frozenset[str]) -> None:
        self._source = source
        self._functions = functions
        self.defined: dict[str, tuple[Node, ...]] = {}
        self._open: list[_Block] = [_Block("", None, "", 0)]
        self._variables: list[str] = ["$"]

    def parse(self) -> tuple[Node, ...]:
        """The nodes of the template; `defined` has those of `define`. Raises `UsageError`."""
        for piece in lex.pieces(self._source):
            if isinstance(piece, str):
                self._open[-1].nodes().append(Text(piece))
            else:
                self._action(piece)
        if len(self._open) > 1:
            block = self._open[-1]
            raise self._wrong(block.place, f"{block.source} has no end", "close it with {{end}}")
        return tuple(self._open[0].body)

    def _wrong(self, place: int, what: str, hint: str | None = None) -> Exception:
        return wrong(self._source, place, what, hint)

    # Actions

    def _action(self, action: Action) -> None:
        if not action.words:
            raise self._wrong(action.place, "an action is empty", "write {{.}} or a field, as {{.ID}}")
        first = action.words[0]
        rest = action.words[1:]
        if first.kind != lex.NAME or first.text not in KEYWORDS:
            self._open[-1].nodes().append(Print(self._pipeline(action.words, action.place), action.source))
        elif first.text in ("if", "range", "with"):
            self._begin(first.text, rest, action)
        elif first.text == "else":
            self._else(rest, action)
        elif first.text == "end":
            self._refuse_more(rest, "end")
            self._end(action)
        elif first.text in ("break", "continue"):
            self._refuse_more(rest, first.text)
            if not self._in_range():
                raise self._wrong(action.place, f"{{{{{first.text}}}}} is not inside of a range")
            self._open[-1].nodes().append(Leave(first.text))
        else:
            self._named(first.text, rest, action)

    def _in_range(self) -> bool:
        for block in reversed(self._open):
            if block.word in ("define", "block"):
                return False
            if block.word == "range" and block.otherwise is None:
                return True
        return False

    def _refuse_more(self, rest: tuple[Word, ...], word: str) -> None:
        if rest:
            raise self._wrong(rest[0].place, f"nothing can follow {word}")

    def _begin(self, word: str, rest: tuple[Word, ...], action: Action, *, is_elses: bool = False) -> None:
        if len(self._open) > MAX_DEPTH:
            raise self._wrong(action.place, f"blocks lie more than {MAX_DEPTH} deep")
        outer = list(self._variables)
        pipeline = self._pipeline(rest, action.place, in_range=word == "range")
        inner = len(self._variables)
        self._open.append(_Block(word, pipeline, action.source, action.place, is_elses=is_elses, outer=outer, inner=inner))

    def _else(self, rest: tuple[Word, ...], action: Action) -> None:
        block = self._open[-1]
        if block.word not in ("if", "range", "with") or block.otherwise is not None:
            raise self._wrong(action.place, "{{else}} belongs to no {{if}}, {{with}} or {{range}}")
        block.otherwise = []
        del self._variables[block.inner :]
        if rest:
            if rest[0].kind != lex.NAME or rest[0].text != block.word or block.word == "range":
                raise self._wrong(rest[0].place, f"{{{{else {rest[0].text}}}}} cannot be", "write {{else}} or {{else if ...}}")
            self._begin(block.word, rest[1:], action, is_elses=True)

    def _end(self, action: Action) -> None:
        while True:
            block = self._open.pop()
            if not self._open:
                self._open.append(block)
                raise self._wrong(action.place, "{{end}} closes nothing")
            self._variables = block.outer
            if block.word in ("define", "block"):
                self.defined[block.name] = tuple(block.body)
                if block.word == "block":
                    self._open[-1].nodes().append(Include(block.name, block.pipeline, block.place))
                return
            assert block.pipeline is not None  # noqa: S101 - for the type checker
            node = Branch(block.word, block.pipeline, tuple(block.body), tuple(block.otherwise or ()), block.source)
            self._open[-1].nodes().append(node)
            if not block.is_elses:
                return

    def _named(self, word: str, rest: tuple[Word, ...], action: Action) -> None:
        """`define "name"`, `block "name" pipeline`, `template "name" [pipeline]`."""
        if not rest or rest[0].kind != lex.STRING:
            raise self._wrong(action.place, f"{word} needs a name in quotes")
        name = rest[0].text
        pipeline = self._pipeline(rest[1:], action.place) if len(rest) > 1 or word == "block" else None
        if word == "template":
            self._open[-1].nodes().append(Include(name, pipeline, action.place))
            return
        if word == "define" and (pipeline is not None or len(self._open) > 1):
            raise self._wrong(action.place, "define stands by itself at the top", 'write {{define "name"}}...{{end}}')
        if len(self._open) > MAX_DEPTH:
            raise self._wrong(action.place, f"blocks lie more than {MAX_DEPTH} deep")
        self._open.append(_Block(word, pipeline, action.source, action.place, name=name, outer=self._variables))
        self._variables = ["$"]

    # Pipelines

    def _pipeline(self, words: tuple[Word, ...], place: int, *, in_range: bool = False) -> Pipeline:
        variables, is_new, words = self._assigned(words, in_range=in_range)
        pipeline, rest = self._commands(words, place, 0)
        if rest:
            raise self._wrong(rest[0].place, f"{rest[0].text!r} is not expected here")
        if is_new:
            self._variables += variables
        return Pipeline(pipeline.commands, variables, is_new, place)

    def _assigned(self, words: tuple[Word, ...], *, in_range: bool) -> tuple[tuple[str, ...], bool, tuple[Word, ...]]:
        """`$x :=`, `$x =` and, for range, `$i, $x :=` in front."""
        texts = [word.text if word.kind == lex.SYMBOL else "" for word in words[:4]]
        variables: tuple[Word, ...] = ()
        if len(words) > 1 and words[0].kind == lex.VARIABLE and texts[1] in (":=", "="):
            variables, sign, words = words[:1], texts[1], words[2:]
        elif (
            len(words) > 3
            and in_range
            and words[0].kind == words[2].kind == lex.VARIABLE
            and texts[1] == ","
            and texts[3] in (":=", "=")
        ):
            variables, sign, words = (words[0], words[2]), texts[3], words[4:]
        else:
            return (), False, words
        for word in variables:
            if sign == "=" and word.text not in self._variables:
                raise self._wrong(word.place, f"the variable {word.text} is not declared", f"write {word.text} := ...")
        return tuple(word.text for word in variables), sign == ":=", words

    def _commands(self, words: tuple[Word, ...], place: int, depth: int) -> tuple[Pipeline, tuple[Word, ...]]:
        """The commands up to the end or a closing parenthesis."""
        if depth > MAX_DEPTH:
            raise self._wrong(place, f"parentheses lie more than {MAX_DEPTH} deep")
        commands: list[tuple[Operand, ...]] = []
        operands: list[Operand] = []
        while True:
            word = words[0] if words else None
            closes = word is None or (word.kind == lex.SYMBOL and word.text in ("|", ")"))
            if not closes:
                operand, words = self._operand(words, depth)
                operands.append(operand)
                continue
            if not operands:
                raise self._wrong(word.place if word else place, "a value is missing")
            self._check_command(operands, is_first=not commands)
            commands.append(tuple(operands))
            operands = []
            if word is None or word.text == ")":
                return Pipeline(tuple(commands), (), False, place), words
            words = words[1:]

    def _check_command(self, operands: list[Operand], *, is_first: bool) -> None:
        head = operands[0]
        if isinstance(head, Constant) and (len(operands) > 1 or not is_first):
            raise self._wrong(head.place, "a constant is no function and takes no value")

    def _operand(self, words: tuple[Word, ...], depth: int) -> tuple[Operand, tuple[Word, ...]]:
        word, rest = words[0], words[1:]
        if word.kind == lex.SYMBOL:
            if word.text != "(":
                raise self._wrong(word.place, f"{word.text!r} is not expected here")
            inner, rest = self._commands(rest, word.place, depth + 1)
            if not rest:
                raise self._wrong(word.place, "a parenthesis is not closed")
            return self._path(inner, word.place, rest[1:])
        if word.kind == lex.VARIABLE:
            if word.text not in self._variables:
                raise self._wrong(word.place, f"the variable {word.text} is not declared", f"write {word.text} := ... first")
            return self._path(word.text, word.place, rest)
        if word.kind == lex.FIELD:
            return self._path(".", word.place, rest, (word.text,))
        if word.kind == lex.DOT:
            if rest and rest[0].kind == lex.FIELD and rest[0].touches:
                raise self._wrong(rest[0].place, "two dots in a row")
            return Path(".", (), word.place), rest
        if word.kind == lex.NAME:
            return self._name(word), rest
        return Constant(self._literal(word), word.place), rest

    def _path(
        self, base: str | Pipeline, place: int, rest: tuple[Word, ...], fields: tuple[str, ...] = ()
    ) -> tuple[Operand, tuple[Word, ...]]:
        while rest and rest[0].kind == lex.FIELD and rest[0].touches:
            fields, rest = (*fields, rest[0].text), rest[1:]
        return Path(base, fields, place), rest

    def _name(self, word: Word) -> Operand:
        if word.text in ("true", "false", "nil"):
            return Constant({"true": True, "false": False, "nil": None}[word.text], word.place)
        if word.text not in self._functions:
            from sampan.options.parse import nearest

            near = nearest(word.text, self._functions)
            hint = f"did you mean {near}?" if near else f"write .{word.text} for the field"
            raise self._wrong(word.place, f"there is no function {word.text!r}", hint)
        return Function(word.text, word.place)

    def _literal(self, word: Word) -> object:
        if word.kind == lex.STRING:
            return word.text
        if word.kind == lex.CHAR:
            return ord(word.text)
        text = word.text.replace("_", "")
        for read in (lambda: int(text, 0), lambda: int(text, 8), lambda: float(text)):
            try:
                if len(text) > 40 or not text.isascii():
                    break
                value: int | float = read()
            except ValueError:
                continue
            return value
        raise self._wrong(word.place, f"{word.text!r} is not a number")
