"""Invariant: whatever a gateway answers, it is a JSON object with a status that is a text, or a ProtocolError that can be printed; metainfo likewise."""

from __future__ import annotations

from sampan.cvmfs import metainfo
from sampan.cvmfs.gateway import Gateway, Key, understood
from sampan.errors import ProtocolError, RepositoryBusy, RepositoryError, Unauthorized

SEEDS = [
    b'{"status":"ok","session_token":"abc"}',
    b'{"status":"path_busy","time_remaining":"12s"}',
    b'{"status":"error","reason":"invalid_key"}',
    b'{"status":"ok","final_revision":7}',
    b'{"custom":{"sampan":{"compressor":"zlib-6","sample":"00"}}}',
]


class Saying(Gateway):
    """A gateway whose every answer is the same."""

    def __init__(self, data: bytes) -> None:
        super().__init__("http://gateway", Key("i", "s"), None)
        self.data = data

    def _call(self, method, path, body, signed, headers=None):
        return understood(self.data, method)


def test_one(data: bytes) -> None:
    for call, kind in (
        (lambda g: g.lease("a/b"), str),
        (lambda g: g.commit("t", "0", "1", ("", "")), int),
        (lambda g: g.send("t", []), type(None)),
    ):
        try:
            assert isinstance(call(Saying(data)), kind)
        except (ProtocolError, RepositoryBusy, Unauthorized) as error:
            assert error.sentence.isprintable()
    try:
        found = metainfo.parse(data)
    except RepositoryError as error:
        assert error.sentence.isprintable()
    else:
        assert metainfo.parse(found.recording("zlib-6", "x").written()).compressor == "zlib-6"
