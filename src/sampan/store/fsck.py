"""Check the store: every damage in a sentence, and what would mend it.

Without contents it looks at structure: records that parse and lead somewhere, names that are digests, each tree against its
index (types, sizes, modes, times, links, nothing more and nothing less). With contents every blob and every file is hashed
as well, each inode once, however many trees share it. What a living or killed process has below `tmp/` is no damage.
"""

from __future__ import annotations

import os

from sampan.errors import DigestMismatch, SampanError, printable
from sampan.oci.digest import Digest
from sampan.store import blobs, layout, names, pins, programs, records, trees
from sampan.store.blobs import size_of
from sampan.store.glance import is_clean
from sampan.store.leases import names_below
from sampan.store.treecheck import TreeCheck

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sampan.events import Task
    from sampan.store.layout import Store

_PARTS = ("names", "blobs/blobs", "trees", "containers", "programs", "pins", "tmp")


class Damage:
    """One thing that is wrong: the path, a sentence, and what can be removed because it can be made again (or empty)."""

    __slots__ = ("path", "removable", "sentence")

    def __init__(self, path: str, sentence: str, removable: str = "") -> None:
        self.path = path
        self.sentence = sentence
        self.removable = removable

    def __repr__(self) -> str:
        return f"Damage({self.path!r}, {self.sentence!r})"


def check(store: Store, contents: bool, task: Task, sites: Sequence[Store] = ()) -> Iterator[Damage]:
    """All damage of the store; nothing is changed. `task` is told the bytes hashed; trees may be in a store of the `sites`."""
    if not os.path.exists(store.join("format")):
        if layout.holds_other_things(store) or names.paths(store) or trees.names(store):
            yield Damage(store.join("format"), f"{store.path} has no file `format`, so it is no store")
        return  # else there is none yet, or its making was interrupted
    for name in _PARTS:
        if not os.path.isdir(store.join(name)):
            yield Damage(store.join(name), f"the directory {store.join(name)} is missing")
    yield from _check_privacy(store)
    yield from _check_names(store)
    yield from _check_blobs(store, contents, task)
    yield from _check_trees(store, contents, task)
    yield from _check_containers(store, (store, *sites))
    yield from _check_pins(store, (store, *sites))
    yield from _check_programs(store)


def _check_privacy(store: Store) -> Iterator[Damage]:
    mode = os.stat(store.path).st_mode
    if mode & 0o022:
        yield Damage(store.path, f"the store {store.path} can be written by others (mode {mode & 0o777:04o})")


def _check_names(store: Store) -> Iterator[Damage]:
    for path in names.paths(store):
        try:
            document = records.read(path)
            if document is None:
                continue
            reference = records.text_of(document, "reference", path)
            image = names.find(store, reference)
            if image is None:
                yield Damage(path, f"the record {path} has the file name of another reference than {printable(reference)}", path)
                continue
            if not _has_tree((store,), image.chain) and size_of(store, Digest.parse(image.manifest)) is None:
                yield Damage(path, f"the image {reference} has neither a tree nor its manifest any more", path)
        except SampanError as error:
            yield Damage(path, error.sentence, path)


def _has_tree(stores: Sequence[Store], chain: str) -> bool:
    try:
        return trees.find_in(stores, chain) is not None
    except ValueError:
        return False


def _check_blobs(store: Store, contents: bool, task: Task) -> Iterator[Damage]:
    base = store.join("blobs/blobs")
    for algorithm in names_below(base):
        for name in names_below(f"{base}/{algorithm}"):
            path = f"{base}/{algorithm}/{name}"
            try:
                digest = Digest(algorithm, name)
                if contents:
                    blobs.verify(store, digest)
                    task.advance(os.stat(path).st_size)
            except DigestMismatch as error:
                yield Damage(path, error.sentence, path)
            except SampanError:
                yield Damage(path, f"the file {printable(path)} is not named by a digest", path)
            except FileNotFoundError:
                continue  # collected meanwhile
            except OSError as error:
                yield Damage(path, f"the blob {path} cannot be read: {error.strerror}", path)


def _check_trees(store: Store, contents: bool, task: Task) -> Iterator[Damage]:
    base = store.join("trees")
    everyone = store.is_shared()
    checker = TreeCheck(contents, task, everyone=everyone)
    for name in names_below(base):
        directory = f"{base}/{name}"
        try:
            tree = trees.Tree(_chain_of(store, directory), directory, "")
            if not contents and is_clean(tree, everyone=everyone):
                continue
            found = list(checker.faults(tree))
        except SampanError as error:
            found = [error.sentence]
        if os.path.exists(directory):  # else it was collected meanwhile
            for sentence in found:
                yield Damage(directory, sentence, directory)


def _chain_of(store: Store, directory: str) -> str:
    path = f"{directory}/tree.json"
    document = records.read(path)
    if document is None:
        raise records.corrupt(path, "it is missing")
    chain = records.text_of(document, "chain", path)
    try:
        expected = trees.directory_of(store, chain)
    except ValueError:
        expected = ""
    if expected != directory:
        raise records.corrupt(path, "it is the record of another tree")
    return chain


def _check_containers(store: Store, stores: Sequence[Store]) -> Iterator[Damage]:
    base = store.join("containers")
    for name in names_below(base):
        if name == "names":
            continue
        path = f"{base}/{name}/container.json"
        try:
            document = records.read(path)
            if document is None:
                yield Damage(path, f"the container {printable(name[:12])} has no record")
                continue
            image = document.get("image")
            chain = records.text_of(image, "chain", path) if isinstance(image, dict) else ""
            if not _has_tree(stores, chain) and document.get("keep") != "copy":
                yield Damage(path, f"the container {document.get('name') or name[:12]} has lost its tree {chain[:19]}")
        except SampanError as error:
            yield Damage(path, error.sentence)


def _check_pins(store: Store, stores: Sequence[Store]) -> Iterator[Damage]:
    for name in names_below(store.join("pins")):
        path = store.join("pins", name)
        try:
            pin = pins.read(store, name)
            if pin is not None and not _has_tree(stores, pin.chain):
                yield Damage(path, f"the pin {pin.id} of {printable(pin.file)} has lost its tree {pin.chain[:19]}")
        except SampanError as error:
            yield Damage(path, error.sentence)


def _check_programs(store: Store) -> Iterator[Damage]:
    from hashlib import sha256

    for digest in names_below(store.join("programs")):
        for name in names_below(store.join("programs", digest)):
            path = store.join("programs", digest, name)
            with open(path, "rb") as stream:
                if sha256(stream.read()).hexdigest()[: programs.HEX] != digest:
                    yield Damage(path, f"the program {path} does not match its digest", path)
