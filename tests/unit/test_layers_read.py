"""The tar reader: every spelling of an entry, and every way an archive can be wrong."""

from __future__ import annotations

import io
import tarfile

import pytest

from sampan.errors import LayerError
from sampan.layers import limits
from sampan.layers.limits import Allowance
from sampan.layers.read import TarReader
from tests.images.tarbytes import (
    END,
    FORMS,
    archive,
    device,
    directory,
    fifo,
    file,
    hardlink,
    header,
    long,
    member,
    padded,
    pax,
    symlink,
)  # fmt: skip

pytestmark = pytest.mark.client
BINARY_SIZE = b"\x80" + (3).to_bytes(11, "big")


def read(data: bytes, piece: int = 1 << 20):
    """The entries with their bodies, from pieces of this size."""
    reader = TarReader((data[at : at + piece] for at in range(0, len(data), piece)), Allowance())
    found = []
    for entry in reader:
        content = bytearray(entry.size)
        for offset, view in reader.body():
            content[offset : offset + len(view)] = view
        found.append((entry, bytes(content)))
    return found


def one(*members: bytes):
    """The only entry of an archive and its body."""
    ((entry, content),) = read(archive(*members))
    return entry, content


def refusal(data: bytes) -> str:
    with pytest.raises(LayerError) as caught:
        read(data)
    return caught.value.sentence


@pytest.mark.parametrize("piece", [1, 7, 512, 513, 1 << 20])
@pytest.mark.parametrize("form", FORMS)
def test_all_kinds_in_all_forms_from_pieces_of_any_size(form, piece):
    data = archive(
        directory("etc/", 0o1777, form=form), file("etc/a", b"x" * 1000, mode=0o4755, uid=70000, gid=7, form=form),
        symlink("l", "/etc/a", form=form), hardlink("h", "./etc/a", form=form), fifo("f", form=form),
        device("sda", 8, 1, form=form), device("null", 1, 3, type=b"3", form=form), file("empty", form=form),
    )  # fmt: skip
    found = {entry.path: (entry, content) for entry, content in read(data, piece)}
    assert list(found) == [b"etc/", b"etc/a", b"l", b"h", b"f", b"sda", b"null", b"empty"]
    entry, content = found[b"etc/a"]
    assert (entry.kind, entry.mode, entry.uid, entry.gid, entry.size, content) == ("file", 0o4755, 70000, 7, 1000, b"x" * 1000)
    assert entry.mtime == 1_700_000_000 * 10**9
    kinds = {path: (entry.kind, entry.target, entry.device) for path, (entry, _) in found.items()}
    assert kinds[b"etc/"] == ("dir", b"", (0, 0))
    assert kinds[b"l"] == ("link", b"/etc/a", (0, 0))
    assert kinds[b"h"] == ("hard link", b"./etc/a", (0, 0))
    assert kinds[b"f"] == ("fifo", b"", (0, 0))
    assert kinds[b"sda"] == ("block", b"", (8, 1))
    assert kinds[b"null"] == ("char", b"", (1, 3))
    assert found[b"etc/"][0].mode == 0o1777


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_what_tarfile_writes(form):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, size in (("a" * 300, 5), ("ü/x", 700), ("d" * 90 + "/" + "e" * 90, 0)):
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.uid = size, 1234567890, 5_000_000
            tar.addfile(info, io.BytesIO(b"z" * size))
    found = read(out.getvalue(), 1000)
    assert [(entry.path.decode(), entry.size, entry.uid) for entry, _ in found] == [
        ("a" * 300, 5, 5_000_000), ("ü/x", 700, 5_000_000), ("d" * 90 + "/" + "e" * 90, 0, 5_000_000),
    ]  # fmt: skip


