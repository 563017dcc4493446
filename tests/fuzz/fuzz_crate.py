"""Invariant: whatever the metadata or the record of a crate holds, it is read with every place inside of it or a URI, or refused in one sentence."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from zlib import crc32

from sampan.errors import SampanError
from sampan.executions import crate, model, rerun, states
from sampan.executions.iterate import Axis, combine
from sampan.jobs import uris
from sampan.oci.digest import sha256_of

_DESCRIPTOR = json.dumps(
    {
        "name": "count", "tool-version": "1", "description": "d", "schema-version": "0.5", "command-line": "wc [TEXT] [N] > [OUT]",
        "container-image": {"type": "docker", "image": "debian:12"},
        "inputs": [{"id": "text", "name": "t", "type": "File", "value-key": "[TEXT]"}, {"id": "n", "name": "n", "type": "Number", "value-key": "[N]"}],
        "output-files": [{"id": "out", "name": "o", "path-template": "[TEXT].n", "value-key": "[OUT]"}],
    }
).encode()  # fmt: skip
_DIGEST = str(sha256_of(_DESCRIPTOR))
_EXECUTION = model.Execution(
    "20261125-050000-ab12", "n", "2026-11-25T05:00:00Z", model.Application("count", "1", _DIGEST, "docker.io/library/debian:12", _DIGEST),
    {"n": 1}, combine([Axis("text", ("a.txt", "/data/b.txt"))]),
)  # fmt: skip
_ACTIONS = tuple(
    crate.Action(
        number, f"job {number}", states.FINISHED, "2026-11-25T05:00:00+00:00", "2026-11-25T05:00:00+00:00", values=(("n", 1),),
        used=(("text", crate.Content(place, name, _DIGEST, 3)),), made=(("out", crate.Content(f"{number}/a.n", "a.n", _DIGEST, 3)),),
    )
    for number, place, name in ((1, "inputs/1/a.txt", "a.txt"), (2, "file:///data/b.txt", "/data/b.txt"))
)  # fmt: skip
_CRATE = crate.Crate(
    "id", "t", "d", "2026-11-25T05:00:00+00:00", "ana", crate.NO_LICENSE, "count", "1", "d", _DIGEST, "", "", None, "0.1.0",
    (crate.Parameter("text", "t", "File"), crate.Parameter("n", "n", "Number"), crate.Parameter("out", "o", "File", output=True)), _ACTIONS,
)  # fmt: skip
_METADATA = json.dumps(crate.document(_CRATE)).encode()
_RECORD = json.dumps(model.document(replace(_EXECUTION, digests={"a.txt": _DIGEST}))).encode()
SEEDS = [_METADATA, _RECORD]
_PLACE = tempfile.mkdtemp(prefix="sampan-fuzz-")
atexit.register(shutil.rmtree, _PLACE, ignore_errors=True)


def test_one(data: bytes) -> None:
    as_record = data[:10] == _RECORD[:10] or crc32(data) % 2
    for name, content in ((crate.DESCRIPTOR, _DESCRIPTOR), (crate.METADATA, _METADATA), (crate.RECORD, _RECORD)):
        fuzzed = name == (crate.RECORD if as_record else crate.METADATA)
        Path(_PLACE, name).write_bytes(data if fuzzed else content)
    try:
        earlier = rerun.read(_PLACE)
        wanted = rerun.wanted(earlier, "origin", rerun.limits_of(earlier))
    except SampanError as error:
        assert error.sentence.isprintable(), error.sentence
        return
    assert not wanted.settings.words
    for place, digest in earlier.inputs.values():
        outside = uris.scheme_of(place) or not place.startswith(f"{_PLACE}/")
        assert outside or os.path.normpath(place) == place
        assert digest == "" or digest.startswith("sha256:")
