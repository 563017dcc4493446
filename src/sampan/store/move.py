"""Take the whole store to another directory; where it was stays a symbolic link, so that settings and launch files still work.

Theory of operation. On one file system it is a rename. To another one everything is copied: what never changes (blobs, trees,
programs) is copied under a temporary name and renamed, so that it is there whole or not, and a second run goes on after it;
what can change (names, pins, containers) is copied anew in each run. Hard links between trees stay. The new store becomes one
(its file `format`) when all is there and on the disk, each tree was compared with its index, and nothing of the old one changed
meanwhile. Then one exchange of names puts the link in the old one's place, and only then the old one is removed. Whatever dies
when, there is one whole store under the old name.

The file `moving` in the new directory says from where it comes, until it is the store.
"""

from __future__ import annotations

import ctypes
import errno
import os

from sampan.errors import StoreError, UsageError
from sampan.events import Task
from sampan.layers.copy import Copying
from sampan.layers.ondisk import NEW_FILE, copy_content
from sampan.layers.removal import remove
from sampan.store import build, gc, glance, layout, leases, ocilayout, records, sweep, trees
from sampan.store.layout import Store
from sampan.store.leases import names_below
from sampan.store.treecheck import TreeCheck

_MOVING = "moving"
_ASIDE = ".moved-"
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


def move(store: Store, target: str, task: Task) -> None:
    """Make `target`, an absolute path, the store's directory. `task` is told the bytes copied.

    Raises `UsageError` for a target that cannot be, `StoreError`, `NoSpace`; then the store is where it was.
    """
    source = os.path.realpath(store.path)
    target = os.path.normpath(target)
    if _finished(store, target):
        return
    _check(store, source, target)
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        _refuse_use(store)
        if not _rename(store, source, target):
            _Move(store, source, target, task).run()
    except OSError as error:
        raise layout.failure(Store(target), f"cannot move the store {store.path} to {target}", error) from error


def _check(store: Store, source: str, target: str) -> None:
    if not os.path.exists(store.join("format")):
        raise StoreError(f"there is no store in {store.path} yet", "set SAMPAN_HOME to the new directory")
    real = os.path.join(os.path.realpath(os.path.dirname(target)), os.path.basename(target))
    if real == source:
        raise UsageError(f"the store is in {target} already")
    if real.startswith(source + "/") or source.startswith(real + "/"):
        raise UsageError(f"{target} and the store {source} are one inside the other", "choose a directory beside it")
    if os.path.islink(target) and os.readlink(target) == target:
        return  # what an earlier run prepared
    if os.path.isdir(target) and (not os.listdir(target) or _comes_from(target) == source):
        return
    if os.path.lexists(target):
        raise UsageError(f"{target} is there already and not an empty directory", "choose one that does not exist")


def _finished(store: Store, target: str) -> bool:
    """Bring a move to its end that was killed when the new store was complete; False if there was none."""
    origin = _comes_from(target)
    if not origin or not os.path.exists(os.path.join(target, "format")):
        return False
    try:
        if not os.path.lexists(store.path):
            os.symlink(target, store.path)  # killed between two renames, where there is no exchange of names
        if os.path.realpath(store.path) != os.path.realpath(target):
            return False
        for name in os.listdir(os.path.dirname(origin)):
            if name.startswith(os.path.basename(origin) + _ASIDE):
                _remove(os.path.join(os.path.dirname(origin), name))
        os.unlink(os.path.join(target, _MOVING))
    except OSError as error:
        raise layout.failure(Store(target), f"cannot remove what is left of the store in {origin}", error) from error
    return True


def _comes_from(target: str) -> str:
    """From where an unfinished move to `target` is; empty if there is none."""
    try:
        with open(os.path.join(target, _MOVING), encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read().rstrip("\n")
    except OSError:
        return ""


def _refuse_use(store: Store) -> None:
    sweep.leftovers(store)
    busy = leases.leased(store)
    if busy:
        raise StoreError(f"another sampan is at work in the store {store.path}", "try again when it has ended")
    for chain, pid in gc.mounted().items():
        if chain in trees.names(store):
            raise StoreError(f"process {pid} runs from the store {store.path}", "try again when it has ended")


def _rename(store: Store, source: str, target: str) -> bool:
    """Move by name alone; False if `target` is on another file system, or an unfinished copy."""
    if os.path.isdir(target) and not os.path.islink(target):
        if os.listdir(target):
            return False
        os.rmdir(target)
    if os.stat(source).st_dev != os.stat(os.path.dirname(target)).st_dev:
        return False
    if os.path.islink(target):
        os.unlink(target)
    os.symlink(target, target)  # in its own place it leads nowhere; in the old one's, to the new
    if not _exchange(source, target):
        os.unlink(target)
        os.rename(source, target)
        os.symlink(target, source)
    _point(store, source, target)
    return True


def _point(store: Store, source: str, target: str) -> None:
    """Where the store was reached by a link, let that link lead to the new place, and leave none at the one between."""
    if os.path.islink(store.path) and os.path.abspath(store.path) != source:
        place = f"{store.path}.{os.urandom(4).hex()}"
        os.symlink(target, place)
        os.rename(place, store.path)
        if os.path.islink(source):
            os.unlink(source)


def _exchange(one: str, other: str) -> bool:
    """Exchange two names in one step (renameat2(2)); False where that does not exist."""
    library = ctypes.CDLL(None, use_errno=True)
    try:
        call = library.renameat2
    except AttributeError:
        return False
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EXDEV, errno.EOPNOTSUPP):
        return False
    raise OSError(number, os.strerror(number), one)


