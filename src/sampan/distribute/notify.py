"""Telling others what was published: JSON lines in a file, and POST requests to webhooks. A listener that fails fails no run.

One event an image that was published, removed or failed, and one for the run; unchanged images are no event. The documents are
those of `report.py`, with `event` and `repository` in front.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from sampan.distribute.report import UNCHANGED
from sampan.errors import HostError, SampanError
from sampan.registry.pacing import Transient
from sampan.registry.transport import Body, Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sampan.distribute.report import Report
    from sampan.events import Notice
    from sampan.registry.transport import Transport


def events(run: Report) -> Iterator[dict[str, object]]:
    """The events of a run, in order."""
    about = {"repository": run.repository, "list": run.label, "time": run.ended, "revision": run.revision}
    for row in run.rows:
        if row.outcome != UNCHANGED:
            yield {"event": f"image {row.outcome}", **about, **row.document()}
    yield {"event": "run ended", **about, "images": len(run.rows), "failed": len(run.failed)}


def append(path: str, run: Report) -> None:
    """Add the events to a file, a line each, in one write. Raises `HostError`."""
    data = b"".join(json.dumps(event, ensure_ascii=False).encode() + b"\n" for event in events(run))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise HostError(f"cannot write notifications to {path}: {error.strerror}") from error


def send(url: str, run: Report, transport: Transport, notice: Notice) -> None:
    """POST the run with its events to a webhook, as one JSON document; what goes wrong is a warning."""
    document = {**run.document(), "events": list(events(run))}
    data = json.dumps(document, ensure_ascii=False).encode()
    request = Request("POST", url, {"Content-Type": "application/json"}, body=Body.of(data))
    shown = url.partition("?")[0]
    try:
        with transport.send(request) as answer:
            answer.first_bytes()
            if answer.status >= 300:
                notice.warn(f"the webhook {shown} answered {answer.status}")
    except (SampanError, Transient) as error:
        notice.warn(f"the webhook {shown} was not reached: {error}")


def deliver(run: Report, files: Sequence[str], urls: Sequence[str], transport: Transport, notice: Notice) -> None:
    """Tell all listeners; a dry run is told nobody."""
    if run.dry_run:
        return
    for path in files:
        try:
            append(path, run)
        except HostError as error:
            notice.warn(error.sentence, error.hint)
    for url in urls:
        send(url, run, transport, notice)
