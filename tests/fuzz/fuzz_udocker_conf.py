"""Invariant: whatever udocker.conf holds, each of its keys has one text without outer quotes, or BadSetting says in one line what is wrong."""

from __future__ import annotations

from sampan.compat.udocker.configuration import parse
from sampan.errors import BadSetting

SEEDS = [
    b"[DEFAULT]\n# a comment\ntopdir = %(topdir)s/\nbindir = %(topdir)s/bin\nkeystore = 'keystore'\n",
    b"sysdirs_list = [\n  '/dev',\n  '/proc']\nhttp_insecure = False\ncmd = [\"bash\", \"-i\"]\n",
    b"a = %(b)s%(b)s\nb = %(c)s%(c)s\nc = %(a)s x\nnone = None\n",
    b'; other\n[DEFAULT]\nverbose_level=3\ndockerio_registry_url = "https://registry-1.docker.io"\n',
]


def test_one(data: bytes) -> None:
    try:
        found = parse(data[:4096].decode("utf-8", "surrogateescape"), "FILE")
    except BadSetting as error:
        assert "\n" not in error.sentence
        return
    for key, value in found.items():
        assert key == key.strip() != ""
        assert "\n" not in value
        assert len(value) < 1 << 17
