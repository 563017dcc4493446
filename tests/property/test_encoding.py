"""A launch file survives being written and read; whatever the bytes, reading gives records or `UsageError`."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.engine.encoding import decode, encode, header
from sampan.errors import UsageError

pytestmark = pytest.mark.client

# Any bytes but NUL, as text that came from a file name.
FIELDS = st.binary(max_size=30).map(lambda data: os.fsdecode(data.replace(b"\0", b"")))
RECORDS = st.lists(st.lists(FIELDS, min_size=1, max_size=5).map(tuple), max_size=20)
PROGRAMS = st.none() | st.binary(min_size=1, max_size=200).map(
    lambda d: "/" + os.fsdecode(d.replace(b"\0", b"").replace(b"\n", b""))
)


@settings(max_examples=300, deadline=None, database=None)
@given(records=RECORDS, program=PROGRAMS)
def test_round_trip(records, program):
    assert decode(encode(records, header(program))) == records


@settings(max_examples=300, deadline=None, database=None)
@given(data=st.binary(max_size=200), records=RECORDS, at=st.integers(0, 200))
def test_any_bytes_are_read_or_refused(data, records, at):
    good = encode(records)
    for attack in (data, b"sampan-launch 1\0" + data, good[:at] + data + good[at:], good[:at]):
        try:
            found = decode(attack)
        except UsageError:
            continue
        assert encode(found, attack.partition(b"\0")[0]).count(b"\0") == attack.count(b"\0")
