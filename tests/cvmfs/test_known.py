"""Expectations byte for byte, from a repository that the official tools made: names, hashes, rows, signed texts."""

from __future__ import annotations

import hashlib
import io
import sqlite3
import stat
import subprocess
import zlib

import pytest

from sampan.cvmfs import manifest, publish, whitelist
from sampan.cvmfs.catalog import Catalog
from sampan.cvmfs.entry import Entry, directory, expand_target, pack_xattrs, regular, symlink, unpack_xattrs
from sampan.cvmfs.hashing import Hash, path_key
from sampan.cvmfs.keys import Certificate, PublicKey
from sampan.cvmfs.letter import split
from sampan.cvmfs.reader import Repository
from sampan.errors import RepositoryError

pytestmark = pytest.mark.client

MANIFEST = b"""C084c03d0c5a32344ef01d94cc7ec121650f18e05
B18432
Rd41d8cd98f00b204e9800998ecf8427e
D240
S2
Gyes
Ano
Ntest.sampan.org
X905e5f9a5ed76076b3cba2557393ea409d69e37f
H4374122831e916f8f248c2740dd210cec6133700
T1795226418
M85e4f386da0d5d77c7f66cf2f58e10951f24b653
Yb64c8175d4b46c51ec45af865663a706d1b65dd2
"""
WHITELIST = b"""20261121015948
E20261221015948
Ntest.sampan.org
1A:A1:DE:69:81:DE:CC:6E:B8:B4:1C:79:13:E0:C7:88:F0:B4:9A:38
"""


def test_the_manifest_of_the_official_tools():
    found = manifest.parse(MANIFEST)
    assert found.text() == MANIFEST
    assert (found.fqrn, found.revision, found.root_size, found.timestamp) == ("test.sampan.org", 2, 18432, 1795226418)
    assert str(found.root) == "084c03d0c5a32344ef01d94cc7ec121650f18e05"


def test_the_whitelist_of_the_official_tools():
    found = whitelist.parse(WHITELIST)
    assert found.text() == WHITELIST
    assert found.expires - found.issued == 30 * 86400
    more = whitelist.parse(WHITELIST + b"Vpkcs7\nAB:CD-SHAKE128 # a comment\n#EE:FF\n")
    assert more.fingerprints == (*found.fingerprints, "AB:CD-SHAKE128")


def test_names_of_objects():
    empty = Hash.of(zlib.compress(b"", 6))
    assert empty.text == "e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78"
    assert empty.path() == "data/e8/ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78"
    catalog = Hash.of(b"", "shake128")
    assert catalog.text == "7f9c2ba4e88f827d616045507605853ed73b8093-shake128"
    assert catalog.path("C") == "data/7f/9c2ba4e88f827d616045507605853ed73b8093-shake128C"
    assert Hash.of(b"", "rmd160").text == "9c1185a5c5e9fc54612808977ee8f548b2258d31-rmd160"
    for one in (empty, catalog):
        assert Hash.parse(one.text) == one
    for wrong in ("", "e8", empty.text.upper(), empty.text + "-", empty.text + "-md5", empty.text + "C", empty.text + "-sha1"):
        with pytest.raises(RepositoryError):
            Hash.parse(wrong)


def test_keys_of_paths():
    """The parent of the root's children in the dump."""
    assert path_key(b"") == (338333539836370388, 9098107892288553193)
    assert path_key(b"/a")[0] == int.from_bytes(hashlib.md5(b"/a").digest()[:8], "little", signed=True)


def test_the_blob_of_extended_attributes():
    blob = bytes.fromhex("01010803") + b"user.foobar"
    assert pack_xattrs(((b"user.foo", b"bar"),)) == blob
    assert unpack_xattrs(blob) == ((b"user.foo", b"bar"),)
    assert pack_xattrs(()) is None
    with pytest.raises(RepositoryError, match="longer than the 255 bytes"):
        pack_xattrs(((b"user.a", b"x" * 256),))


def test_variables_in_links():
    assert expand_target(b"$(MYARCH:-amd64)/x", {}) == b"amd64/x"
    assert expand_target(b"$(MYARCH:-amd64)/x", {"MYARCH": "arm64"}) == b"arm64/x"
    assert expand_target(b"a/$(NONE)b$(", {}) == b"a/b$("


ROWS = [
    # name, entry, (hardlinks, size, mode, mtimens, flags, symlink)
    (b"images", directory(0o755), (2, 4096, 0o40755, None, 1, b"")),
    (b"variant", symlink(b"$(MYARCH:-amd64)/x"), (1, 18, 0o120777, None, 12, b"$(MYARCH:-amd64)/x")),
    (b"fifo", Entry(b"", stat.S_IFIFO | 0o644, 0, 0, 0, 5), (1, 0, 0o10644, 5, 20, b"")),
    (b"blk", Entry(b"", stat.S_IFBLK | 0o644, 0, 0, 0, 0, device=7 << 8 | 5), (1, 1797, 0o60644, None, 20, b"")),
]