class TestNumbers:
    @pytest.mark.parametrize(
        ("field", "size"),
        [(b"00000000003\0", 3), (b"         3 \0", 3), (b"3\0\0\0\0\0\0\0\0\0\0\0", 3), (b"\0" * 12, 0), (b" " * 12, 0), (b"3\0 junk after", 3),
         (b"00000000003 ", 3), (BINARY_SIZE, 3)],
    )  # fmt: skip
    def test_good(self, field, size):
        entry, content = one(header(name="a", size=field[:12]) + padded(b"abc"[:size]))
        assert (entry.size, content) == (size, b"abc"[:size])

    @pytest.mark.parametrize(
        "field",
        [
            b"-0000000003\0",
            b"0x000000003\0",
            b"0o3\0",
            b"1_0\0",
            b"3 3\0",
            b"8\0",
            b"junk\0",
            b"+3\0",
            b"\xff" * 12,
            b"\xff" * 11 + b"\xf0",
            "\uff13".encode(),
        ],
    )
    def test_bad(self, field):
        assert "is not a number" in refusal(archive(header(name="a", size=field)))

    @pytest.mark.parametrize("name", ["mode", "uid", "gid", "mtime"])
    def test_bad_ones_elsewhere(self, name):
        assert "is not a number" in refusal(archive(header(name="a", **{name: b"0x1\0"})))

    def test_only_a_time_may_be_negative(self):
        assert one(header(name="a", mtime=b"\xff" * 12))[0].mtime == -(10**9)
        assert "is not a number" in refusal(archive(header(name="a", uid=b"\xff" * 8)))

    def test_ids_have_32_bits(self):
        assert one(header(name="a", uid=b"\x80\0\0\0\xff\xff\xff\xff"))[0].uid == 0xFFFFFFFF
        assert "does not fit 32 bits" in refusal(archive(header(name="a", uid=b"\x80\0\0\x01\0\0\0\0")))
        assert "does not fit 32 bits" in refusal(archive(pax(("gid", "99999999999")), file("a")))

    def test_times_are_of_this_age(self):
        assert "thousands of years" in refusal(archive(header(name="a", mtime=b"\x80" + b"\x7f" * 11)))
        assert "thousands of years" in refusal(archive(pax(("mtime", "9" * 19)), file("a")))


class TestChecksum:
    def test_wrong(self):
        assert "checksum does not match" in refusal(archive(header(name="a", checksum=b"012345\0 ")))
        assert "byte 512 of the archive" in refusal(archive(file("a"), header(name="b", checksum=b"0\0      ")))
        assert "is not a number" in refusal(archive(header(name="b", checksum=b"zz\0     ")))

    def test_signed_as_old_sun_tars_have_it(self):
        block = bytearray(header(name="ü", checksum=b" " * 8))
        block[148:156] = b"%06o\0 " % sum(b - 256 if b > 127 else b for b in block)
        assert one(bytes(block))[0].path == "ü".encode()

    def test_every_flipped_bit_is_noticed(self):
        block = header(name="name", prefix="ü")
        for at in set(range(512)) - {155}:  # the filler behind the checksum's own NUL
            spoilt = bytearray(block)
            spoilt[at] ^= 0x80
            with pytest.raises(LayerError):
                read(archive(bytes(spoilt)))

    def test_garbage_is_no_archive(self):
        assert "checksum" in refusal(b"\x89PNG\r\n\x1a\n" * 100)


class TestNames:
    def test_prefix_only_with_the_posix_magic(self):
        assert one(header(name="a", prefix="p"))[0].path == b"p/a"
        assert one(header(name="a", prefix="p", magic=b"ustar  \0"))[0].path == b"a"
        assert one(header(name="a", prefix="p", magic=b"\0" * 8))[0].path == b"a"

    def test_star_has_a_shorter_prefix(self):
        block = bytearray(header(name="a", prefix=b"p" * 131 + b"00000000001 00000000001 ", checksum=b" " * 8))
        block[508:512] = b"tar\0"
        block[148:156] = b"%06o\0 " % sum(block)
        assert one(bytes(block))[0].path == b"p" * 131 + b"/a"

    def test_a_nul_ends_a_long_name(self):
        assert one(long("a\0junk", b"L"), file("x"))[0].path == b"a"

    def test_a_nul_in_pax_is_refused(self):
        for key in ("path", "linkpath", "GNU.sparse.name"):
            assert "has a NUL in it" in refusal(archive(pax((key, "a\0b")), file("x")))

    def test_control_characters_pass_and_are_escaped_in_sentences(self):
        name = b"a\x1b[2J\n\xff"
        assert one(file(name))[0].path == name
        sentence = refusal(archive(header(name=name, type=b"Z")))
        assert sentence.isprintable()
        assert r"\x1b[2J" in sentence

    def test_a_slash_at_the_end(self):
        assert one(file("d/"))[0].kind == "dir"
        assert one(header(name="d/", type=b"\0"))[0].kind == "dir"
        assert "ends with a slash" in refusal(archive(file("d/", b"x")))

    def test_too_long(self):
        assert "longer than the limit of 4096" in refusal(archive(long("a" * 5000, b"L"), file("x")))
        assert "longer than the limit of 4096" in refusal(archive(long("a" * 5000, b"K"), symlink("x", "y")))
        assert len(one(pax(("path", "a" * 5000)), file("x"))[0].path) == 5000  # the merge knows how long a path may be

    def test_long_names_belong_to_the_next_entry_only(self):
        first, second = read(archive(long("long", b"L"), long("target", b"K"), symlink("x", "y"), symlink("z", "w")))
        assert (first[0].path, first[0].target) == (b"long", b"target")
        assert (second[0].path, second[0].target) == (b"z", b"w")


