"""Merge layers into an index, entry by entry, and say what has to be done. Pure: no file system, no bodies.

Theory of operation. `LayerMerge` takes the entries of one layer in their order and, for each, changes the index and
returns the operations that make a directory (or a catalog, or an archive) follow. The rules are those of the image-spec
("Applying Changesets") where it has them, and of flat unpackers (umoci) where it has not:

- The parents of a name are resolved through the symbolic links of the tree *so far*, inside the root: an absolute link
  begins there, `..` stops there. The last component is never followed. So operations name directories without links,
  and a sink may refuse to follow any.
- A directory over a directory takes the new attributes and keeps its children. Everything else is removed first and
  made anew, so a replaced name never shows through other names of its inode (which may be in other trees).
- A whiteout (`.wh.NAME`) hides NAME of the layers below, an opaque marker (`.wh..wh..opq`) all of its directory, wherever
  in the archive they stand: what this layer wrote stays. A directory that stays only because this layer wrote below it
  without an entry for it becomes what it would be had the whiteout come first: made for want of a parent, 0755.
- A missing parent is made: 0755, root's, time 0. A parent that is a file is an error.
- A hard link's target must exist already and is resolved like a parent; its own mode and time are ignored.
- Names below AUFS's leftovers (`.wh..wh.*`) are skipped.

One layer is one `LayerMerge`, which keeps the paths it wrote (explicitly, or as the parent of such).
"""

from __future__ import annotations

from sampan.errors import LayerError, printable
from sampan.layers.beneath import MAX_LINKS
from sampan.layers.entry import DIRECTORY, FIFO, FILE, HARD_LINK, SYMLINK, Entry, check_path, clean
from sampan.layers.index import Index, Node
from sampan.layers.limits import MAX_NAME, MAX_PATH

_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"
_AUFS = b".wh..wh."
_MAX_VISITED = 1024  # names on the way to a parent, links followed: what an entry can cost in time

# What a sink has to do.
REMOVE = "remove"
MAKE_DIRECTORY = "make directory"
WRITE = "write file"
MAKE_SYMLINK = "make symbolic link"
MAKE_LINK = "make hard link"
MAKE_FIFO = "make fifo"
RECORD = "record"  # a device: only archives and catalogs can have it


class Operation:
    """One step for a sink: `action` on `name` in the directory `parent` (a resolved path, empty for the root).

    `node` is what the name leads to (for REMOVE: led to). For MAKE_LINK the existing name is `source`, as (parent, name).
    """

    __slots__ = ("action", "name", "node", "parent", "source")

    def __init__(self, action: str, parent: bytes, name: bytes, node: Node, source: tuple[bytes, bytes] = (b"", b"")) -> None:
        self.action = action
        self.parent = parent
        self.name = name
        self.node = node
        self.source = source

    @property
    def path(self) -> bytes:
        """The whole path from the root."""
        return join(self.parent, self.name)

    def __repr__(self) -> str:
        return f"Operation({self.action!r}, {self.path!r})"


_ACTIONS = {FILE: WRITE, SYMLINK: MAKE_SYMLINK, FIFO: MAKE_FIFO, DIRECTORY: MAKE_DIRECTORY}


