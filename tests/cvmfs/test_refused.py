"""What must not be believed is refused by name: flipped bytes, foreign keys, expired and older documents, hostile catalogs."""

from __future__ import annotations

import io
import os
import sqlite3
import time
import zlib

import pytest

from sampan.cvmfs import bodies, database, manifest, publish, resign
from sampan.cvmfs.catalog import Catalog
from sampan.cvmfs.entry import directory, regular
from sampan.cvmfs.hashing import Hash
from sampan.cvmfs.keys import PublicKey, Signer, public_keys
from sampan.cvmfs.letter import hash_text, join, split
from sampan.cvmfs.objects import unpacked
from sampan.cvmfs.reader import Repository
from sampan.cvmfs.trust import Rules, Seen
from sampan.cvmfs.whitelist import Blacklist
from sampan.errors import DigestMismatch, IntegrityError, NotInRepository, RepositoryError, SampanError, UsageError
from tests.cvmfs.conftest import FQRN, make_keys

pytestmark = pytest.mark.client


@pytest.fixture
def published(store, signer, monkeypatch):
    """A repository with every kind of object; a large file is one of more than 2000 bytes."""
    monkeypatch.setattr(bodies, "WHOLE", 2000)
    monkeypatch.setattr(bodies, "CUT", 1500)
    with publish.begin(store, signer) as publication:
        publication.graft(b"/i", [(b"f", regular(publication.bodies.add(io.BytesIO(b"some content"))))])
        publication.put(b"/big", regular(publication.bodies.add(io.BytesIO(os.urandom(3500)))))
        publication.commit({"v1": "x"})
    return store


def read_all(store, signer, rules=None) -> None:
    repository = Repository.open(store, (signer.public,), fqrn=FQRN, rules=rules)
    assert repository.history
    assert repository.metainfo
    assert repository.reflog
    for _, one in repository.walk():
        if one.is_file:
            repository.read(one)


def flipped(data: bytes, at: int, by: int = 1) -> bytes:
    return data[:at] + bytes((data[at] ^ by,)) + data[at + 1 :]


