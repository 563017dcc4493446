"""The image phase: the image of a job in the store of the node, the one that was meant."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.errors import BadReference, SampanError
from sampan.jobs import phases
from sampan.jobs.phases import Failed
from sampan.oci.reference import Reference
from sampan.runtime import images, run

if TYPE_CHECKING:
    from sampan.container.record import ContainerImage
    from sampan.container.request import Request
    from sampan.jobs.spec import Job
    from sampan.runtime.session import Session
    from sampan.runtime.watched import Starter


def bring(directory: str, job: Job, starter: Starter, session: Session) -> ContainerImage:
    """The image, out of a store, the job's own archive or its registry. Raises `Failed`.

    With a digest it is that image, whatever the tag says by now.
    """
    request = job.request
    try:
        found = _in_store(request, job, session, starter)
        if found is None and job.source:
            _load(f"{directory}/{job.source}", request.image, session)
            found = _in_store(request, job, session, starter)
        if found is None:
            found = run.image_for(_pinned(request, job), session)
    except SampanError as error:
        raise Failed(phases.NO_IMAGE, f"cannot bring the image {request.image}: {error.sentence}", error.hint) from error
    if job.digest and found.manifest != job.digest:
        raise Failed(
            phases.NO_IMAGE, f"the image {request.image} has the digest {found.manifest} and should have {job.digest}",
            "it was made again under the same name; submit the job with the new digest",
        )  # fmt: skip
    return found


def _in_store(request: Request, job: Job, session: Session, starter: Starter) -> ContainerImage | None:
    if not job.digest:  # what the tag says now, not a moment ago
        return images.find(request.image, session, request.platform)
    found = starter.find(request.image, request.platform)
    if found is None or found.manifest == job.digest:
        return found
    return starter.find(_pinned(request, job).image, request.platform)


def _pinned(request: Request, job: Job) -> Request:
    """The request for the digest instead of the tag."""
    if not job.digest:
        return request
    try:
        reference = Reference.parse(request.image)
    except BadReference:
        return request
    return request.but(image=f"{reference.familiar_name}@{job.digest}")


def _load(archive: str, name: str, session: Session) -> None:
    from sampan.runtime import load

    if not os.path.exists(archive):
        raise Failed(phases.NO_IMAGE, f"the archive of the image, {archive}, is missing")
    load.load(archive, name=name, session=session)
