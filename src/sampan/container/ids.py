"""Maps of ids between a container and this machine: which ids inside are which outside. Values."""

from __future__ import annotations

from sampan.errors import CorruptRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    Line = tuple[int, int, int]

MAX_LINES = 340  # of one map, the kernel's limit (user_namespaces(7))


class IdMaps:
    """Lines (first id inside, first id outside, count) for users and groups. Several ids need newuidmap and newgidmap."""

    __slots__ = ("gids", "uids")

    def __init__(self, uids: tuple[Line, ...], gids: tuple[Line, ...]) -> None:
        self.uids = uids
        self.gids = gids

    @property
    def is_single(self) -> bool:
        """Whether there is one user and one group, which everybody may map."""
        return [line[2] for line in (*self.uids, *self.gids)] == [1, 1]

    def document(self) -> dict[str, object]:
        """For a record."""
        return {"uids": [list(line) for line in self.uids], "gids": [list(line) for line in self.gids]}


def single(inside: tuple[int, int], outside: tuple[int, int]) -> IdMaps:
    """The map of one user and one group."""
    return IdMaps(((inside[0], outside[0], 1),), ((inside[1], outside[1], 1),))


def several(own: tuple[int, int], uids: tuple[tuple[int, int], ...], gids: tuple[tuple[int, int], ...]) -> IdMaps:
    """Root inside is the caller; the ids from 1 on are those of the ranges (first, count)."""
    return IdMaps(_joined(own[0], uids), _joined(own[1], gids))


def _joined(own: int, ranges: tuple[tuple[int, int], ...]) -> tuple[Line, ...]:
    lines, inside = [(0, own, 1)], 1
    for first, count in ranges[: MAX_LINES - 1]:
        lines.append((inside, first, count))
        inside += count
    return tuple(lines)


def from_document(document: object, what: str) -> IdMaps:
    """The maps in a record. Raises `CorruptRecord`."""
    if not isinstance(document, dict):
        raise _corrupt(what)
    return IdMaps(_lines(document.get("uids"), what), _lines(document.get("gids"), what))


def _lines(value: object, what: str) -> tuple[Line, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_LINES:
        raise _corrupt(what)
    lines = []
    for line in value:
        if not isinstance(line, list) or len(line) != 3 or any(type(number) is not int or number < 0 for number in line):
            raise _corrupt(what)
        lines.append((line[0], line[1], line[2]))
    return tuple(lines)


def _corrupt(what: str) -> CorruptRecord:
    return CorruptRecord(f"{what} is damaged: ids is no map of ids", "`sampan rm -f` removes the container")
