"""Wishlists: which images a repository shall have. CERN's YAML, version 1, and OSG's text lists.

YAML is read by PyYAML's composer into nodes, which know their lines, and nothing but texts, one list of texts and one mapping is
taken from them: no tag makes an object, and an alias costs nothing. What begins with `version:` or `---`, or is named `.yaml` or
`.yml`, is YAML; everything else is a text list.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sampan.distribute.wish import Wish, parse_cern, parse_osg
from sampan.errors import ProgramMissing, UsageError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_BYTES = 4 << 20
MAX_WISHES = 100_000
KNOWN = ("version", "user", "cvmfs_repo", "output_format", "input")
HINT = "see docs/how-to/publishing.md for an example"


@dataclass(frozen=True)
class Wishlist:
    """The wishes of one or several lists in their order, each once.

    `repository` is the name of the CVMFS repository that a list says it is for, or empty; `remarks` are sentences about what a list
    has and sampan leaves out.
    """

    wishes: tuple[Wish, ...]
    repository: str = ""
    remarks: tuple[str, ...] = ()


def read(paths: Sequence[str]) -> Wishlist:
    """The lists in files as one. Raises `UsageError` that names file, line and reason."""
    lists = [parse(_bytes(path), path) for path in paths]
    names = {one.repository for one in lists if one.repository}
    if len(names) > 1:
        raise UsageError(f"the lists are for different repositories: {', '.join(sorted(names))}", "publish them one by one")
    wishes: dict[object, Wish] = {}
    for one in lists:
        for wish in one.wishes:
            wishes.setdefault(wish.key, wish)
    return Wishlist(tuple(wishes.values()), "".join(names), tuple(remark for one in lists for remark in one.remarks))


def parse(data: bytes, path: str) -> Wishlist:
    """The list in `data`, which came from `path`. Raises `UsageError`."""
    if len(data) > MAX_BYTES:
        raise UsageError(f"the list {path} has {len(data)} bytes; at most {MAX_BYTES} are read")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: the list is not UTF-8 text") from error
    found = _yaml(text, path) if _is_yaml(text, path) else _text(text, path)
    if len(found.wishes) > MAX_WISHES:
        raise UsageError(f"the list {path} has more than {MAX_WISHES} wishes")
    return found


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read the list {path}: {error.strerror}") from error


def _is_yaml(text: str, path: str) -> bool:
    if os.path.splitext(path)[1].lower() in (".yaml", ".yml"):
        return True
    first = next((line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")), "")
    return first.startswith(("---", "%YAML", "version:", "input:", "cvmfs_repo:", "user:", "output_format:"))


def _text(text: str, path: str) -> Wishlist:
    found: dict[object, Wish] = {}
    for number, line in enumerate(text.splitlines(), 1):
        word = line.partition("#")[0].strip()
        if word:
            wish = parse_osg(word, f"{path}:{number}")
            found.setdefault(wish.key, wish)
    return Wishlist(tuple(found.values()))


def _yaml(text: str, path: str) -> Wishlist:
    table = dict(_pairs(_composed(text, path), path))
    if "version" not in table:
        raise UsageError(f"{path} does not say its version", HINT)
    version = _scalar(table["version"], path, "version")
    if version != "1":
        raise UsageError(f"{_place(table['version'], path)}: version {printable(version[:40])!r} of wishlists is not known", HINT)
    if "input" not in table:
        raise UsageError(f"{path} has no list of images under `input`", HINT)
    found: dict[object, Wish] = {}
    for node in _items(table["input"], path):
        wish = parse_cern(_scalar(node, path, "an image").strip(), _place(node, path))
        found.setdefault(wish.key, wish)
    repository = _scalar(table["cvmfs_repo"], path, "cvmfs_repo").strip() if "cvmfs_repo" in table else ""
    unknown = [f"{path} has the key {printable(key[:40])!r}, which no list of version 1 has" for key in table if key not in KNOWN]
    return Wishlist(tuple(found.values()), repository, tuple(unknown))


def _composed(text: str, path: str) -> Any:
    """The root of the document's nodes."""
    try:
        import yaml
    except ImportError as error:
        raise ProgramMissing(
            f"the list {path} is YAML, and PyYAML is not installed", "pip install 'sampan[publish]', or write a text list"
        ) from error
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark is not None else path
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
        raise UsageError(f"{place}: the list is not valid YAML: {printable(str(reason)[:200])}", HINT) from error
    except (RecursionError, ValueError) as error:  # ValueError: PyYAML on escapes of characters that there are not
        raise UsageError(f"the list {path} is not valid YAML: {printable(str(error)[:200])}", HINT) from error


def _pairs(root: Any, path: str) -> Iterator[tuple[str, Any]]:
    if root is None or root.id != "mapping":
        raise UsageError(f"the list {path} is not a mapping with `version` and `input`", HINT)
    seen: set[str] = set()
    for key_node, value in root.value:
        key = _scalar(key_node, path, "a key")
        if key in seen:
            raise UsageError(f"{_place(key_node, path)}: the key {printable(key[:40])!r} stands there a second time")
        seen.add(key)
        yield key, value


def _items(node: Any, path: str) -> list[Any]:
    if node.id == "scalar" and not node.value:
        return []
    if node.id != "sequence":
        raise UsageError(f"{_place(node, path)}: `input` is not a list", HINT)
    return list(node.value)


def _scalar(node: Any, path: str, what: str) -> str:
    if node.id != "scalar":
        raise UsageError(f"{_place(node, path)}: {what} is not a text", HINT)
    return str(node.value)


def _place(node: Any, path: str) -> str:
    return f"{path}:{node.start_mark.line + 1}"
