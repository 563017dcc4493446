"""Invariant: whatever the Link and Warning headers, the next page is at the registry's origin or there is none, and warnings can be printed."""

from __future__ import annotations

from sampan.errors import ProtocolError
from sampan.registry.addresses import origin_of
from sampan.registry.links import next_link
from sampan.registry.pacing import retry_after_in
from sampan.registry.remarks import rate_limit, warnings_in

URL = "https://q.io:5000/v2/x/tags/list?n=5"
SEEDS = [
    b'</v2/x/tags/list?last=b&n=5>; rel="next", <https://a/b>; rel=first',
    b'https://q.io:5000/x; rel=next; title="a, b"\n<//evil/x>;rel="next"',
    b'299 - "a \\"b\\"", 110 q "c"',
    b"retry-after: 1h2m3.5s, x\n100;w=21600",
]


def test_one(data: bytes) -> None:
    text = data.decode("latin-1")
    lines = text.split("\n")
    try:
        found = next_link(lines, URL)
        assert found is None or origin_of(found) == origin_of(URL)
    except ProtocolError as error:
        assert error.sentence.isprintable()
    assert all(warning.isprintable() and warning for warning in warnings_in(text))
    assert rate_limit({"RateLimit-Limit": text}).isprintable()
    seconds = retry_after_in(text)
    assert seconds is None or seconds >= 0
