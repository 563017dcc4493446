"""What operators do with a repository as a whole, by the command: init, tags, rollback, gc, resign, check, mirror, ls, cat, serve."""

from __future__ import annotations

import http.client
import json
import subprocess
from urllib.parse import urlsplit

import pytest

from tests.distribute.conftest import FQRN, Repo
from tests.distribute.test_publish import small
from tests.images.build import Layout, file, layer


@pytest.fixture
def filled(repo, faulty, tmp_path):
    """A repository with `x:1` to `x:3`, one revision each; the names."""
    faulty.add(small(tmp_path, {"1": b"one", "2": b"two", "3": b"three"}))
    for tag in "123":
        assert repo.publish(f"{faulty.host}/x:{tag}").status == 0
    return [f"{faulty.host}/x:{tag}" for tag in "123"]


def test_tags_rollback_and_garbage(repo, filled):
    repo.good("tag", "first", "-m", "to keep")
    shown = json.loads(repo.good("tag", "--format", "json").text)
    assert {tag["name"]: tag["description"] for tag in shown}["first"] == "to keep"
    assert repo.good("rollback", "trunk-previous").status == 0
    assert repo.names(f"/{filled[0].partition('/')[0]}") == ["x:1", "x:2"]
    assert repo.good("ls", "--tag", "first", f"/{filled[2]}/").lines != []
    dry = repo.good("gc", "--dry-run", "--keep", "0", "--grace", "0").text
    assert " 0 objects" not in dry
    repo.good("gc", "--keep", "0", "--grace", "0")
    assert repo.good("check").status == 0
    assert repo.text(f"/{filled[1]}/etc/v") == b"two"
    repo.good("tag", "--rm", "first")
    # What was rolled back is published again.
    assert repo.publish(*filled).status == 0
    assert repo.text(f"/{filled[2]}/etc/v") == b"three"
    assert repo.good("check").status == 0


def test_resign_and_an_expired_whitelist(repo, filled, tmp_path):
    assert f"{FQRN} is signed until 20" in repo.good("resign", "--days", "60").text
    (tmp_path / "keys" / f"{FQRN}.masterkey").rename(tmp_path / "master")
    done = repo("resign")
    assert done.status == 125
    assert "can only be signed with its master key" in done.err
    assert repo.publish(*filled).status == 0  # which needs no master key


def test_check_names_what_is_wrong(repo, filled):
    bodies = [path for path in (repo.path / "data").rglob("*") if path.is_file() and len(path.name) == 38]
    for body in bodies:  # some are of an earlier revision, which nobody checks
        data = body.read_bytes()
        body.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    done = repo("check")
    assert done.status == 125
    named = [body for body in bodies if body.parent.name + body.name in done.text]
    assert len(named) == done.text.count("differs from its hash") > 5
    assert repo("check", "--catalogs").status == 0


def test_verification_after_publishing_refuses_a_storage_that_lies(repo, faulty, tmp_path):
    """Something on the way changes what was written: the run says so, and names the directory."""
    layout = Layout(tmp_path / "layout")
    layout.tag("1", layout.image([layer([file("etc/v", b"unlike any other")])]))
    faulty.add(layout)
    script = (
        "import sys\nfrom sampan.cvmfs.directory import DirectoryStore\nput = DirectoryStore.put\n"
        "def lying(self, hash, suffix, data):\n    return put(self, hash, suffix, data[:-1] + b'?' if suffix == '' and len(data) == 24 else data)\n"
        "DirectoryStore.put = lying\nfrom sampan.__main__ import main\nsys.exit(main())\n"
    )
    (tmp_path / "wishes.txt").write_text(f"{faulty.host}/x:1\n")
    words = [*repo.sampan.command()[:1], "-c", script, "repo", "publish", str(repo.path), "--list", "wishes.txt"]
    if not words[0].endswith("python") and "python" not in words[0]:
        pytest.skip("needs the interpreter")
    done = subprocess.run(words, cwd=tmp_path, env=repo.sampan.environment(), capture_output=True, text=True)
    assert done.returncode == 125, done.stderr
    assert "was published, but is not what it should be" in done.stderr
    assert "repo rollback" in done.stderr


def test_ls_and_cat(repo, filled):
    long = repo.good("ls", "-l", f"/{filled[0].partition('/')[0]}").lines
    assert len(long) == 3
    assert long[0].startswith("lrwxrwxrwx")
    assert " -> ../.flat/" in long[0]
    everything = repo.good("ls", "-R").lines
    assert "/.metadata/sampan.json" in everything
    assert repo.text(f"/{filled[0]}/etc/../etc/v") == b"one"
    for words, said in (
        (("cat", f"/{filled[0]}/../x:2/etc/v"), "has no"),  # the link is followed first, as a kernel does
        (("cat", "/no"), "has no /no"),
        (("cat", "/"), "is no file"),
        (("ls", "/no"), "has no /no"),
        (("ls", "--tag", "no"), "has no tag 'no'"),
    ):
        done = repo(*words)
        assert done.status == 125
        assert said in done.err


