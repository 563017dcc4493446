"""Blobs: content by its digest, in the form of an OCI layout that skopeo reads.

A blob gets its name only when it is whole, verified and on the disk. While it arrives it is `tmp/<digest>.partial`, locked by
whoever fetches it: another process waits and then finds it there, and what a killed one left is continued. Where there are
no locks each process has a file of its own instead, and the last rename wins; the content is the same.
"""

from __future__ import annotations

import io
import os
from contextlib import contextmanager

from sampan.errors import CorruptRecord, DigestMismatch, NoSpace, SampanError
from sampan.events import SILENT_NOTICE, Notice
from sampan.oci.digest import Digest, Verifier, new_hash
from sampan.store import layout
from sampan.store.locks import locked_file, release
from sampan.store.records import flush_directory, remove_if_there

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sampan.layers.follow import GrowingFile
    from sampan.store.layout import Store
    from sampan.store.leases import Lease

PARTIAL = ".partial"


def path_of(store: Store, digest: Digest) -> str:
    """Where the blob is, or would be."""
    return store.join("blobs/blobs", digest.algorithm, digest.encoded)


def size_of(store: Store, digest: Digest) -> int | None:
    """Its size in bytes; `None` if it is not there."""
    try:
        return os.stat(path_of(store, digest)).st_size
    except FileNotFoundError:
        return None


def read(store: Store, digest: Digest, limit: int = 4 << 20) -> bytes:
    """A small blob, verified. Raises FileNotFoundError, and `CorruptRecord` if it is not what its name says."""
    path = path_of(store, digest)
    with open(path, "rb") as stream:
        data = stream.read(limit + 1)
    content = new_hash(digest.algorithm)
    content.update(data)
    if content.hexdigest() != digest.encoded:
        raise CorruptRecord(
            f"the blob {path} is damaged: it does not match its digest"
            if len(data) <= limit
            else f"the blob {path} is too large",
            "`sampan store fsck --contents` finds all that is damaged",
        )
    return data


def add(lease: Lease, pieces: Iterable[bytes], digest: Digest | None = None, what: str = "a blob") -> tuple[Digest, int]:
    """Store bytes whose digest is not known or is to be checked; digest (sha256, if none was given) and size.

    Raises `DigestMismatch` if `digest` is given and does not fit, `NoSpace`, `StoreError`, and what `pieces` raises.
    """
    blob = NewBlob(lease, digest.algorithm if digest else "sha256", what)
    try:
        for piece in pieces:
            blob.write(piece)
        return blob.finish(digest)
    finally:
        blob.discard()


class NewBlob:
    """A blob that is written piece by piece under a temporary name, and hashed on the way. `discard` it in any case."""

    def __init__(self, lease: Lease, algorithm: str = "sha256", what: str = "a blob") -> None:
        """Raises `UnsupportedContent` for an algorithm that cannot be verified, `NoSpace`, `StoreError`."""
        self._lease = lease
        self._what = what
        self._algorithm = algorithm
        self._content = new_hash(algorithm)
        self._temporary = lease.store.temporary("blob")
        self.size = 0
        try:
            self._stream = open(self._temporary, "xb", buffering=0)
        except OSError as error:
            raise self._failure(error) from error

    def write(self, piece: bytes | memoryview) -> None:
        """Add a piece. Raises `NoSpace`, `StoreError`."""
        self._content.update(piece)
        self.size += len(piece)
        view = memoryview(piece)
        try:
            while view:
                view = view[self._stream.write(view) :]
        except OSError as error:
            raise self._failure(error) from error

    def finish(self, digest: Digest | None = None) -> tuple[Digest, int]:
        """All is written: give it its name; its digest and size. Raises `DigestMismatch` if `digest` is another."""
        found = Digest(self._algorithm, self._content.hexdigest())
        if digest is not None and found != digest:
            raise DigestMismatch(f"{self._what} does not match its digest {digest.short}: its bytes have {found.short}")
        self._lease.add(str(found))
        try:
            os.fsync(self._stream.fileno())
            _give_name(self._lease.store, self._temporary, found)
        except OSError as error:
            raise self._failure(error) from error
        return found, self.size

    def discard(self) -> None:
        """Close it, and remove what was written unless it has its name."""
        self._stream.close()
        remove_if_there(self._temporary)

    def _failure(self, error: OSError) -> SampanError:
        return layout.failure(self._lease.store, f"cannot store {self._what}", error)