class _Move:
    """A move that copies."""

    def __init__(self, store: Store, source: str, target: str, task: Task) -> None:
        self._store = store
        self._old = Store(source)
        self._new = Store(target)
        self._task = task

    def run(self) -> None:
        """Copy, compare, exchange, remove."""
        old, new = self._old, self._new
        self._prepare()
        base = os.open(new.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            copying = Copying(base, self._task)
            for kind in ("trees", "programs"):
                self._whole_directories(copying, kind)
            self._blobs()
            before = self._changing()
            for kind in ("containers", "pins", "names", "applications"):
                if os.path.exists(new.join(kind)):
                    remove(base, kind)
                if os.path.exists(old.join(kind)):  # there are only applications once one was added
                    copying.directory(old.join(kind), kind.encode())
        finally:
            os.close(base)
        ocilayout.write_index(new)
        build.flush_file_system(new.path)
        self._compare()
        _refuse_use(old)
        if before != self._changing():
            raise StoreError(
                f"the store {old.path} was changed while it was copied", "run the command again: it goes on where it was"
            )
        with open(old.join("format"), "rb") as stream:
            records.put(new.join("format"), new.temporary("format"), stream.read())
        self._switch()

    def _prepare(self) -> None:
        new = self._new
        os.makedirs(new.path, 0o700, exist_ok=True)
        os.chmod(new.path, os.stat(self._old.path).st_mode & 0o7777)
        with open(new.join(_MOVING), "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(f"{self._old.path}\n")
        for name in layout.DIRECTORIES:
            os.makedirs(new.join(name), exist_ok=True)
            os.chmod(new.join(name), os.stat(self._old.join(name)).st_mode & 0o7777)
        for name in ("blobs/oci-layout", "shared"):
            if os.path.exists(self._old.join(name)):
                with open(self._old.join(name), "rb") as stream:
                    records.put(new.join(name), new.temporary("file"), stream.read())
        parent = os.open(new.join("tmp"), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in os.listdir(parent):
                remove(parent, name)
        finally:
            os.close(parent)

    def _whole_directories(self, copying: Copying, kind: str) -> None:
        """Directories that never change once they have their name."""
        old, new = self._old, self._new
        for name in names_below(old.join(kind)):
            goal = os.fsencode(f"{kind}/{name}")
            if os.path.exists(new.join(kind, name)):
                copying.found(old.join(kind, name), goal)
                continue
            place = os.path.relpath(new.temporary("moved"), new.path)
            copying.directory(old.join(kind, name), os.fsencode(place))
            os.rename(new.join(place), new.join(kind, name))
            copying.moved(goal)

    def _blobs(self) -> None:
        old, new = self._old, self._new
        for algorithm in names_below(old.join("blobs/blobs")):
            os.makedirs(new.join("blobs/blobs", algorithm), exist_ok=True)
            os.chmod(new.join("blobs/blobs", algorithm), os.stat(old.join("blobs/blobs", algorithm)).st_mode & 0o7777)
            for name in names_below(old.join("blobs/blobs", algorithm)):
                goal = new.join("blobs/blobs", algorithm, name)
                if not os.path.exists(goal):
                    self._blob(old.join("blobs/blobs", algorithm, name), goal)

    def _blob(self, source: str, goal: str) -> None:
        place = self._new.temporary("blob")
        with open(source, "rb", buffering=0) as reading:
            status = os.fstat(reading.fileno())
            writing = os.open(place, NEW_FILE, 0o644)
            try:
                copy_content(reading.fileno(), writing, status.st_size)
                os.fchmod(writing, status.st_mode & 0o777)
                os.utime(writing, ns=(status.st_atime_ns, status.st_mtime_ns))
            finally:
                os.close(writing)
        os.rename(place, goal)
        self._task.advance(status.st_size)

    def _changing(self) -> list[tuple[str, float]]:
        """What tells that somebody used the old store: its names with the times of their records."""
        found = []
        for kind in ("names", "pins", "containers", "containers/names", "trees", "blobs/blobs/sha256"):
            for name in (*names_below(self._old.join(kind)), "."):
                status = os.lstat(self._old.join(kind, name))
                found.append((f"{kind}/{name}", status.st_mtime))
        for name in names_below(self._old.join("containers")):
            mark = self._old.join("containers", name, "running")
            if os.path.exists(mark):
                found.append((mark, os.stat(mark).st_mtime))
        return found

    def _compare(self) -> None:
        """Raises `StoreError` if a tree is not what it was."""
        everyone = self._new.is_shared()
        checker = TreeCheck(contents=False, task=Task(), everyone=everyone)
        for tree in trees.listing(self._new):
            if glance.is_clean(tree, everyone=everyone):
                continue
            fault = next(checker.faults(tree), "")
            original = trees.find(self._old, tree.chain)
            if fault and original is not None and not list(checker.faults(original)):
                raise StoreError(f"the copy of the store differs: {fault}", "the store is where it was; choose another directory")

    def _switch(self) -> None:
        """Let the old name lead to the new store, and remove the old one."""
        old, new = self._old, self._new
        aside = f"{old.path}{_ASIDE}{os.urandom(4).hex()}"
        os.symlink(new.path, aside)
        if not _exchange(aside, old.path):
            place = f"{aside}-old"
            os.rename(old.path, place)
            os.rename(aside, old.path)
            aside = place
        _point(self._store, old.path, new.path)
        _remove(aside)
        os.unlink(new.join(_MOVING))


def _remove(path: str) -> None:
    parent = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        remove(parent, os.path.basename(path))
    finally:
        os.close(parent)
