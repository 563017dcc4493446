"""What the root of a container can be: a sum type, told apart by class. On the start-up path."""

from __future__ import annotations


class Tree:
    """The unpacked image itself, read-only."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path


class MemoryOverlay:
    """The image with changes that live in `size` bytes of memory and vanish with the last process."""

    __slots__ = ("lower", "size")

    def __init__(self, lower: str, size: int) -> None:
        self.lower = lower
        self.size = size


class Overlay:
    """The image with changes that are kept in `upper`."""

    __slots__ = ("lower", "upper", "work")

    def __init__(self, lower: str, upper: str, work: str) -> None:
        self.lower = lower
        self.upper = upper
        self.work = work


class Copy:
    """A private copy of the image."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path


TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    Root = Union[Tree, MemoryOverlay, Overlay, Copy]


def describe(root: Root) -> str:
    """One line for `--dry-run`."""
    if isinstance(root, Tree):
        return f"read-only {root.path}"
    if isinstance(root, MemoryOverlay):
        return f"overlay {root.lower}, changes in memory ({root.size // 1000000} MB at most)"
    if isinstance(root, Overlay):
        return f"overlay {root.lower}, changes in {root.upper}"
    return f"private copy {root.path}"


def places(root: Root) -> tuple[str, ...]:
    """The directories of this machine in which its files lie, the first wins."""
    if isinstance(root, MemoryOverlay):
        return (root.lower,)
    if isinstance(root, Overlay):
        return (root.upper, root.lower)
    return (root.path,)