def test_init_bad_input(repo, tmp_path):
    again = repo("init")
    assert again.status == 125
    assert "is a repository already" in again.err
    for words, said in (
        ((tmp_path / "noname",), "does not end in the name of a repository"),
        (("http://x/cvmfs/new.example.org",), "cannot be written to"),
        ((tmp_path / "new.example.org", "--ttl", "x"), "--ttl is a number"),
        ((tmp_path / "new.example.org", "--compressor", "lzma-9"), "lzma-9"),
    ):
        done = repo.sampan("repo", "init", *words)
        assert done.status == 125, words
        assert said in done.err
    made = repo.sampan.good(
        "repo", "init", tmp_path / "other", "--name", "new.example.org", "--algorithm", "shake128", "--keys", tmp_path / "k2"
    )
    assert made.lines == [str(tmp_path / "k2/new.example.org.pub")]
    assert b"-shake128" in (tmp_path / "other/.cvmfspublished").read_bytes()


@pytest.fixture
def served(repo, tmp_path):
    """`repo serve` as a process; its URL, the repository's, and the file of notifications."""
    events = tmp_path / "events"
    environment = {**repo.sampan.environment(), "SAMPAN_WEBHOOK_TOKEN": "t0ken"}
    process = subprocess.Popen(
        [*repo.sampan.command(), "repo", "serve", str(repo.path), "--webhook", str(events)], env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        yield process.stdout.readline().strip(), events
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def ask(url: str, method: str = "GET", headers: dict[str, str] | None = None, body: bytes | None = None):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    try:
        connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_serve_mirror_and_reading_over_the_network(repo, filled, served, tmp_path):
    url, _ = served
    assert repo.sampan.good("repo", "cat", url, f"/{filled[0]}/etc/v").out == b"one"
    done = repo.sampan.good("repo", "mirror", url, tmp_path / "replica" / FQRN)
    assert "revision 4" in done.text
    replica = Repo(repo.sampan, tmp_path / "replica" / FQRN)
    assert replica.good("check").status == 0
    assert " 0 objects" in repo.sampan.good("repo", "mirror", url, replica.path).text
    assert (replica.path / ".cvmfspublished").read_bytes() == repo.manifest
    # ETag, Range, and nothing but a repository's names.
    status, headers, manifest = ask(f"{url}/.cvmfspublished")
    assert (status, manifest) == (200, repo.manifest)
    assert ask(f"{url}/.cvmfspublished", headers={"If-None-Match": headers["ETag"]})[0] == 304
    status, found, part = ask(f"{url}/.cvmfspublished", headers={"Range": "bytes=1-4"})
    assert (status, part, found["Content-Range"]) == (206, manifest[1:5], f"bytes 1-4/{len(manifest)}")
    assert ask(f"{url}/.cvmfspublished", headers={"Range": "bytes=-3"})[2] == manifest[-3:]
    assert ask(f"{url}/.cvmfspublished", headers={"Range": "bytes=999999-"})[0] == 416
    assert ask(f"{url}/.cvmfspublished", "HEAD")[2] == b""
    for path in (
        "",
        "/",
        "/data",
        "/data/txn/lock",
        "/../../keys",
        "/%2e%2e/keys",
        "/data/aa/../../.cvmfspublished",
        "/.cvmfs_secret",
    ):
        assert ask(url + path)[0] == 404, path
    host = url.partition("/cvmfs/")[0]
    status, headers, page = ask(f"{host}/status/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert all(name.encode() in page for name in filled)
    assert json.loads(ask(f"{host}/status/status.json")[2])["revision"] == 4
    assert b"sampan_repository_revision" in ask(f"{host}/status/metrics.txt")[2]


def test_a_notification_publishes_what_it_names(repo, faulty, served, tmp_path):
    faulty.add(small(tmp_path, {"1": b"one", "2": b"two"}))
    url, events = served
    hook = f"{url.partition('/cvmfs/')[0]}/webhook"
    body = json.dumps({"events": [
        {"action": "push", "target": {"repository": "x", "tag": "2"}, "request": {"host": faulty.host}},
        {"action": "pull", "target": {"repository": "x", "tag": "1"}},
        {"action": "push", "target": {"repository": "x"}},
    ]}).encode()  # fmt: skip
    assert ask(hook, "POST", body=body)[0] == 403
    assert ask(f"{hook}?token=wrong", "POST", body=body)[0] == 403
    assert ask(f"{hook}?token=t0ken", "POST", body=b"{")[0] == 400
    assert ask(f"{hook}?token=t0ken", "POST", body=body)[0] == 202
    assert events.read_text() == "|push|*/x:2\n"
    wishes = [f"{faulty.host}/x:{tag}" for tag in "12"]
    assert repo.publish(*wishes, options=("--events", events)).status == 0
    assert repo.names(f"/{faulty.host}") == ["x:2"]
    assert events.read_text() == ""
    done = repo.publish(*wishes, options=("--events", events))
    assert (done.status, "no new revision" in done.err) == (0, True)
    events.write_text("1|push|" + wishes[0] + "\n2|delete|x\nnoise\n")
    assert repo.publish(*wishes, options=("--events", events)).status == 0
    assert repo.names(f"/{faulty.host}") == ["x:1", "x:2"]


def test_serve_refuses_without_a_token(repo):
    done = repo("serve", "--webhook", "events")
    assert done.status == 125
    assert "SAMPAN_WEBHOOK_TOKEN" in done.err