class LayerMerge:
    """Applies the entries of one layer to an index."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._root = index.root
        self._hidden: set[bytes] = set()  # nothing of the layers below is left there: a second whiteout costs nothing
        self._written: set[bytes] = set()
        self._above: set[bytes] = set()  # directories above what was written
        self._parents: dict[bytes, tuple[Node, bytes]] = {}  # resolved before; dropped when a directory or link goes

    def apply(self, entry: Entry) -> list[Operation]:
        """Change the index by one entry; what a sink has to do. Raises `LayerError` that names the entry."""
        try:
            return self._apply(entry)
        except LayerError as error:
            raise error.about(f"entry {printable(entry.path[:200])!r}") from None

    def _apply(self, entry: Entry) -> list[Operation]:
        path = clean(entry.path)
        above, _, name = path.rpartition(b"/")
        if _WHITEOUT in path and (steps := self._special(above, name)) is not None:
            return steps
        if not name:
            return self._change_root(entry)
        steps = []
        parent, place = self._parent_for_writing(above, steps)
        self._check_name(place, name)
        if entry.kind == HARD_LINK:
            self._hard_link(entry, parent, place, name, steps)
        else:
            self._put(entry, parent, place, name, steps)
        self._written.add(join(place, name))
        return steps

    # Entries

    def _change_root(self, entry: Entry) -> list[Operation]:
        if entry.kind != DIRECTORY:
            raise LayerError(f"it would make the root of the image a {entry.kind}")
        _set_attributes(self._root, entry)
        self._written.add(b"")
        return []

    def _put(self, entry: Entry, parent: Node, place: bytes, name: bytes, steps: list[Operation]) -> None:
        existing = parent.children.get(name)
        if existing is not None:
            if existing.kind == DIRECTORY and entry.kind == DIRECTORY:
                _set_attributes(existing, entry)
                return
            self._remove(parent, place, name, steps)
        node = Node(entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime)
        node.xattrs = entry.xattrs
        if entry.kind == FILE:
            node.size = entry.size
        elif entry.kind == SYMLINK:
            if not 0 < len(entry.target) <= MAX_PATH or b"\0" in entry.target:
                raise LayerError(f"a symbolic link's target has 1 to {MAX_PATH} bytes, this one {len(entry.target)}")
            node.target = entry.target
            node.mode = 0o777  # the only one Linux knows
        elif entry.kind not in (DIRECTORY, FIFO):
            node.device = entry.device
        self._index.add(parent, name, node)
        steps.append(Operation(_ACTIONS.get(entry.kind, RECORD), place, name, node))

    def _hard_link(self, entry: Entry, parent: Node, place: bytes, name: bytes, steps: list[Operation]) -> None:
        target = clean(entry.target, "its target")
        shown = printable(entry.target[:200])
        above, _, last = target.rpartition(b"/")
        found = self._resolve(above, None)
        node = found[0].children.get(last) if found is not None else None
        if found is None or node is None:
            raise LayerError(f"it is a hard link to {shown!r}, which does not exist")
        if node.kind == DIRECTORY:
            raise LayerError(f"it is a hard link to {shown!r}, which is a directory")
        source = (found[1], last)
        if source == (place, name):
            return
        if join(*source).startswith(join(place, name) + b"/"):
            raise LayerError(f"it is a hard link to {shown!r}, which lies in the directory that it replaces")
        if name in parent.children:
            self._remove(parent, place, name, steps)
        node.links += 1
        self._index.add(parent, name, node)
        steps.append(Operation(MAKE_LINK, place, name, node, source))

    # Whiteouts

    def _special(self, above: bytes, name: bytes) -> list[Operation] | None:
        """The operations of a whiteout or marker; `None` if the entry is neither."""
        for part in above.split(b"/"):
            if part.startswith(_AUFS):
                return []
            if part.startswith(_WHITEOUT):
                raise LayerError("it lies below a whiteout")
        if not name.startswith(_WHITEOUT):
            return None
        hidden = name[len(_WHITEOUT) :]
        if hidden in (b"", b".", b".."):
            raise LayerError("it is a whiteout that names nothing")
        if name.startswith(_AUFS) and name != _OPAQUE:
            return []
        steps: list[Operation] = []
        found = self._resolve(above, None)
        if found is not None:
            parent, place = found
            mark = join(place, name)
            if mark not in self._hidden:
                self._hidden.add(mark)
                for child in list(parent.children) if name == _OPAQUE else [hidden]:
                    self._hide(parent, place, child, steps)
        return steps

    def _hide(self, parent: Node, place: bytes, name: bytes, steps: list[Operation]) -> None:
        """Remove what layers below have at `name`, and keep what this one has."""
        pending = [(parent, place, name)]
        while pending:
            parent, place, name = pending.pop()
            node = parent.children.get(name)
            path = join(place, name)
            if node is None:
                continue
            if path not in self._written and path not in self._above:
                self._remove(parent, place, name, steps)
            elif node.kind == DIRECTORY:
                pending.extend((node, path, child) for child in node.children)
                if path not in self._written:
                    node.change(0o755, 0, 0, 0, ())

    # The tree

    def _remove(self, parent: Node, place: bytes, name: bytes, steps: list[Operation]) -> None:
        node = parent.children.pop(name)
        if node.kind in (DIRECTORY, SYMLINK):
            self._parents.clear()
        pending = [node]
        while pending:
            gone = pending.pop()
            gone.links -= 1
            pending.extend(gone.children.values())
        steps.append(Operation(REMOVE, place, name, node))

    def _parent_for_writing(self, above: bytes, steps: list[Operation]) -> tuple[Node, bytes]:
        """The directory that the text `above` leads to, made if it is missing, and noted as one above a written path."""
        found = self._parents.get(above)
        if found is None:
            found = self._resolve(above, steps)
            if found is None:
                raise LayerError("a part of its path is not a directory")
            check_path(found[1])
            path = found[1]
            while path and path not in self._above:
                self._above.add(path)
                path = path.rpartition(b"/")[0]
            self._parents[above] = found
        return found

    def _resolve(self, above: bytes, steps: list[Operation] | None) -> tuple[Node, bytes] | None:
        """The directory that a cleaned path leads to with its path without links.

        Missing ones are made where `steps` can take that; else, and where a part is no directory, the answer is `None`.
        """
        pending = above.split(b"/")[::-1]
        chain = [self._root]
        names: list[bytes] = []
        links = 0
        visited = 0
        while pending:
            part = pending.pop()
            if part in (b"", b"."):
                continue
            visited += 1
            if visited > _MAX_VISITED:
                raise LayerError(f"a part of its path leads through more than {_MAX_VISITED} names")
            if part == b"..":
                if names:
                    names.pop()
                    chain.pop()
                continue
            child = chain[-1].children.get(part)
            if child is None:
                if steps is None:
                    return None
                place = b"/".join(names)
                self._check_name(place, part)
                child = Node(DIRECTORY, 0o755, 0, 0, 0)
                self._index.add(chain[-1], part, child)
                steps.append(Operation(MAKE_DIRECTORY, place, part, child))
            elif child.kind == SYMLINK:
                links += 1
                if links > MAX_LINKS:
                    raise LayerError(f"a part of its path leads through more than {MAX_LINKS} symbolic links")
                if child.target.startswith(b"/"):
                    del chain[1:]
                    names.clear()
                pending.extend(child.target.split(b"/")[::-1])
                continue
            elif child.kind != DIRECTORY:
                return None
            chain.append(child)
            names.append(part)
        return chain[-1], b"/".join(names)

    def _check_name(self, place: bytes, name: bytes) -> None:
        if len(name) > MAX_NAME or len(place) + len(name) >= MAX_PATH or place.count(b"/") > 250:
            check_path(join(place, name))


def join(parent: bytes, name: bytes) -> bytes:
    """The path of `name` in the directory `parent`."""
    return parent + b"/" + name if parent else name


def _set_attributes(node: Node, entry: Entry) -> None:
    node.change(entry.mode, entry.uid, entry.gid, entry.mtime, entry.xattrs)