def rows_of(store, hash, tmp_path) -> sqlite3.Connection:
    path = tmp_path / "catalog.db"
    path.write_bytes(zlib.decompress(store.get(hash, "C")))
    connection = sqlite3.connect(path)
    connection.text_factory = bytes
    return connection


def test_rows_and_tables_are_those_of_the_official_tools(store, signer, tmp_path):
    with publish.begin(store, signer) as publication:
        empty = publication.bodies.add(io.BytesIO(b""))
        hello = publication.bodies.add(io.BytesIO(b"hello\n"))
        assert hello.hash.text == "5798f7f4ca7585d850eea64610a1f73d8f8de7a3"  # of the file in the dump
        for name, one, _ in ROWS:
            publication.put(b"/" + name, one)
        publication.put(b"/empty", regular(empty, 0o640, uid=1000, gid=2000))
        publication.put(b"/file", regular(hello, mtime=1577934245 * 10**9)._replace(xattrs=((b"user.foo", b"bar"),)))
        publication.graft(b"/img", [(b"bin", directory()), (b"bin/suid", regular(hello, 0o4755))])
        state = publication.commit()
    connection = rows_of(store, state.root, tmp_path)
    assert connection.execute("PRAGMA page_size").fetchone() == (1024,)
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE sql IS NOT NULL")}
    assert tables == {
        b"properties",
        b"catalog",
        b"idx_catalog_parent",
        b"chunks",
        b"nested_catalogs",
        b"bind_mountpoints",
        b"statistics",
    }
    found = {
        row[0]: row[1:] for row in connection.execute("SELECT name, hardlinks, size, mode, mtimens, flags, symlink FROM catalog")
    }
    for name, _, row in ROWS:
        assert found[name] == row
    assert found[b""] == (4, 4096, 0o40755, None, 1, b"")
    assert found[b"img"][3:5] == (None, 3)
    assert found[b"empty"] == (1, 0, 0o100640, None, 4, b"")
    sql = "SELECT hash, xattr, uid, typeof(name), parent_1, parent_2, mtime FROM catalog WHERE name = CAST(? AS TEXT)"
    assert connection.execute(sql, (b"file",)).fetchone() == (
        hello.hash.digest, bytes.fromhex("01010803") + b"user.foobar", 0, b"text", *path_key(b""), 1577934245,
    )  # fmt: skip
    assert connection.execute(sql, (b"images",)).fetchone()[0] is None
    properties = dict(connection.execute("SELECT key, value FROM properties"))
    assert (properties[b"schema"], properties[b"schema_revision"], properties[b"revision"], properties[b"TTL"]) == (
        b"2.5",
        b"7",
        b"2",
        b"240",
    )
    assert b"root_prefix" not in properties
    ((path, text, size),) = connection.execute("SELECT * FROM nested_catalogs").fetchall()
    counts = dict(connection.execute("SELECT counter, value FROM statistics"))
    assert (counts[b"self_dir"], counts[b"self_nested"], counts[b"self_xattr"], counts[b"self_special"]) == (3, 1, 1, 2)
    assert (counts[b"subtree_dir"], counts[b"subtree_regular"], counts[b"subtree_file_size"]) == (2, 2, 6)
    assert len(counts) == 24
    connection.close()

    connection = rows_of(store, Hash.parse(text.decode()), tmp_path)
    assert path == b"/img"
    assert size == (tmp_path / "catalog.db").stat().st_size
    found = {row[0]: row[1:] for row in connection.execute("SELECT name, flags, parent_1, parent_2 FROM catalog")}
    assert found[b"img"] == (33, *path_key(b""))
    assert found[b".cvmfscatalog"][0] == 4 | 0x8000
    properties = dict(connection.execute("SELECT key, value FROM properties"))
    assert (properties[b"root_prefix"], properties[b"previous_revision"]) == (b"/img", b"0" * 40)
    connection.close()


