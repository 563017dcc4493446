"""Makes a bundle for the interpreter that runs: all modules of sampan.pyz, compiled (read by `boot.py`).

usage: bundle.py DIRECTORY FILE KEY FRONT    (at build time, by each interpreter)
"""

from __future__ import annotations

import _imp
import marshal
import os
import sys
import zlib

LIST = "sampan_pyz/startup.txt"
OWN = "sampan_pyz/"
DIGESTS = ".sha256"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Callable


def make(files: dict[str, bytes], key: int, front: int, step: Callable[[], None] = lambda: None) -> bytes:
    """The bytes of a bundle. `files`: path below the archive -> content; `front`: how long the file's shell header is."""
    wanted = set(files[LIST].decode("ascii").split())
    start: dict[str, CodeType] = {}
    packages: set[str] = set()
    compressed: dict[str, bytes] = {}
    for path in sorted(files):
        if not path.endswith(".py") or path.startswith(OWN) or path == "__main__.py":
            continue
        name = path[: -len(".py")].replace("/", ".")
        if name.endswith(".__init__"):
            name = name[: -len(".__init__")]
            packages.add(name)
        code = compile(files[path], "sampan.pyz/" + path, "exec", dont_inherit=True)
        if name in wanted:
            start[name] = code
        else:
            compressed[name] = zlib.compress(marshal.dumps(code), 6)
        step()
    boot = compile(files[OWN + "boot.py"], "sampan.pyz/sampan_pyz/boot.py", "exec", dont_inherit=True)
    data = {path: content for path, content in files.items() if path.endswith(DIGESTS)}
    data["front"] = b"%d" % front
    # The offsets count from the bundle's beginning, so they depend on how long the head is, which holds them: as many
    # digits as there are bytes in four make its length the same for every offset (marshal writes such numbers in four bytes).
    begin = 16 + len(_head(start, packages, compressed, data, boot, 1 << 24))
    head = _head(start, packages, compressed, data, boot, begin)
    if begin != 16 + len(head):
        raise ValueError("the head of a bundle changed its length")
    return b"".join([_imp.source_hash(key, head), len(head).to_bytes(8, "little"), head, *compressed.values()])


def _head(
    start: dict[str, CodeType],
    packages: set[str],
    compressed: dict[str, bytes],
    data: dict[str, bytes],
    boot: CodeType,
    begin: int,
) -> bytes:
    rest = {}
    for name, content in compressed.items():
        rest[name] = (begin, len(content))
        begin += len(content)
    return marshal.dumps({"boot": boot, "start": start, "rest": rest, "packages": packages, "data": data})


def read(directory: str) -> dict[str, bytes]:
    """The files below a directory, as `make` wants them."""
    files = {}
    for base, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(base, name)
            if name.endswith((".py", ".txt", DIGESTS)):
                with open(path, "rb") as stream:
                    files[os.path.relpath(path, directory)] = stream.read()
    return files


if __name__ == "__main__":
    found = make(read(sys.argv[1]), int(sys.argv[3]), int(sys.argv[4]))
    with open(sys.argv[2], "wb") as target:
        target.write(found)
    from importlib.util import MAGIC_NUMBER

    print(sys.implementation.cache_tag, MAGIC_NUMBER.hex())
