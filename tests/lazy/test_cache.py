"""The node's cache: whole or not at all, bounded, shared, refused where it cannot be trusted."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pytest

from sampan.cvmfs.client.cache import Cache
from sampan.cvmfs.hashing import Hash
from sampan.errors import HostError


def named(data: bytes) -> Hash:
    return Hash.of(data)


def test_what_is_added_is_there(tmp_path):
    cache = Cache(str(tmp_path / "c"), 1 << 20)
    stored = cache.add(named(b"x"), "P", b"content")
    assert stored.read(0, 99) == b"content"
    again = Cache(str(tmp_path / "c"), 1 << 20).open(named(b"x"), "P", 7)
    assert again is not None
    assert again.read(3, 2) == b"te"
    assert cache.open(named(b"x")) is None, "the suffix is part of the name"
    assert os.listdir(tmp_path / "c/txn") == []


def test_a_file_of_another_size_is_a_leftover(tmp_path):
    cache = Cache(str(tmp_path / "c"), 0)
    cache.add(named(b"x"), "", b"short")
    assert cache.open(named(b"x"), "", 9) is None
    assert not cache.has(named(b"x"))


def test_the_least_recently_used_goes_and_open_files_stay(tmp_path):
    cache = Cache(str(tmp_path / "c"), 1_000_000)
    first = cache.add(named(b"0"), "", bytes(100_000))
    for number in range(1, 9):
        cache.add(named(b"%d" % number), "", bytes(100_000))
    old = time.time() - 90_000
    for number in range(9):
        os.utime(cache.path(named(b"%d" % number)), (old + number, old + number))
    assert cache.open(named(b"1")) is not None  # used just now
    for number in range(9, 14):
        cache.add(named(b"%d" % number), "", bytes(100_000))
    assert cache.measure() <= 1_000_000
    assert cache.has(named(b"1"))
    assert not cache.has(named(b"0"))
    assert len(first.read(0, 1 << 20)) == 100_000


def write_for_ever(path: str, seed: int) -> None:
    cache = Cache(path, 3_000_000)
    number = 0
    while True:
        number += 1
        data = b"%d" % (number % 97) * 9_000
        stored = cache.add(named(data), "", data)
        assert stored.read(0, len(data)) == data


def test_processes_share_it_and_kills_leave_it_whole(tmp_path):
    path = str(tmp_path / "c")
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_for_ever, args=(path, n)) for n in range(3)]
    for writer in writers:
        writer.start()
    time.sleep(0.6)
    for writer in writers:
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
    cache = Cache(path, 3_000_000)
    seen = 0
    for number in range(97):
        data = b"%d" % number * 9_000
        found = cache.open(named(data))
        if found is not None:
            seen += 1
            assert found.read(0, 1 << 20) == data
    assert seen
    cache.clean(0)
    assert cache.measure() <= 1_500_000
    assert os.listdir(tmp_path / "c/txn") == []


def test_an_alien_cache_is_shared_and_has_no_limit(tmp_path):
    cache = Cache(str(tmp_path / "c"), 10, shared=True)
    cache.add(named(b"x"), "", bytes(1000))
    assert cache.has(named(b"x"))
    assert os.stat(cache.path(named(b"x"))).st_mode & 0o060


def test_a_directory_that_others_can_write_is_refused(tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c").chmod(0o777)
    with pytest.raises(HostError, match="not a directory of yours alone"):
        Cache(str(tmp_path / "c"), 0)


def test_a_cache_that_cannot_be_written_is_refused(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    (tmp_path / "c").mkdir(mode=0o500)
    with pytest.raises(HostError, match="cannot be used"):
        Cache(str(tmp_path / "c"), 0)


def test_without_room_the_content_is_read_all_the_same(tmp_path):
    if not os.path.exists("/dev/full") or os.geteuid() == 0:
        pytest.skip("needs an ordinary user")
    cache = Cache(str(tmp_path / "c"), 0)
    (tmp_path / "c/txn").chmod(0o500)
    try:
        assert cache.add(named(b"x"), "", b"content").read(0, 9) == b"content"
    finally:
        (tmp_path / "c/txn").chmod(0o700)
    assert not cache.has(named(b"x"))