def test_signatures_by_openssl(store, signer, key_directory, tmp_path):
    """The manifest by the certificate's key, PKCS#1 v1.5 over SHA-1; the whitelist by the master key, with nothing but padding."""
    for name, words in (
        (".cvmfspublished", ["dgst", "-sha1", "-verify", "PUB", "-signature", "SIG", "TEXT"]),
        (
            ".cvmfswhitelist",
            [
                "pkeyutl",
                "-verify",
                "-pubin",
                "-inkey",
                "PUB",
                "-sigfile",
                "SIG",
                "-in",
                "TEXT",
                "-pkeyopt",
                "rsa_padding_mode:pkcs1",
            ],
        ),
    ):
        parts = split(store.get_root_file(name), name)
        (tmp_path / "text").write_bytes(parts.hash_text)
        (tmp_path / "signature").write_bytes(parts.signature)
        certificate = key_directory / "test.example.org.crt"
        key = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-pubkey"], check=True, capture_output=True).stdout
        (tmp_path / "pub").write_bytes(
            key if name == ".cvmfspublished" else (key_directory / "test.example.org.pub").read_bytes()
        )
        places = {"PUB": tmp_path / "pub", "SIG": tmp_path / "signature", "TEXT": tmp_path / "text"}
        done = subprocess.run(["openssl", *(str(places.get(word, word)) for word in words)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert len(parts.signature) == 256
        assert parts.hash_text == hashlib.sha1(parts.text).hexdigest().encode()


def test_the_fingerprint_is_that_of_openssl(signer, key_directory):
    shown = subprocess.run(
        ["openssl", "x509", "-in", key_directory / "test.example.org.crt", "-noout", "-fingerprint", "-sha1"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert shown.strip().partition("=")[2] == signer.certificate.fingerprint("sha1")
    assert signer.certificate.fingerprint("shake128").endswith("-SHAKE128")


def test_keys_in_the_older_form(key_directory, tmp_path):
    """PKCS#1, as older openssl wrote keys."""
    from sampan.cvmfs.keys import PrivateKey

    source = key_directory / "test.example.org.masterkey"
    for words, label in ((["-traditional"], b"RSA PRIVATE"), (["-RSAPublicKey_out"], b"RSA PUBLIC")):
        subprocess.run(["openssl", "rsa", "-in", source, "-out", tmp_path / "key", *words], check=True, capture_output=True)
        text = (tmp_path / "key").read_bytes()
        assert label in text
        key = PrivateKey.load(text, "key").public if b"PRIVATE" in text else PublicKey.load(text)
        assert key == PublicKey.load((key_directory / "test.example.org.pub").read_bytes())


def test_old_schemas_are_read_and_carried_on(store, signer):
    """Catalogs of older tools lack columns; the first change adds them."""
    with publish.begin(store, signer) as publication:
        publication.put(b"/d/f", regular(publication.bodies.add(io.BytesIO(b"x")), mtime=10**18 + 5))
        publication.nest(b"/d")
        publication.commit()
    older(store, signer)
    repository = Repository.open(store, (signer.public,))
    assert repository.catalog_of(b"/d/f").properties["schema_revision"] == "1"
    assert repository.lookup(b"/d/f").mtime == 10**18
    with publish.begin(store, signer) as publication:
        publication.put(b"/d/g", symlink(b"f", mtime=7)._replace(xattrs=((b"user.a", b"b"),)))
        publication.commit()
    repository = Repository.open(store, (signer.public,))
    assert repository.catalog_of(b"/d/f").properties["schema_revision"] == "7"
    assert repository.lookup(b"/d/g").xattrs == ((b"user.a", b"b"),)
    assert repository.lookup(b"/d/f").mtime == 10**18


def older(store, signer) -> None:
    """The catalog at /d as a tool of schema revision 1 would have left it."""
    from sampan.cvmfs import database
    from sampan.cvmfs.deposit import Deposit
    from sampan.cvmfs.release import Release
    from sampan.cvmfs.scratch import scratch_directory

    with scratch_directory() as scratch:
        release = Release.load(store, signer, scratch)
        found = release.base.root_catalog()
        deposit = Deposit(store, "sha1")
        changed = {}
        for path, hash in ((b"/d", found.nested[b"/d"].hash), (b"", found.hash)):
            draft = database.Draft(scratch, data=release.base.contents.content(hash, "C"))
            if path:
                draft.set("schema_revision", "1")
                draft.connection.execute("ALTER TABLE catalog DROP COLUMN mtimens") if sqlite3.sqlite_version_info >= (
                    3,
                    35,
                ) else None
                draft.connection.execute("ALTER TABLE catalog DROP COLUMN xattr") if sqlite3.sqlite_version_info >= (
                    3,
                    35,
                ) else None
                draft.connection.execute("DROP TABLE bind_mountpoints")
            else:
                text, size = changed[b"/d"]
                draft.connection.execute("UPDATE nested_catalogs SET sha1 = ?, size = ?", (text, size))
            data = draft.finished()
            changed[path] = (deposit.add(data, "C").text, len(data))
        release.publish((Hash.parse(changed[b""][0]), changed[b""][1]))


def test_a_catalog_elsewhere_than_it_was_made_for(store, signer):
    """As bind mount points have it: keys are made of the path it was made for."""
    with publish.begin(store, signer) as publication:
        publication.graft(b"/old", [(b"a", directory()), (b"a/f", symlink(b"x"))], limit=2)
        publication.commit()
    repository = Repository.open(store, (signer.public,))
    hash, size = repository.root_catalog().nested[b"/old"]
    from sampan.cvmfs import database

    moved = Catalog(database.opened(repository.contents.content(hash, "C")), b"/new/place", hash, size)
    assert moved.lookup(b"/new/place").name == b"place"
    assert [one.name for one in moved.listdir(b"/new/place")] == [b"a"]
    assert list(moved.nested) == [b"/new/place/a"]


def test_certificate_of_another_kind_is_refused(tmp_path):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", tmp_path / "k",
         "-out", tmp_path / "c", "-subj", "/CN=x"], check=True, capture_output=True,
    )  # fmt: skip
    with pytest.raises(RepositoryError, match="not an RSA key"):
        Certificate.load((tmp_path / "c").read_bytes())
