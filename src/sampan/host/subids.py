"""The ranges of ids that this machine gives a user (subuid(5), subgid(5)), and the programs that map them."""

from __future__ import annotations

import os
import shutil

from sampan.errors import CannotHonour

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.host.accounts import Account

    Range = tuple[int, int]

UID_FILE, GID_FILE = "/etc/subuid", "/etc/subgid"
_FIRST, _COUNT = 100_000, 65_536  # what useradd gives


def ranges(account: Account, uid_file: str = UID_FILE, gid_file: str = GID_FILE) -> tuple[tuple[Range, ...], tuple[Range, ...]]:
    """The (first, count) of all ranges of users and of groups. Raises `CannotHonour` if there are none, with what would help."""
    uids, gids = (_read(path, account) for path in (uid_file, gid_file))
    if not uids or not gids:
        missing = " and ".join(path for path, found in ((uid_file, uids), (gid_file, gids)) if not found)
        first = _free(uid_file, gid_file)
        last = first + _COUNT - 1
        raise CannotHonour(
            f"--subids is not possible: {account.name} has no range of ids in {missing}",
            f"the administrator can give one: usermod --add-subuids {first}-{last} --add-subgids {first}-{last} {account.name}; "
            "without it, --root records owners",
        )
    return uids, gids


def tools() -> tuple[str, str]:
    """Newuidmap and newgidmap. Raises `CannotHonour`."""
    found = [shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/bin:/bin") for name in ("newuidmap", "newgidmap")]
    if found[0] is None or found[1] is None:
        raise CannotHonour(
            "--subids is not possible: newuidmap and newgidmap are not installed",
            "the administrator can install the package uidmap (Debian, Ubuntu) or shadow-utils (Fedora, RHEL)",
        )
    return os.path.abspath(found[0]), os.path.abspath(found[1])


def _read(path: str, account: Account) -> tuple[Range, ...]:
    """Lines NAME:FIRST:COUNT, where NAME may be a number; what is none is passed over, as newuidmap does."""
    names = (account.name, str(account.uid))
    return tuple((int(words[1]), int(words[2])) for words in _lines(path) if words[0] in names and int(words[2]) > 0)


def _lines(path: str) -> list[list[str]]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            lines = [line.strip().split(":") for line in stream]
    except OSError:
        return []
    return [words for words in lines if len(words) == 3 and words[1].isdigit() and words[2].isdigit()]


def _free(*paths: str) -> int:
    """The first id behind every range that was given out."""
    ends = [int(words[1]) + int(words[2]) for path in paths for words in _lines(path)]
    return max([_FIRST, *ends])
