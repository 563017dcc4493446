"""Trees: images unpacked once, shared by all containers, never written. On the start-up path.

A tree has its name only when it is complete (`build.py`), so finding its record is finding the tree.
"""

from __future__ import annotations

import os

from sampan.store import records

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.oci.digest import Digest
    from sampan.store.layout import Store

_HEX = frozenset("0123456789abcdef")


class Tree:
    """Where one unpacked image lies. `used` is its use mark, empty in a store that is only read."""

    __slots__ = ("chain", "directory", "used")

    def __init__(self, chain: str, directory: str, used: str) -> None:
        self.chain = chain
        self.directory = directory
        self.used = used

    @property
    def rootfs(self) -> str:
        """The root directory of the image."""
        return self.directory + "/rootfs"

    @property
    def index(self) -> str:
        """The file with its index."""
        return self.directory + "/index"


class Facts:
    """What `tree.json` says: the layers and the counts of the index (`layers.index.Counts`); `index` is its sha256."""

    __slots__ = ("directories", "entries", "files", "index", "layers", "size")

    def __init__(self, document: dict[str, object], path: str) -> None:
        """Raises `CorruptRecord`."""
        layers = document.get("layers")
        if not isinstance(layers, list) or not all(isinstance(layer, str) for layer in layers):
            raise records.corrupt(path, "layers is not a list of texts")
        self.layers = tuple(layers)
        self.index = records.text_of(document, "index", path)
        self.size = records.number_of(document, "size", path)
        self.entries = records.number_of(document, "entries", path)
        self.files = records.number_of(document, "files", path)
        self.directories = records.number_of(document, "directories", path)


def directory_of(store: Store, chain: str) -> str:
    """Where the tree of a chain id is, or would be. Raises ValueError if it is none."""
    encoded = chain.partition(":")[2]
    if not encoded or not _HEX.issuperset(encoded):
        raise ValueError(f"{chain!r} is not a chain id")
    return store.join("trees", encoded)


def find(store: Store, chain: str) -> Tree | None:
    """The tree of a chain id (`sha256:...`); `None` if it is not in this store."""
    directory = directory_of(store, chain)
    if not os.path.exists(directory + "/tree.json"):
        return None
    return Tree(chain, directory, directory + "/used" if store.writable else "")


def find_in(stores: Sequence[Store], chain: str) -> Tree | None:
    """The tree of a chain id in the first store that has it."""
    for store in stores:
        found = find(store, chain)
        if found is not None:
            return found
    return None


def names(store: Store) -> list[str]:
    """The directories of all trees below `trees/`."""
    try:
        return sorted(os.listdir(store.join("trees")))
    except (FileNotFoundError, NotADirectoryError):
        return []


def facts(tree: Tree) -> Facts:
    """The tree's record. Raises `CorruptRecord`, `NewerStore`."""
    path = tree.directory + "/tree.json"
    document = records.read(path)
    if document is None or document.get("chain") != tree.chain:
        raise records.corrupt(path, "it is missing" if document is None else "it is the record of another tree")
    return Facts(document, path)


def touch(tree: Tree) -> None:
    """Note that the tree is used now, which gc looks at. Failure does not matter: a store of the site has no marks."""
    if tree.used:
        try:
            os.utime(tree.used)
        except OSError:
            pass


def longest_prefix(store: Store, diff_ids: Sequence[Digest]) -> tuple[Tree | None, int]:
    """The tree with most of the first layers of an image, and how many it has; (`None`, 0) if there is none."""
    from sampan.oci.digest import chain_ids

    chains = chain_ids(diff_ids)
    for depth in range(len(chains), 0, -1):
        tree = find(store, str(chains[depth - 1]))
        if tree is not None:
            return tree, depth
    return None, 0


def listing(store: Store) -> list[Tree]:
    """All trees of the store. Raises `CorruptRecord` for one whose record cannot be read."""
    found = []
    for name in names(store):
        directory = store.join("trees", name)
        path = f"{directory}/tree.json"
        document = records.read(path)
        if document is not None:
            chain = records.text_of(document, "chain", path)
            found.append(Tree(chain, directory, f"{directory}/used" if store.writable else ""))
    return found
