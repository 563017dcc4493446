"""The last step of a template: its tree with a value.

Values are those of JSON: `None`, truth, numbers, texts, lists, maps with text keys; a field may also be a function of one text
(`.Label "x"`). A field that a map does not have is an error that names those that it has, never an empty text: a wrong name in a script
should not go unnoticed.

What a template may do is bounded: steps, depth of templates that include each other, and length of the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.parse import nearest
from sampan.terminal.gotemplate.functions import FUNCTIONS, LAZY, NAMES, Unfit, is_true, printed
from sampan.terminal.gotemplate.lex import wrong
from sampan.terminal.gotemplate.parse import Branch, Constant, Function, Include, Leave, Parser, Path, Pipeline, Print, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.errors import UsageError
    from sampan.terminal.gotemplate.parse import Node, Operand

MAX_STEPS = 200_000
MAX_DEPTH = 100
MAX_LENGTH = 1 << 26


class Template:
    """A template that can be rendered with one value after another. Raises `UsageError` that names the place of what is wrong."""

    def __init__(self, source: str) -> None:
        self.source = source
        parser = Parser(source, NAMES)
        self.nodes = parser.parse()
        self.defined = parser.defined

    def render(self, value: object) -> str:
        """The text. Raises `UsageError`."""
        return _Run(self).all(value)


class _Run:
    """One rendering."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._source = template.source
        self._out: list[str] = []
        self._length = 0
        self._steps = 0
        self._depth = 0
        self._variables: list[tuple[str, object]] = []

    def all(self, value: object) -> str:
        self._variables = [("$", value)]
        self._nodes(self._template.nodes, value)
        return "".join(self._out)

    def _wrong(self, place: int, what: str, hint: str | None = None) -> UsageError:
        return wrong(self._source, place, what, hint)

    def _step(self, place: int) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise self._wrong(place, f"it takes more than {MAX_STEPS} steps")

    def _write(self, text: str, place: int = 0) -> None:
        self._length += len(text)
        if self._length > MAX_LENGTH:
            raise self._wrong(place, "the result is too long")
        self._out.append(text)

    # Nodes

    def _nodes(self, nodes: tuple[Node, ...], dot: object) -> str:
        """Empty, or the word that leaves a range."""
        before = len(self._variables)
        try:
            for node in nodes:
                word = self._node(node, dot)
                if word:
                    return word
            return ""
        finally:
            del self._variables[before:]

    def _node(self, node: Node, dot: object) -> str:
        if isinstance(node, Text):
            self._write(node.text)
        elif isinstance(node, Print):
            self._step(node.pipeline.place)
            value = self._pipeline(node.pipeline, dot)
            if node.pipeline.variables:
                self._assign(node.pipeline, value)
            else:
                self._write(self._printed(value, node), node.pipeline.place)
        elif isinstance(node, Leave):
            return node.word
        elif isinstance(node, Include):
            self._include(node, dot)
        else:
            return self._branch(node, dot)
        return ""

    def _printed(self, value: object, node: Print) -> str:
        try:
            return printed(value)
        except Unfit as error:
            raise self._wrong(node.pipeline.place, f"{node.source}: {error}") from error

    def _assign(self, pipeline: Pipeline, value: object) -> None:
        name = pipeline.variables[-1]
        if pipeline.is_new:
            self._variables.append((name, value))
            return
        for at in range(len(self._variables) - 1, -1, -1):
            if self._variables[at][0] == name:
                self._variables[at] = (name, value)
                return

    def _branch(self, node: Branch, dot: object) -> str:
        self._step(node.pipeline.place)
        before = len(self._variables)
        value = self._pipeline(node.pipeline, dot)
        try:
            if node.word == "range":
                return self._range(node, value, dot)
            if node.pipeline.variables:
                self._assign(node.pipeline, value)
            if is_true(value):
                return self._nodes(node.body, dot if node.word == "if" else value)
            return self._nodes(node.otherwise, dot)
        finally:
            del self._variables[before:]

    def _range(self, node: Branch, value: object, dot: object) -> str:
        is_empty = True
        before = len(self._variables)
        names = node.pipeline.variables
        for key, item in self._items(value, node):
            is_empty = False
            self._step(node.pipeline.place)
            pairs = list(zip(names, (key, item) if len(names) == 2 else (item,)))
            for name, found in pairs:
                self._assign(Pipeline((), (name,), node.pipeline.is_new, node.pipeline.place), found)
            word = self._nodes(node.body, item)
            del self._variables[before:]
            if word == "break":
                break
        return self._nodes(node.otherwise, dot) if is_empty else ""

    def _items(self, value: object, node: Branch) -> Iterator[tuple[object, object]]:
        if isinstance(value, dict):
            return iter([(key, value[key]) for key in sorted(value, key=str)])
        if isinstance(value, (list, tuple)):
            return iter(enumerate(value))
        if isinstance(value, int) and not isinstance(value, bool):
            return ((number, number) for number in range(value))
        if value is None:
            return iter(())
        raise self._wrong(node.pipeline.place, f"{node.source}: this is no list and no map")

    def _include(self, node: Include, dot: object) -> None:
        nodes = self._template.defined.get(node.name)
        if nodes is None:
            raise self._wrong(node.place, f"there is no template {node.name!r}", 'make one: {{define "name"}}...{{end}}')
        self._step(node.place)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._wrong(node.place, f"templates include each other more than {MAX_DEPTH} deep")
        value = None if node.pipeline is None else self._pipeline(node.pipeline, dot)
        outer, self._variables = self._variables, [("$", value)]
        self._nodes(nodes, value)
        self._variables = outer
        self._depth -= 1

    # Values

    def _pipeline(self, pipeline: Pipeline, dot: object) -> object:
        value: object = None
        for at, command in enumerate(pipeline.commands):
            value = self._command(command, dot, (value,) if at else ())
        return value

    def _command(self, command: tuple[Operand, ...], dot: object, last: tuple[object, ...]) -> object:
        head = command[0]
        if isinstance(head, Function):
            self._step(head.place)
            if head.name in LAZY:
                return self._lazy(head, command[1:], dot, last)
            values = (*(self._operand(operand, dot) for operand in command[1:]), *last)
            return self._call(head, values)
        if isinstance(head, Constant):
            return head.value
        values = (*(self._operand(operand, dot) for operand in command[1:]), *last)
        return self._path(head, dot, values)

    def _call(self, head: Function, values: tuple[object, ...]) -> object:
        try:
            return FUNCTIONS[head.name](*values)
        except Unfit as error:
            raise self._wrong(head.place, f"{head.name}: {error}") from error
        except RecursionError as error:
            raise self._wrong(head.place, f"{head.name}: the value is nested too deep") from error

    def _lazy(self, head: Function, operands: tuple[Operand, ...], dot: object, last: tuple[object, ...]) -> object:
        if not operands and not last:
            raise self._wrong(head.place, f"{head.name} takes a value or more")
        value: object = None
        for operand in operands:
            value = self._operand(operand, dot)
            if is_true(value) == (head.name == "or"):
                return value
        return last[0] if last else value

    def _operand(self, operand: Operand, dot: object) -> object:
        if isinstance(operand, Constant):
            return operand.value
        if isinstance(operand, Function):
            return self._command((operand,), dot, ())
        return self._path(operand, dot, ())

    def _path(self, path: Path, dot: object, arguments: tuple[object, ...]) -> object:
        if isinstance(path.base, Pipeline):
            value = self._pipeline(path.base, dot)
        elif path.base == ".":
            value = dot
        else:
            value = next((found for name, found in reversed(self._variables) if name == path.base), None)
        for field in path.fields:
            value = self._field(value, field, path)
        if callable(value):
            return self._method(value, path, arguments)
        if arguments:
            shown = f".{'.'.join(path.fields)}" if path.fields else "this value"
            raise self._wrong(path.place, f"{shown} takes no argument")
        return value

    def _method(self, function: object, path: Path, arguments: tuple[object, ...]) -> object:
        if len(arguments) != 1 or not isinstance(arguments[0], str):
            raise self._wrong(path.place, f".{path.fields[-1]} takes one text", f'write {{{{.{path.fields[-1]} "name"}}}}')
        return function(arguments[0])  # type: ignore[operator]

    def _field(self, value: object, field: str, path: Path) -> object:
        if isinstance(value, dict):
            if field in value:
                return value[field]
            near = nearest(field, [str(key) for key in value])
            known = ", ".join(f".{key}" for key in sorted(value, key=str)[:40])
            hint = f"did you mean .{near}? fields are {known}" if near else f"fields are {known}" if known else None
            raise self._wrong(path.place, f"there is no field .{field}", hint)
        raise self._wrong(
            path.place, f"there is no field .{field}: what should have it is {'nil' if value is None else printed(value)[:40]!r}"
        )