class TestTypes:
    @pytest.mark.parametrize("type", [b"0", b"\0", b"7"])
    def test_files(self, type):
        entry, content = one(member("a", type, b"abc"))
        assert (entry.kind, content) == ("file", b"abc")

    @pytest.mark.parametrize("type", [b"8", b"9", b"A", b"D", b"M", b"N", b"V", b"X", b"Z", b"a", b" ", b"\xff"])
    def test_unknown_ones_are_refused(self, type):
        assert "is unknown" in refusal(archive(member("a", type)))

    def test_only_files_have_a_body(self):
        data = archive(*(member("a", type, size=1000, link="b") for type in (b"1", b"2", b"3", b"4", b"5", b"6")), file("end"))
        assert [entry.size for entry, _ in read(data)] == [0] * 7


class TestPax:
    def test_records_win(self):
        entry, content = one(
            pax(("path", "p"), ("uid", "1"), ("gid", "2"), ("mtime", "-1.5"), ("size", "4"), ("comment", "x"), ("hdrcharset", "BINARY")),
            header(name="h", uid=5, gid=6, size=2) + padded(b"abcd"),
        )  # fmt: skip
        assert (entry.path, entry.uid, entry.gid, entry.mtime, content) == (b"p", 1, 2, -1_500_000_000, b"abcd")

    def test_the_size_of_pax_always_wins_so_no_entry_is_smuggled(self):
        inner = padded(archive(file("smuggled")))
        for order in ((0, 1), (1, 0)):
            extra = [pax(("size", str(len(inner)))), long("outer", b"L")]
            found = read(archive(extra[order[0]], extra[order[1]], header(name="x", size=0), inner, file("end")))
            assert [entry.path for entry, _ in found] == [b"outer", b"end"]
        # The other way round: the header says more than the records.
        found = read(archive(pax(("size", "0")), header(name="outer", size=len(inner)), file("seen")))
        assert [entry.path for entry, _ in found] == [b"outer", b"seen"]

    def test_several_extended_headers_add_up(self):
        entry, content = one(pax(("size", "3")), pax(("path", "p")), header(name="x", size=0), padded(b"abc"))
        assert (entry.path, content) == (b"p", b"abc")

    def test_they_end_with_their_entry(self):
        assert [entry.path for entry, _ in read(archive(pax(("path", "p")), file("x"), file("y")))] == [b"p", b"y"]

    def test_an_empty_value_takes_back(self):
        assert one(pax(("path", "p"), ("path", "")), file("x"))[0].path == b"x"

    def test_global_ones_are_ignored(self):
        found = read(archive(pax(("path", "/tmp/evil"), ("size", "9"), ("uid", "7"), type=b"g"), file("x", b"abc")))
        assert [(entry.path, entry.uid, content) for entry, content in found] == [(b"x", 0, b"abc")]

    @pytest.mark.parametrize(
        ("mtime", "expected"),
        [
            ("1", 10**9),
            ("1.25", 1_250_000_000),
            ("0.000000001", 1),
            ("0.0000000019", 1),
            ("-0.5", -500_000_000),
            ("7.", 7 * 10**9),
            (".5", 500_000_000),
        ],
    )
    def test_times(self, mtime, expected):
        assert one(pax(("mtime", mtime)), file("x"))[0].mtime == expected

    @pytest.mark.parametrize("mtime", ["x", "1e3", "--1", "1.-5", "-", ".", "0x1", "1 ", "nan"])
    def test_bad_times(self, mtime):
        assert "is not a number" in refusal(archive(pax(("mtime", mtime)), file("x")))

    @pytest.mark.parametrize("record", [("size", "-1"), ("size", "1.0"), ("size", "9" * 21), ("uid", "-1"), ("gid", "x")])
    def test_bad_numbers(self, record):
        assert "is not a number" in refusal(archive(pax(record), file("x")))

    @pytest.mark.parametrize("body", [b"9 path=a\n9", b"99 path=a\n", b"0 path=a\n", b"-9 path=a\n", b"path=a\n", b"9 path=a ", b"7 =abc\n", b"6 abc\n",
                                      b"1000000000000 a=b\n", b"9 path=a\n\0\0\0", b"3 \n"])  # fmt: skip
    def test_broken_records(self, body):
        assert "extended header has a record" in refusal(
            archive(header(name="p", type=b"x", size=len(body)) + padded(body), file("x"))
        )

    def test_too_much(self):
        half = limits.MAX_EXTENDED // 2
        assert "longer than the limit" in refusal(archive(header(name="p", type=b"x", size=2 * half + 1)))
        assert "longer than the limit" in refusal(archive(*[pax(("comment", b"x" * half))] * 2, file("x")))
        assert "longer than the limit" in refusal(archive(header(name="p", type=b"g", size=2 * half + 1)))


