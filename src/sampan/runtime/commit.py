"""`commit`: an image of a container: that of its own image with one layer more, which holds its changes."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from sampan.container import state
from sampan.errors import ImageNotFound, SampanError, UsageError
from sampan.image import commit as documents_of
from sampan.layers.follow import GrowingFile
from sampan.layers.unpack import Layer
from sampan.oci import mediatypes
from sampan.oci.config import ImageConfig
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, sha256_of
from sampan.oci.manifest import Manifest, parse_manifest
from sampan.oci.reference import Reference
from sampan.runtime import files, inside, life
from sampan.runtime.images import config_document, container_image
from sampan.runtime.run import now
from sampan.store import blobs, names, trees
from sampan.store.build import base_for, build
from sampan.store.leases import Lease
from sampan.store.names import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.container.record import ContainerImage, Record
    from sampan.image.commit import Words
    from sampan.runtime.session import Session


def commit(record: Record, name: str | None, words: Words, session: Session, *, pause: bool = True) -> ContainerImage:
    """Make an image of a container, which may run; a detached one is paused while it is read, unless `pause` is off.

    Without a name it is reached by its id. The name is given last: whatever happens before leaves nothing but what gc takes.
    Raises `UsageError`, `ContainerRunning`, `ImageNotFound` for what the store has not kept of the base, `NoSpace`, `StoreError`.
    """
    reference = Reference.parse(name) if name is not None else None
    if reference is not None and reference.digest is not None:
        raise UsageError(f"{name} names an image by its digest, which is not known before", "give it a tag")
    files.check_kept(record, f"a commit of {record.shown}")
    document = config_document(record.image, session)
    config = ImageConfig.from_document(document, f"the configuration of {record.image.reference}")
    step = {"created": now(), "created_by": " ".join(record.request.command or (*config.entrypoint, *config.cmd))}
    # What is wrong with a change is said before anything is read.
    documents_of.configuration(document, {}, words, step, ())
    try:
        with Lease(session.store) as lease:
            new = _changes(record, session, lease, pause=pause)
            diff_ids = [*config.diff_ids, new.digest]
            _unpack(lease, diff_ids, new, session)
            made = documents_of.configuration(document, _run(record, config), words, step, diff_ids)
            image = _describe(lease, made, [*_layers(record, session), new], diff_ids)
            image.platform, image.created = record.image.platform, step["created"]
            return container_image(session.store, _name(image, reference, session))
    except SampanError as error:
        raise error.about(f"cannot commit {record.shown}") from error.__cause__


# The layer


def _changes(record: Record, session: Session, lease: Lease, *, pause: bool) -> Descriptor:
    """The changes as a blob of the store."""
    pauses = pause and state.of(record.directory).word == "running" and _is_detached(record)
    blob = blobs.NewBlob(lease, what=f"the changes of {record.shown}")
    try:
        if pauses:
            life.pause(record)
        with inside.job(record, session, files.changes(record), files.task("layer", record, session)) as job:
            for piece in job.pieces():
                blob.write(piece)
            found = job.finish()
        digest, size = blob.finish()
    finally:
        if pauses:
            life.resume(record)
        blob.discard()
    files.warn_of(found, record.shown, session)
    return Descriptor(mediatypes.OCI_LAYER, digest, size)


def _is_detached(record: Record) -> bool:
    """Whether it runs in a session of its own: to stop one in the foreground is Ctrl-Z to the shell that started it."""
    process, watcher = state.inside(record.directory), state.watcher(record.directory)
    own = {one.pid for one in (process, watcher) if one is not None}
    try:
        return process is not None and os.getsid(process.pid) in own
    except OSError:
        return False


def _unpack(lease: Lease, diff_ids: Sequence[Digest], new: Descriptor, session: Session) -> None:
    """The tree: that of the base, linked, with the changes."""
    base = base_for(lease, diff_ids, session.sites)
    with ExitStack() as opened:
        layers = []
        for diff_id in diff_ids[base.depth :]:
            if diff_id != new.digest:
                raise ImageNotFound("the tree of its image is gone", "pull or load the image again")
            path = blobs.path_of(lease.store, diff_id)
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            opened.callback(os.close, descriptor)
            layers.append(Layer(GrowingFile.complete(descriptor), diff_id, os.fstat(descriptor).st_size))
        build(lease, diff_ids, base, layers, session.notice)


# Documents


def _layers(record: Record, session: Session) -> tuple[Descriptor, ...]:
    """The layers of the base, as its manifest names them."""
    what = f"the manifest of {record.image.reference}"
    for store in session.stores():
        try:
            content = blobs.read(store, Digest.parse(record.image.manifest))
        except FileNotFoundError:
            continue
        manifest = parse_manifest(content, what)
        if isinstance(manifest, Manifest):
            return manifest.layers
    raise ImageNotFound(f"{what} is not in the store", f"sampan pull {record.image.reference}")


def _run(record: Record, config: ImageConfig) -> dict[str, object]:
    """What the container was asked to run with, where that is not the image's: it becomes the image's default, as in Docker."""
    request = record.request
    found: dict[str, object] = {}
    if request.entrypoint is not None:
        found.update(Entrypoint=[request.entrypoint] if request.entrypoint else [], Cmd=[])
    if request.command:
        found["Cmd"] = list(request.command)
    stated = [pair for pair in request.environment if "=" in pair]  # a NAME alone is taken from the caller, each time
    if stated:
        pairs = [text.partition("=") for text in (*config.env, *stated)]
        found["Env"] = [f"{name}={value}" for name, value in {name: value for name, _, value in pairs}.items()]
    if request.labels:
        labels = [text.partition("=") for text in request.labels]
        found["Labels"] = {**config.labels, **{name: value for name, _, value in labels}}
    texts = (("User", request.user), ("WorkingDir", request.workdir), ("StopSignal", request.stop_signal))
    return {**found, **{key: text for key, text in texts if text is not None}}


def _describe(lease: Lease, made: dict[str, object], layers: Sequence[Descriptor], diff_ids: Sequence[Digest]) -> Image:
    """Store the documents; the record of the image without a name."""
    config_bytes = documents_of.document_bytes(made)
    config = Descriptor(mediatypes.OCI_CONFIG, sha256_of(config_bytes), len(config_bytes))
    content = documents_of.document_bytes(documents_of.manifest(config, layers))
    for data, digest in ((config_bytes, config.digest), (content, sha256_of(content))):
        blobs.add(lease, [data], digest)
    tree, _ = trees.longest_prefix(lease.store, diff_ids)
    if tree is None:
        raise ImageNotFound("its new tree was removed at once", "try again")
    return Image(
        reference=str(config.digest), manifest=str(sha256_of(content)), config=str(config.digest), chain=tree.chain,
        media_type=mediatypes.OCI_MANIFEST, size=sum(layer.size for layer in layers), unpacked=trees.facts(tree).size,
        pulled=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )  # fmt: skip


def _name(image: Image, reference: Reference | None, session: Session) -> Image:
    if reference is not None:
        image.reference = str(reference)
    known = [other for other in names.listing(session.store) if other.config == image.config and other.is_named]
    if reference is None and known:
        return known[0]
    names.put(session.store, image)
    return image
