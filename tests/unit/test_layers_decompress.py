"""Decompression by the first bytes: members, padding, junk, cuts, windows, bombs; with each library that is here."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
import zlib

import pytest

from sampan.errors import LayerError, ProgramMissing, UnsupportedContent
from sampan.layers import decompress, limits
from sampan.layers.limits import Allowance

pytestmark = pytest.mark.client
DATA = b"".join(b"%d " % number for number in range(150_000))


def inflated(blob: bytes, size: int = 10**9) -> bytes:
    allowance = Allowance()
    allowance.add_layer(size)
    return b"".join(decompress.decompressed(io.BytesIO(blob), allowance))


def refusal(blob: bytes) -> str:
    with pytest.raises(LayerError) as caught:
        inflated(blob)
    return caught.value.sentence


class Trickle:
    """A source that gives a byte or two at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self.stream = io.BytesIO(data)
        self.step = step

    def read(self, size: int) -> bytes:
        return self.stream.read(min(size, self.step))


def isal_is_here() -> bool:
    try:
        import isal  # noqa: F401
    except ImportError:
        return False
    return True


@pytest.fixture(params=["zlib", pytest.param("isal", marks=pytest.mark.skipif(not isal_is_here(), reason="no isal"))])
def gzip_library(request, monkeypatch):
    if request.param == "zlib":
        monkeypatch.setattr(decompress, "_gzip_library", lambda: zlib)


@pytest.mark.usefixtures("gzip_library")
class TestGzip:
    @pytest.mark.parametrize("level", [0, 1, 9])
    def test_content(self, level):
        assert inflated(gzip.compress(DATA, level)) == DATA

    @pytest.mark.parametrize("step", [1, 7, 1000])
    def test_from_small_pieces(self, step):
        blob = gzip.compress(DATA[:20000]) + gzip.compress(b"more")
        assert b"".join(decompress.decompressed(Trickle(blob, step), Allowance())) == DATA[:20000] + b"more"

    def test_members_and_padding(self):
        parts = [gzip.compress(DATA[at : at + 100_000]) for at in range(0, len(DATA), 100_000)]
        assert inflated(b"".join(parts)) == DATA
        assert inflated(gzip.compress(b"") * 1000 + gzip.compress(b"x")) == b"x"
        assert inflated(gzip.compress(DATA) + bytes(300_000)) == DATA

    def test_junk_behind(self):
        for junk in (b"x", b"junk" * 50_000, bytes(200_000) + b"x", bytes(10) + gzip.compress(b"y")):
            assert "other bytes behind" in refusal(gzip.compress(DATA) + junk)
        assert "damaged" in refusal(gzip.compress(DATA) + b"\x1fjunk, but begins well")

    def test_cut(self):
        blob = gzip.compress(DATA)
        for length in (11, 1000, len(blob) // 2, len(blob) - 9, len(blob) - 1):
            assert "cut" in refusal(blob[:length]), length
        assert "cut" in refusal(gzip.compress(b"x") + blob[:1000])

    def test_damage(self):
        blob = bytearray(gzip.compress(DATA))
        blob[len(blob) // 2] ^= 0xFF
        assert "damaged" in refusal(bytes(blob))
        blob = bytearray(gzip.compress(DATA))
        blob[-6] ^= 1  # the checksum
        assert "damaged" in refusal(bytes(blob))

    def test_a_bomb_stops_early_and_comes_in_pieces(self, monkeypatch):
        monkeypatch.setattr(limits, "FREE_BYTES", 10 << 20)
        monkeypatch.setattr(limits, "MAX_RATIO", 100)
        blob = gzip.compress(bytes(200 << 20))
        allowance = Allowance()
        allowance.add_layer(len(blob))
        sizes = []
        pieces = (sizes.append(len(piece)) for piece in decompress.decompressed(io.BytesIO(blob), allowance))
        with pytest.raises(LayerError, match="unpacks to more than 100 times"):
            list(pieces)
        assert max(sizes) <= 2 << 20
        assert sum(sizes) < 40 << 20


def zstd_program() -> str | None:
    return shutil.which("zstd")


@pytest.fixture(params=["library", "program"])
def zstd(request, monkeypatch):
    """Both ways to read zstd, each where it is here."""
    if request.param == "library" and decompress._zstd_library() is None:
        pytest.skip("no zstd library for this Python")
    if request.param == "program":
        if zstd_program() is None:
            pytest.skip("no zstd program")
        monkeypatch.setattr(decompress, "_zstd_library", lambda: None)


def zstd_compressed(data: bytes, *words: str) -> bytes:
    if zstd_program() is None:
        pytest.skip("no zstd program to make test data")
    return subprocess.run(["zstd", "-q", "-c", *words], input=data, stdout=subprocess.PIPE, check=True).stdout


SKIPPABLE = b"\x50\x2a\x4d\x18\x05\x00\x00\x00hello"


@pytest.mark.usefixtures("zstd")
class TestZstd:
    def test_content(self):
        assert inflated(zstd_compressed(DATA)) == DATA
        assert inflated(zstd_compressed(b"")) == b""

    def test_frames(self):
        assert inflated(zstd_compressed(DATA) + zstd_compressed(b"x") + SKIPPABLE + zstd_compressed(b"y")) == DATA + b"xy"
        assert inflated(SKIPPABLE + zstd_compressed(DATA)) == DATA

    def test_cut_junk_and_damage(self):
        blob = zstd_compressed(DATA)
        for length in (5, 1000, len(blob) - 1):
            assert "zstd data is" in refusal(blob[:length])
        assert "zstd data is damaged" in refusal(blob + b"junk that is no frame")
        spoilt = bytearray(blob)
        spoilt[len(blob) // 2] ^= 0xFF
        assert "zstd data is damaged" in refusal(bytes(spoilt))

    def test_window(self):
        assert inflated(zstd_compressed(DATA, "--long=27")) == DATA
        assert "zstd data is damaged" in refusal(zstd_compressed(bytes(300 << 20), "--long=28"))

    def test_an_error_of_the_source_passes(self):
        class Broken:
            pieces = iter([zstd_compressed(DATA)[:50_000]])

            def read(self, size):
                for piece in self.pieces:
                    return piece
                raise ConnectionResetError("cut")

        with pytest.raises(ConnectionResetError):
            list(decompress.decompressed(Broken(), Allowance()))

    def test_giving_up_in_the_middle(self):
        pieces = decompress.decompressed(io.BytesIO(zstd_compressed(DATA * 10)), Allowance())
        next(pieces)
        pieces.close()


def test_without_any_way_to_read_zstd(monkeypatch):
    monkeypatch.setattr(decompress, "_zstd_library", lambda: None)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ProgramMissing, match="compressed with zstd"):
        inflated(b"\x28\xb5\x2f\xfd" + bytes(100))


def test_no_compression_at_all():
    assert inflated(DATA) == DATA
    assert inflated(b"") == b""
    assert inflated(b"ab") == b"ab"


@pytest.mark.parametrize(("head", "name"), [(b"\xfd7zXZ\0", "xz"), (b"BZh9", "bzip2"), (b"\x04\x22\x4d\x18", "lz4")])
def test_others_are_named(head, name):
    with pytest.raises(UnsupportedContent, match=f"compressed with {name}"):
        inflated(head + bytes(100))