def test_every_flipped_byte_of_an_object_is_refused(published, signer):
    read_all(published, signer)
    used = {hash.path(suffix) for hash, suffix in reached(published, signer)}
    assert len(used) == 4 + 1 + 1 + 3
    for name in sorted(used):
        path = f"{published.path}/{name}"
        with open(path, "rb") as stream:
            right = stream.read()
        step = max(len(right) // 12, 1)
        for at in {0, len(right) - 1, *range(0, len(right), step)}:
            replace(path, flipped(right, at))
            with pytest.raises(IntegrityError):
                read_all(published, signer)
        for wrong in (right[:-1], right + b"\0", b""):
            replace(path, wrong)
            with pytest.raises(IntegrityError):
                read_all(published, signer)
        os.unlink(path)
        with pytest.raises(NotInRepository, match="has no data/"):
            read_all(published, signer)
        replace(path, right)
    read_all(published, signer)


def reached(store, signer):
    repository = Repository.open(store, (signer.public,))
    state = repository.manifest
    yield from ((state.certificate, "X"), (state.history, "H"), (state.metainfo, "M"), (state.root, "C"))
    yield from ((nested.hash, "C") for nested in repository.root_catalog().nested.values())
    for _, one in repository.walk():
        if one.body is not None:
            yield from ((chunk.hash, "P") for chunk in one.body.chunks) if one.body.chunks else ((one.body.hash, ""),)


def replace(path: str, data: bytes) -> None:
    with open(path + ".new", "wb") as stream:
        stream.write(data)
    os.replace(path + ".new", path)


@pytest.mark.parametrize("name", [".cvmfspublished", ".cvmfswhitelist"])
def test_every_flipped_byte_of_a_signed_document_is_refused(store, signer, name):
    right = store.get_root_file(name)
    for at in range(len(right)):
        replace(f"{store.path}/{name}", flipped(right, at, 1 << at % 8))
        with pytest.raises(IntegrityError):
            Repository.open(store, (signer.public,), fqrn=FQRN)
    for wrong in (b"", right[:-1], right + b"x", right.partition(b"--\n")[0]):
        replace(f"{store.path}/{name}", wrong)
        with pytest.raises(IntegrityError):
            Repository.open(store, (signer.public,), fqrn=FQRN)


def test_a_flipped_byte_of_the_reflog_is_refused(store, signer):
    right = store.get_root_file(".cvmfsreflog")
    replace(f"{store.path}/.cvmfsreflog", flipped(right, len(right) // 2))
    with pytest.raises(DigestMismatch, match="reflog"):
        _ = Repository.open(store, (signer.public,)).reflog


def refused(store, keys, sentence, error=RepositoryError, **rules):
    with pytest.raises(error, match=sentence) as caught:
        Repository.open(store, keys, rules=Rules((), **rules))
    assert caught.value.sentence.isprintable()
    return caught.value


def test_documents_that_are_not_believed(store, signer, tmp_path):
    keys = (signer.public,)
    other = make_keys(tmp_path / "other", FQRN)
    refused(store, (other.public,), "not signed by a known master key")
    refused(store, keys, "is that of test.example.org, not of other.example.org", fqrn="other.example.org")
    late = refused(store, keys, "the whitelist of test.example.org expired at 20", now=time.time() + 31 * 86400)
    assert "resign" in late.hint
    state = Repository.open(store, keys).manifest
    refused(store, keys, "older than one seen before", seen=Seen(state.revision + 1, state.timestamp))
    refused(store, keys, "older than one seen before", seen=Seen(state.revision, state.timestamp + 1))
    Repository.open(store, keys, rules=Rules((), seen=Seen(state.revision, state.timestamp)))
    print_ = signer.certificate.fingerprint("sha1")
    refused(
        store,
        keys,
        "certificate of test.example.org is on the black list",
        blacklist=Blacklist.parse(print_.encode() + b" # bad"),
    )
    refused(
        store, keys, "revision 1 of test.example.org is on the black list", blacklist=Blacklist.parse(b"<test.example.org 2\n")
    )
    Repository.open(store, keys, rules=Rules((), blacklist=Blacklist.parse(b"# x\n\n<test.example.org 1\n<a 9\n")))
    with pytest.raises(RepositoryError, match="line 2 of the black list"):
        Blacklist.parse(b"\n<x\n")


def resigned(store, key, **changes) -> None:
    state = manifest.parse(split(store.get_root_file(".cvmfspublished"), "it").text)._replace(**changes)
    signed = hash_text(state.text(), "sha1")
    replace(f"{store.path}/.cvmfspublished", join(state.text(), signed, key.sign(signed)))


def test_a_manifest_of_another_key_or_name_is_refused(store, signer, tmp_path):
    keys = (signer.public,)
    other = make_keys(tmp_path / "other", FQRN)
    resigned(store, other.key)
    refused(store, keys, "not signed by the certificate that it names")
    store.put(Hash.of(z := zlib.compress(other.certificate.pem)), "X", z)
    resigned(store, other.key, certificate=Hash.of(z))
    refused(store, keys, "certificate of test.example.org is not on its whitelist")
    resigned(store, signer.key, fqrn="evil.example.org")
    refused(store, keys, "the manifest is that of evil.example.org")
    signed = split(store.get_root_file(".cvmfswhitelist"), "it")
    replace(f"{store.path}/.cvmfswhitelist", join(signed.text, signed.hash_text, signer.master.sign(signed.hash_text)))
    refused(store, keys, "not signed by a known")  # this kind of signature is the manifest's


def test_rules_of_keys(signer, key_directory, tmp_path):
    with pytest.raises(UsageError, match="there is no .*other.key"):
        Signer.load(str(key_directory), "other")
    (tmp_path / "x.pub").write_bytes((key_directory / f"{FQRN}.pub").read_bytes())
    assert public_keys(str(tmp_path), FQRN) == (signer.public,)
    assert public_keys(str(key_directory / f"{FQRN}.pub"), FQRN) == (signer.public,)
    with pytest.raises(UsageError, match="neither .* nor any other"):
        public_keys(str(tmp_path / ".."), FQRN)
    assert "secret" not in repr(signer)
    assert str(signer.key.secret) not in repr(signer)
    with pytest.raises(RepositoryError, match="512 bits"):
        PublicKey.checked(1 << 511, 65537)
    other = make_keys(tmp_path / "other", FQRN)
    for name in ("key", "masterkey"):
        mixed = tmp_path / f"mixed-{name}"
        mixed.mkdir()
        for ending in ("key", "crt", "pub", "masterkey"):
            source = tmp_path / "other" if ending == name else key_directory
            (mixed / f"{FQRN}.{ending}").write_bytes((source / f"{FQRN}.{ending}").read_bytes())
        with pytest.raises(UsageError, match="is not the"):
            Signer.load(str(mixed), FQRN)
    assert other.public != signer.public


def test_a_signature_of_a_small_exponent_forgery_is_refused(signer):
    """The padding is compared as a whole: garbage behind the hash, or a short padding, is no signature."""
    text = b"ab" * 20
    key = signer.key.public
    for block in (b"\0\1\xff\0" + text + b"\0" * (key.length - 4 - len(text)), b"\0\1" + b"\xff" * 8 + b"\0" + text):
        signature = pow(int.from_bytes(block.ljust(key.length, b"\0"), "big"), signer.key.secret, key.modulus).to_bytes(
            key.length, "big"
        )
        assert not key.verifies_raw(signature, text)
    assert key.verifies_raw(signer.key.sign_raw(text), text)
    assert key.verifies(signer.key.sign(text), text)
    assert not key.verifies(signer.key.sign(text)[1:], text)


def test_contents_that_are_no_contents():
    bomb = zlib.compress(bytes(10 << 20))
    with pytest.raises(DigestMismatch, match="more than 1000 bytes"):
        unpacked(Hash.of(bomb), bomb, "zlib", 1000)
    with pytest.raises(DigestMismatch, match="not the 11000000"):
        unpacked(Hash.of(bomb), bomb, "zlib", 11000000)
    for wrong in (b"no zlib", bomb[:-1], bomb + b"x", b""):
        with pytest.raises(RepositoryError):
            unpacked(Hash.of(wrong), wrong)


HOSTILE = [
    ("UPDATE catalog SET name = 'a/b' WHERE name = 'f'", "impossible name"),
    ("UPDATE catalog SET name = '..' WHERE name = 'f'", "impossible name"),
    ("UPDATE catalog SET name = '' WHERE name = 'f'", "impossible name"),
    ("UPDATE catalog SET name = CAST(x'6100' AS TEXT) WHERE name = 'f'", "impossible name"),
    ("UPDATE catalog SET name = 7 WHERE name = 'f'", None),
    ("UPDATE catalog SET name = NULL WHERE name = 'f'", "impossible name"),
    ("UPDATE catalog SET size = 'x' WHERE name = 'f'", "no number"),
    ("UPDATE catalog SET size = 1.5 WHERE name = 'f'", "no number"),
    ("UPDATE catalog SET size = -1 WHERE name = 'f'", "negative"),
    ("UPDATE catalog SET mtime = x'00' WHERE name = 'f'", "no number"),
    ("UPDATE catalog SET mtime = 9223372036854775807 WHERE name = 'f'", "impossible time"),
    ("UPDATE catalog SET mtimens = 1000000000 WHERE name = 'f'", "too large"),
    ("UPDATE catalog SET uid = 4294967296 WHERE name = 'f'", "too large"),
    ("UPDATE catalog SET mode = 0 WHERE name = 'f'", "at odds"),
    ("UPDATE catalog SET mode = 16877 WHERE name = 'f'", "at odds"),
    ("UPDATE catalog SET flags = 1 WHERE name = 'f'", "at odds"),
    ("UPDATE catalog SET hash = x'00' WHERE name = 'f'", "no hash"),
    ("UPDATE catalog SET hash = NULL WHERE name = 'f'", "no hash"),
    ("UPDATE catalog SET flags = flags | 0x700 WHERE name = 'f'", "unknown kind"),
    ("UPDATE catalog SET flags = flags | 0x3800 WHERE name = 'f'", "unknown kind"),
    ("UPDATE catalog SET flags = flags | 64 WHERE name = 'f'", "not the whole file"),
    ("UPDATE catalog SET xattr = 'abc' WHERE name = 'f'", "unknown version"),
    ("UPDATE catalog SET xattr = 7 WHERE name = 'f'", "no blob"),
    ("UPDATE catalog SET xattr = x'0109' WHERE name = 'f'", "cut"),
    ("UPDATE catalog SET xattr = x'0201' WHERE name = 'f'", "unknown version"),
    ("UPDATE catalog SET parent_1 = md5path_1, parent_2 = md5path_2 WHERE name = 'd'", None),
    ("UPDATE catalog SET name = 'g' WHERE name = 'f'", None),
    ("INSERT INTO nested_catalogs VALUES ('/elsewhere', 'x', 1)", "not a hash"),
    ("INSERT INTO nested_catalogs VALUES ('no-slash', '0000000000000000000000000000000000000000', 1)", "does not lie below"),
    ("INSERT INTO nested_catalogs VALUES ('/d', '0000000000000000000000000000000000000000', 'x')", "does not lie below"),
    ("UPDATE properties SET value = '3.0' WHERE key = 'schema'", "does not know"),
    ("UPDATE properties SET value = 'x' WHERE key = 'schema_revision'", "does not know"),
    ("DROP TABLE catalog", "damaged"),
    ("DROP TABLE nested_catalogs", "damaged"),
    ("ALTER TABLE catalog RENAME TO c; CREATE VIEW catalog AS SELECT * FROM c", "views or triggers"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "sentence"), HOSTILE, ids=lambda x: (x or "")[:50])
def test_hostile_catalogs(published, signer, tmp_path, sql, sentence):
    """They are signed, so this is a publisher gone wrong; a reader still neither breaks nor goes on for ever."""
    with publish.begin(published, signer) as publication:
        publication.put(b"/d", directory())
        publication.put(b"/f", regular(publication.bodies.add(io.BytesIO(b"x")))._replace(xattrs=((b"user.a", b"b"),)))
        state = publication.commit()
    path = tmp_path / "c.db"
    path.write_bytes(zlib.decompress(published.get(state.root, "C")))
    connection = sqlite3.connect(path)
    connection.executescript(sql)
    connection.commit()
    connection.close()
    try:
        catalog = Catalog(database.opened(path.read_bytes()), b"", state.root, 0)
        for one in catalog.listdir(b"", hidden=True):
            catalog.lookup(b"/" + one.name)
        catalog.lookup(b"/f")
        catalog.listdir(b"/d")
        found = None
    except SampanError as error:
        found = error.sentence
        assert isinstance(error, RepositoryError)
    if sentence is not None:
        assert found is not None
        assert sentence in found


def test_every_flipped_byte_of_a_catalog_database_is_a_sentence_or_harmless(published, signer):
    """SQLite is given damaged files only by a publisher; whatever it makes of them, the error is ours."""
    state = Repository.open(published, (signer.public,)).manifest
    right = zlib.decompress(published.get(state.root, "C"))
    for at in range(0, len(right), 97):
        try:
            catalog = Catalog(database.opened(flipped(right, at, 255)), b"", state.root, 0)
            catalog.listdir(b"")
            catalog.lookup(b"/i")
            list(catalog.objects())
            catalog.counted()
        except RepositoryError:
            pass


def test_bad_input_of_publishers(store, signer, tmp_path):
    body = None
    with publish.begin(store, signer) as publication:
        body = publication.bodies.add(io.BytesIO(b"x"))
        for path in (b"a", b"/a/", b"/../a", b"//", b"/a//b", b"/."):
            with pytest.raises(UsageError, match="not an absolute path"):
                publication.put(path, directory())
        with pytest.raises(UsageError, match="the root"):
            publication.remove(b"")
        for tree, sentence in (
            ([(b"a/b", directory())], "did not come before"),
            ([(b"a", directory()), (b"a", directory())], "comes twice"),
            ([(b"a", regular(body)), (b"a/b", directory())], "did not come before"),
            ([(b"a", regular(body)._replace(body=None))], "without content"),
            ([(b"x" * 256, directory())], "name is impossible"),
            ([(b"a", directory()._replace(uid=1 << 32))], "owner"),
            ([(b"a", directory()._replace(mode=0o755))], "no kind of file"),
            ([(b"", regular(body))], "no directory"),
            ([(b"a", directory()._replace(xattrs=((b"user.x", b"v" * 300),)))], "longer than the 255"),
        ):
            with pytest.raises(RepositoryError, match=sentence):
                publication.graft(b"/g", tree)
        with pytest.raises(UsageError, match="name of a tag"):
            publication.commit({"a b": ""})
        with pytest.raises(UsageError, match="set by every publish"):
            publication.commit({"trunk": ""})
        assert not publication.changed
        assert publication.commit().revision == 1
    with pytest.raises(UsageError, match="is a repository already"):
        publish.create(store, signer)
    with pytest.raises(SampanError, match="clock says"), publish.begin(store, signer, now=time.time() - 86400):
        pass
    with pytest.raises(UsageError, match="only be signed with its master key"):
        resign.resign(store, signer._replace(master=None))
    with pytest.raises(UsageError, match="no compressor 'lzma'"):
        publish.create(store, signer, publish.Options(compressor="lzma"))
    from sampan.cvmfs.directory import DirectoryStore

    with pytest.raises(NotInRepository, match="is no repository"), publish.begin(DirectoryStore(str(tmp_path / "none")), signer):
        pass
    for name in ("", "a/b", "..", "a b", "x" * 300):
        with pytest.raises(RepositoryError, match="cannot be the name of a repository"):
            manifest.checked_fqrn(name)
