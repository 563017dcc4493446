"""Who calls: ids, names and home from the machine's name service. On the start-up path."""

from __future__ import annotations

import grp
import os
import pwd


class Account:
    """The calling user; numbers stand for names that the name service does not know."""

    __slots__ = ("gid", "group", "home", "name", "uid")

    def __init__(self, uid: int, gid: int, name: str, group: str, home: str) -> None:
        self.uid = uid
        self.gid = gid
        self.name = name
        self.group = group
        self.home = home


def caller(environ: dict[str, str] | os._Environ[str]) -> Account:
    """The account this process runs as. HOME of the environment counts before the name service's, as for a shell."""
    uid, gid = os.geteuid(), os.getegid()
    try:
        entry = pwd.getpwuid(uid)
        name, home = entry.pw_name, entry.pw_dir
    except KeyError:
        name, home = environ.get("USER") or str(uid), ""
    try:
        group = grp.getgrgid(gid).gr_name
    except KeyError:
        group = str(gid)
    stated = environ.get("HOME", "")
    return Account(uid, gid, name, group, stated if stated.startswith("/") else home)