class TestAttributes:
    def test_both_spellings(self):
        entry, _ = one(
            pax(
                ("SCHILY.xattr.user.b", b"\0\xff="),
                ("LIBARCHIVE.xattr.user.%61", "AP8"),
                ("SCHILY.xattr.security.capability", b"\1"),
            ),
            file("x"),
        )
        assert entry.xattrs == ((b"security.capability", b"\1"), (b"user.a", b"\0\xff"), (b"user.b", b"\0\xff="))

    def test_those_of_overlayfs_are_dropped(self):
        records = [
            ("SCHILY.xattr.trusted.overlay.opaque", "y"),
            ("SCHILY.xattr.user.overlay.redirect", "/etc"),
            ("LIBARCHIVE.xattr.user.overlay.x", "AA=="),
        ]
        assert one(pax(*records), file("x"))[0].xattrs == ()

    def test_limits(self):
        assert "longer than the limit of 65536" in refusal(archive(pax(("SCHILY.xattr.user.a", b"x" * 65537)), file("x")))
        assert "impossible name" in refusal(archive(pax(("SCHILY.xattr." + "a" * 256, "x")), file("x")))
        assert "impossible name" in refusal(archive(pax(("SCHILY.xattr.", "x")), file("x")))
        assert "impossible name" in refusal(archive(pax(("LIBARCHIVE.xattr.a%00b", "AA==")), file("x")))
        assert "is not base64" in refusal(archive(pax(("LIBARCHIVE.xattr.user.a", "A")), file("x")))


class TestEnds:
    @pytest.mark.parametrize("end", [b"", END, END[:512], END * 20, END + b"anything at all", END[:100]])
    def test_all_that_end_between_entries(self, end):
        assert [content for _, content in read(file("a", b"abc") + end)] == [b"abc"]

    def test_nothing_at_all(self):
        assert read(b"") == read(END) == []

    def test_a_lone_zero_block(self):
        assert "single zero block" in refusal(file("a") + bytes(512) + file("b") + END)

    def test_cut_anywhere(self):
        data = pax(("path", "p")) + file("a", b"x" * 600) + symlink("s", "t")
        for length in range(1, len(data)):
            if length % 512 or length < 3 * 512 + 1024:
                if 3 * 512 + 600 <= length < 3 * 512 + 1024:
                    continue  # in what fills the last block
                assert "cut" in refusal(data[:length]), length

    def test_without_what_fills_the_last_block(self):
        """Umoci 0.4 writes such layers; the diff_id says whether anything is missing."""
        for data in (file("a", b"x" * 600), symlink("s", "t") + file("a", b"x" * 600)):
            assert [entry.path for entry, _ in read(data[:-424])][-1] == b"a"

    def test_cut_before_the_entry_that_was_announced(self):
        for before in (pax(("path", "p")), long("n", b"L"), long("t", b"K")):
            assert "ends after an extended header" in refusal(archive(before))

    def test_a_body_that_nobody_takes_is_skipped(self):
        data = archive(file("a", b"x" * 5000), file("b", b"y" * 10), file("c"))
        reader = TarReader((data[at : at + 700] for at in range(0, len(data), 700)), Allowance())
        assert [entry.path for entry in reader] == [b"a", b"b", b"c"]


class TestAllowance:
    def test_entries(self, monkeypatch):
        monkeypatch.setattr(limits, "MAX_ENTRIES", 3)
        assert "more than 3 entries" in refusal(archive(*[file("a")] * 4))

    def test_size(self):
        allowance = Allowance()
        allowance.add_layer(10**6)
        allowance.add_entry(1 << 30)
        allowance.add_entry(10**9)
        with pytest.raises(LayerError, match="more than 1000 times its compressed size"):
            allowance.add_entry(1)
