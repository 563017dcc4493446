"""Immutable values with named fields: `@frozen` does for a class what a frozen dataclass does, without its start-up.

`dataclasses` imports inspect, ast and dis, and compiles source text for every class, where a command makes only few values
(docs/adr/0008). Here one `__init__` serves all classes. Type checkers see a frozen dataclass (PEP 681).
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from typing_extensions import dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_: object) -> Callable[[T], T]:
        """Its decorator is for type checkers alone."""
        return lambda decorated: decorated


class _Field:
    """A default that is made anew for each value, or a field that `repr` leaves out."""

    __slots__ = ("default", "factory", "shown")

    def __init__(self, default: object, factory: Callable[[], object] | None, shown: bool) -> None:
        self.default, self.factory, self.shown = default, factory, shown


_REQUIRED = object()


def field(*, default: Any = _REQUIRED, default_factory: Callable[[], Any] | None = None, repr: bool = True) -> Any:
    """What a field is beyond its type, as in `dataclasses`: its default, how a default is made, whether `repr` shows it."""
    return _Field(default, default_factory, repr)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Let a class be a value: made of the fields it names, in their order or by name; compared, hashed and shown by them.

    A subclass of a value has the fields of both. What is changed or deleted later raises `AttributeError`.
    """
    fields: dict[str, _Field] = dict(getattr(cls, "__fields__", {}))
    for name in vars(cls).get("__annotations__", {}):
        given = vars(cls).get(name, _REQUIRED)
        fields[name] = given if isinstance(given, _Field) else _Field(given, None, True)
        if isinstance(given, _Field):
            delattr(cls, name)
    cls.__fields__ = fields  # type: ignore[attr-defined]
    methods = (_init, _repr, _equal, _hash, _set, _delete)
    for name, method in zip(("__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__"), methods):
        if name not in vars(cls):
            setattr(cls, name, method)
    return cls


def changed(of: T, **changes: object) -> T:
    """The same value with other contents in some fields. Raises `TypeError` for a name that is none of its fields."""
    return type(of)(**{**as_dict(of), **changes})


def as_dict(of: object) -> dict[str, Any]:
    """The fields of a value by name, in their order; values in them stay what they are."""
    contents = vars(of)
    return {name: contents[name] for name in of.__fields__}  # type: ignore[attr-defined]


def _init(self: Any, *arguments: object, **named: object) -> None:
    fields: dict[str, _Field] = self.__fields__
    contents = dict(zip(fields, arguments))
    if len(arguments) > len(fields) or not (named.keys() <= fields.keys()) or named.keys() & contents.keys():
        raise TypeError(
            f"{type(self).__name__} has the fields {', '.join(fields)}; given {len(arguments)} and {', '.join(named)}"
        )
    contents.update(named)
    for name, one in fields.items():
        if name not in contents:
            if one.factory is None and one.default is _REQUIRED:
                raise TypeError(f"{type(self).__name__} needs {name}")
            contents[name] = one.default if one.factory is None else one.factory()
    vars(self).update(contents)


def _contents(of: Any) -> tuple[object, ...]:
    return tuple(as_dict(of).values())


def _repr(self: Any) -> str:
    shown = (f"{name}={getattr(self, name)!r}" for name, one in self.__fields__.items() if one.shown)
    return f"{type(self).__name__}({', '.join(shown)})"


def _equal(self: object, other: object) -> bool:
    return type(self) is type(other) and _contents(self) == _contents(other)


def _hash(self: object) -> int:
    return hash(_contents(self))


def _set(self: object, name: str, _: object) -> None:
    raise AttributeError(f"{name} of {type(self).__name__} cannot be changed")


def _delete(self: object, name: str) -> None:
    raise AttributeError(f"{name} of {type(self).__name__} cannot be deleted")