class Partial(io.FileIO):
    """A blob on its way, open for reading and writing, with its reader told of what arrives."""

    def __init__(self, descriptor: int, follower: GrowingFile | None) -> None:
        super().__init__(descriptor, "r+b")
        self._follower = follower
        self._told = 0
        self._spoilt = False
        # What an earlier try left may be wrong, and is then fetched again: not to be unpacked before all is verified.
        self._tells = follower is not None and not os.fstat(descriptor).st_size
        if follower is not None:
            follower.attach(descriptor)

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Write all of it."""
        view = memoryview(data)
        while view:
            view = view[super().write(view) :]
        if self._tells:
            self._tell(len(data))
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        """Cut the file, because what it holds is wrong. A follower that has read of it cannot go on."""
        self._spoilt = self._told > 0
        self._tells = False
        return super().truncate(size)

    def complete(self) -> None:
        """All is there and verified."""
        if self._follower is not None:
            if self._spoilt:
                self._follower.fail(DigestMismatch("a blob was wrong when it was first fetched and unpacked"))
            self._tell(os.fstat(self.fileno()).st_size - self._told)
            self._follower.finish()

    def _tell(self, amount: int) -> None:
        self._told += amount
        if self._follower is not None:
            self._follower.advance(amount)


@contextmanager
def fetching(
    lease: Lease, digest: Digest, follower: GrowingFile | None = None, notice: Notice = SILENT_NOTICE
) -> Iterator[Partial | None]:
    """Bring one blob into the store: gives a file to fetch it into, or `None` if it is there already.

    The file may hold the beginning of the blob from an earlier try. When the block ends without an error it must hold exactly
    the verified blob (`registry.blobs.fetch` sees to that); it is flushed and named then. After an error what was received
    stays for the next time. A `follower` can be unpacked meanwhile, and ends with whatever the block ends with.
    Raises `StoreError`, `NoSpace`.
    """
    store = lease.store
    lease.add(str(digest))
    path = ""
    try:
        descriptor, path = _open_partial(store, digest, notice)
        if descriptor < 0:
            _follow_complete(store, digest, follower)
            yield None
            return
        with Partial(descriptor, follower) as file:
            try:
                yield file
                os.fsync(file.fileno())
                _give_name(store, path, digest)
                file.complete()
            finally:
                release(descriptor)
    except BaseException as error:
        caught = layout.failure(store, f"cannot store blob {digest.short}", error) if isinstance(error, OSError) else error
        if isinstance(caught, NoSpace) and path:
            remove_if_there(path)  # a full disk is left as it was
        if follower is not None:
            follower.fail(caught)
        if caught is error:
            raise
        raise caught from error


def discard_partial(store: Store, digest: Digest) -> None:
    """Remove what an earlier try left of a blob, unless somebody is at it. Where there are no locks, the sweep does it by age."""
    path = store.join("tmp", f"{digest.algorithm}-{digest.encoded}{PARTIAL}")
    if os.path.exists(path):
        try:
            descriptor, held = locked_file(path, SILENT_NOTICE, "", wait=False)
        except OSError:
            return
        try:
            if held:
                remove_if_there(path)
        finally:
            release(descriptor)
            os.close(descriptor)


def copy_from(stores: Sequence[Store], digest: Digest, file: Partial) -> bool:
    """Copy a blob that one of the other stores has into `file`, verified; False if none has it, or the file is not empty."""
    if os.fstat(file.fileno()).st_size:
        return False
    for store in stores:
        try:
            verify(store, digest)  # first, for what is copied may be followed at once
            with open(path_of(store, digest), "rb", buffering=0) as stream:
                while piece := stream.read(1 << 20):
                    file.write(piece)
        except (FileNotFoundError, PermissionError, DigestMismatch):
            continue
        return True
    return False


def _open_partial(store: Store, digest: Digest, notice: Notice) -> tuple[int, str]:
    """The locked file to fetch into with its path; -1 if the blob is there, perhaps because another process just fetched it."""
    goal = path_of(store, digest)
    if os.path.exists(goal):
        return -1, ""
    path = store.join("tmp", f"{digest.algorithm}-{digest.encoded}{PARTIAL}")
    descriptor, held = locked_file(path, notice, f"fetches blob {digest.short}")
    try:
        if os.path.exists(goal):
            if held:
                remove_if_there(path)
            os.close(descriptor)
            return -1, ""
        if not held:
            os.close(descriptor)
            path = store.temporary("blob")
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, path


def _follow_complete(store: Store, digest: Digest, follower: GrowingFile | None) -> None:
    if follower is None:
        return
    descriptor = os.open(path_of(store, digest), os.O_RDONLY | os.O_CLOEXEC)
    try:
        follower.attach(descriptor)
        follower.advance(os.fstat(descriptor).st_size)
        follower.finish()
    finally:
        os.close(descriptor)


def _give_name(store: Store, temporary: str, digest: Digest) -> None:
    goal = path_of(store, digest)
    os.chmod(temporary, 0o644)  # as `records.put`
    try:
        os.rename(temporary, goal)
    except FileNotFoundError:
        # Another algorithm's first blob, or a network file system that renamed and lost the answer.
        if os.path.exists(goal):
            return
        os.makedirs(os.path.dirname(goal), exist_ok=True)
        os.chmod(os.path.dirname(goal), layout.READABLE)
        os.rename(temporary, goal)
    except OSError:
        if not os.path.exists(goal):
            raise
    flush_directory(os.path.dirname(goal))


def verify(store: Store, digest: Digest) -> None:
    """Read the whole blob. Raises FileNotFoundError, `DigestMismatch`."""
    path = path_of(store, digest)
    verifier = Verifier(digest, None, f"the blob {path}")
    with open(path, "rb", buffering=0) as stream:
        while piece := stream.read(1 << 20):
            verifier.update(piece)
    verifier.finish()


def listing(store: Store) -> list[tuple[Digest, int, float]]:
    """Every blob with its size and the time it was stored; files with other names are left out."""
    found = []
    base = store.join("blobs/blobs")
    for algorithm in os.listdir(base) if os.path.isdir(base) else ():
        with os.scandir(f"{base}/{algorithm}") as entries:
            for entry in entries:
                try:
                    digest = Digest(algorithm, entry.name)
                    status = entry.stat(follow_symlinks=False)
                except (SampanError, FileNotFoundError):
                    continue
                found.append((digest, status.st_size, status.st_mtime))
    return sorted(found, key=lambda item: str(item[0]))
