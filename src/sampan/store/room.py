"""Whether an image has room, asked before it is fetched: what is certain is refused, what is likely is said.

The manifest gives the compressed sizes, and nothing says what they unpack to. What is certain is that the blobs come, and that
files which are in no tree yet take about as much again at the very least. What is likely is measured: layers of programs and
data unpack to two and a half to three times their compressed size, with a file every 5 to 15 kB of it. A quota is not seen
here; it ends the pull with an error, which leaves nothing behind.
"""

from __future__ import annotations

import os

from sampan.errors import NoSpace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.events import Notice
    from sampan.store.layout import Store

RATIO = 3
BYTES_PER_FILE = 12_000
FEWEST_FILES = 10
"""A tree of nothing and the records of an image are more."""
_HINT = (
    "free some with `sampan store prune --to SIZE` or `sampan rmi`, or set SAMPAN_HOME to a directory with more room, "
    "or take the store there with `sampan store move DIR`"
)


class Need:
    """What an image needs, in bytes.

    `fetched`: blobs to be written. `packed`: the compressed size of the layers to be unpacked; `plain`: the size of those of them
    that are not compressed. `may_share`: there are trees whose files may turn out to be the same.
    """

    __slots__ = ("fetched", "may_share", "packed", "plain")

    def __init__(self, fetched: int, packed: int, plain: int = 0, *, may_share: bool = False) -> None:
        self.fetched = fetched
        self.packed = packed
        self.plain = plain
        self.may_share = may_share

    @property
    def certain(self) -> int:
        """Less will not do."""
        return self.fetched + (0 if self.may_share else self.packed + self.plain)

    @property
    def unpacked(self) -> int:
        """What the files will probably take."""
        return RATIO * self.packed + self.plain

    @property
    def files(self) -> int:
        """How many there will probably be."""
        return (self.packed + self.plain // RATIO) // BYTES_PER_FILE


def check(store: Store, need: Need, shown: str, notice: Notice) -> None:
    """Raises `NoSpace` if `shown` certainly has no room; tells `notice` if it probably has none."""
    place = store.path
    while not os.path.exists(place):
        place = os.path.dirname(place) or "/"
    found = os.statvfs(place)
    free = found.f_bavail * found.f_frsize
    where = f"{_amount(free)} are free in {store.path}"
    if need.certain > free:
        parts = f"{_amount(need.fetched)} to fetch" + ("" if need.may_share else " and as much again unpacked")
        raise NoSpace(f"no space for {shown}: it needs {_amount(need.certain)} at the least ({parts}), and {where}", _HINT)
    if found.f_files and found.f_favail < FEWEST_FILES and need.fetched + need.unpacked:
        raise NoSpace(f"no space for {shown}: {found.f_favail or 'no'} more files can be made in {store.path}", _HINT)
    if need.fetched + need.unpacked > free:
        notice.warn(
            f"{shown} will probably need about {_amount(need.fetched + need.unpacked)} ({_amount(need.fetched)} to fetch, "
            f"some {_amount(need.unpacked)} unpacked), and only {where}",
            _HINT,
        )
    elif found.f_files and need.files > found.f_favail:
        notice.warn(
            f"{shown} will probably have some {need.files} files, and only {found.f_favail} more can be made in {store.path}",
            _HINT,
        )


def _amount(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
