"""Stage-in and stage-out by every kind of URI: what comes is what should, what goes is whole, and what is wrong is said in one sentence."""

from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import threading
from pathlib import Path
from urllib.parse import quote

import pytest

from sampan.events import SILENT_NOTICE
from sampan.jobs import credentials, directory, phases, s3, work
from sampan.jobs.credentials import Credentials, S3Key
from sampan.jobs.digests import measured
from sampan.jobs.spec import Input, Limits, Output
from sampan.registry import files
from sampan.registry.transport import Transport

SECRET = "tell-nobody-0123"


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Web(http.server.BaseHTTPRequestHandler):
    """Files in a dict; some of them with a trouble."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        server.seen.append((self.command, self.path, dict(self.headers)))
        name = self.path.partition("?")[0]
        if name == "/private" and self.headers.get("Authorization") not in (
            f"Bearer {SECRET}",
            "Basic YW5hOnRlbGwtbm9ib2R5LTAxMjM=",
        ):
            return self.answer(401, b"who are you")
        if name == "/sometimes" and server.counts.setdefault(name, 0) < 2:
            server.counts[name] += 1
            return self.answer(503, b"later")
        if name not in server.files:
            return self.answer(404, b"nothing")
        data = server.files[name]
        if name == "/cut":
            return self.cut(data)
        return self.answer(200, data)

    do_HEAD = do_GET

    def cut(self, data: bytes):
        """The first half, then the connection breaks; who asks for the rest gets it."""
        start = self.headers.get("Range", "")
        if start and self.headers.get("If-Range") == '"v1"':
            at = int(start.partition("=")[2].rstrip("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {at}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - at))
            self.end_headers()
            self.wfile.write(data[at:])
            return
        self.send_response(200)
        self.send_header("ETag", '"v1"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        self.wfile.flush()
        self.close_connection = True

    def do_PUT(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        if self.path.startswith("/readonly"):
            return self.answer(403, b"no")
        if self.headers.get("If-None-Match") == "*" and self.path in self.server.files:
            return self.answer(412, b"there")
        self.server.files[self.path] = data
        return self.answer(201, b"")

    def answer(self, status: int, data: bytes):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    server.files, server.seen, server.counts = {}, [], {}
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def everything_in(place: str) -> str:
    """All that a job's directory says, without outputs and inputs."""
    names = (
        "job.json",
        "events",
        "log",
        "status.json",
        "stdout",
        "stderr",
        "batch.json",
        "claim",
        "heartbeat",
        "exit",
        "payload",
    )
    return "".join(Path(place, name).read_text(errors="replace") for name in names if Path(place, name).exists())


def test_files_and_directories_of_this_machine(lab, tmp_path):
    (tmp_path / "set/sub").mkdir(parents=True)
    (tmp_path / "set/a").write_text("1")
    (tmp_path / "set/sub/ü b").write_text("22")
    (tmp_path / "one é.txt").write_text("hello")
    inputs = (
        Input("one", "file://" + quote(str(tmp_path / "one é.txt")), digest=digest(b"hello"), size=5),
        Input("set", f"file://{tmp_path}/set", "deep/set"),
        Input("mine", f"file://{tmp_path}/set/a", "mine", how="copy"),
        Input("sent", "inputs/sent"),
    )
    place, found = lab.do(
        "set -e; cat 'one é.txt' deep/set/sub/* sent; echo more >>mine; cat mine; ! echo x >>sent; ! touch deep/set/new; ls -a",
        inputs=inputs, files={"sent": b"sent along\n"}, outputs=(Output("mine", "mine"),),
    )  # fmt: skip
    assert found.state == "done", found
    assert directory.last_lines(place, "stdout")[0] == "hello22sent along"
    assert Path(place, "outputs/mine").read_text() == "1more\n"
    assert (tmp_path / "set/a").read_text() == "1"
    assert not (tmp_path / "set/new").exists()
    listing = subprocess.run(
        "find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum",
        shell=True,
        cwd=tmp_path / "set",
        capture_output=True,
        text=True,
    ).stdout.split()[0]
    by_name = {one.name: one for one in found.inputs}
    assert (by_name["set"].digest, by_name["set"].size, by_name["set"].kind) == (f"sha256:{listing}", 3, "directory")
    assert by_name["mine"].digest == digest(b"1")


@pytest.mark.parametrize("name", ["plain", "back\\slash", "new\nline", "carriage\rreturn", " blank ", "\udcff\udcfe"])
def test_the_digest_of_a_directory_is_what_coreutils_say(tmp_path, name):
    (tmp_path / "d").mkdir()
    Path(os.fsencode(tmp_path / "d").decode("utf-8", "surrogateescape"), name).write_text("x")
    script = "find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
    said = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path / "d", capture_output=True, text=True, env={"PATH": os.environ["PATH"]}
    ).stdout
    assert measured(str(tmp_path / "d")).digest == f"sha256:{said.split()[0]}"


@pytest.mark.parametrize(
    ("uri", "more", "code", "words"),
    [
        ("file:///nonexistent/in", {}, phases.INPUT_MISSING, "the input 'in' is missing: file:///nonexistent/in is not on"),
        ("file:///etc/hostname", {"digest": digest(b"else")}, phases.INPUT_DIFFERS, "should have sha256:"),
        ("file:///etc/hostname", {"size": 100_000}, phases.INPUT_DIFFERS, "bytes and should have 100000"),
        ("file:///dev/null", {}, phases.INPUT_MISSING, "is neither a file nor a directory"),
        ("cvmfs://no.such.repository/x", {}, phases.INPUT_NOT_FETCHED, "/cvmfs/no.such.repository is not mounted on"),
        ("inputs/gone", {}, phases.INPUT_MISSING, "is missing"),
    ],
)  # fmt: skip
def test_inputs_that_are_not_what_they_should_be(lab, uri, more, code, words):
    place, found = lab.do("echo ran", inputs=(Input("in", uri, "in", **more),))
    assert (found.state, found.code, found.phase) == ("failed", code, "stage-in")
    assert words in found.cause
    assert "\n" not in found.cause
    assert found.exit is None
    assert not os.path.exists(f"{place}/stdout")
    assert not os.path.exists(f"{place}/work")


def test_what_cannot_be_read(lab, tmp_path):
    (tmp_path / "in").write_text("x")
    (tmp_path / "in").chmod(0)
    if os.getuid() == 0:
        pytest.skip("root reads everything")
    _, found = lab.do("true", inputs=(Input("in", f"file://{tmp_path}/in"),))
    assert (found.code, "cannot be read: Permission denied" in found.cause) == (phases.INPUT_DENIED, True)


def test_from_and_to_a_web_server(lab, web):
    web.files = {"/in": b"from the web\n", "/cut": os.urandom(3_000_000), "/sometimes": b"at last"}
    inputs = tuple(Input(name, f"{web.url}/{name}") for name in ("in", "cut", "sometimes"))
    outputs = (Output("out", "out", destination=f"{web.url}/results/"), Output("tree", "tree", destination=f"{web.url}/results/"))
    _, found = lab.do("cat in >out; mkdir -p tree/sub; cp cut tree/sub/c", inputs=inputs, outputs=outputs, tries=4)
    assert found.state == "done", found
    assert web.files["/results/out"] == b"from the web\n"
    assert web.files["/results/tree/sub/c"] == web.files["/cut"]
    assert {one.name: one.digest for one in found.inputs}["cut"] == digest(web.files["/cut"])
    assert [one.uri for one in found.outputs] == [f"{web.url}/results/out", f"{web.url}/results/tree"]
    _, second = lab.do("echo other >out", outputs=outputs[:1])
    assert (second.code, second.state) == (phases.OUTPUT_THERE, "failed")
    assert Path(second.kept, "out").read_text() == "other\n"
    assert web.files["/results/out"] == b"from the web\n"


def test_web_servers_that_fail(lab, web):
    web.files = {"/private": b"x"}
    for path, code in (("/none", phases.INPUT_MISSING), ("/private", phases.INPUT_DENIED)):
        _, found = lab.do("true", inputs=(Input("in", web.url + path),), tries=1)
        assert found.code == code, found
    _, found = lab.do("true", inputs=(Input("in", "http://127.0.0.1:9/x"),), tries=2)
    assert found.code == phases.INPUT_NOT_FETCHED
    assert "tried 2 times" in found.cause
    _, found = lab.do("touch out", outputs=(Output("out", "out", destination=f"{web.url}/readonly/x"),))
    assert (found.code, found.phase) == (phases.OUTPUT_DENIED, "stage-out")


def test_secrets_come_where_they_are_needed_and_nowhere_else(lab, web):
    web.files = {"/private": b"mine"}
    inputs = (Input("in", f"{web.url}/private"), Input("url", f"http://ana:{SECRET}@{web.url[7:]}/private?sig={SECRET}", "again"))
    place = lab.make("cat in; cat $JOB/* | grep -c tell-nobody; env", inputs=inputs[:1], request={"environment": (f"JOB={lab.path}/job-1",), "volumes": (f"{lab.path}:{lab.path}",)})  # fmt: skip
    credentials.save(place, Credentials(http={web.url: f"Bearer {SECRET}"}))
    assert os.stat(f"{place}/credentials.json").st_mode & 0o777 == 0o600
    found = lab.worker(place).wait(60)
    assert found == 0
    assert web.seen[-1][2]["Authorization"] == f"Bearer {SECRET}"
    assert SECRET not in everything_in(place)
    assert not os.path.exists(f"{place}/credentials.json")
    web.files.clear()
    other, status = lab.do("true", inputs=inputs[1:], tries=1)
    assert status.code == phases.INPUT_MISSING
    assert SECRET not in everything_in(other).replace(Path(other, "job.json").read_text(), "")
    assert os.stat(f"{other}/job.json").st_mode & 0o777 == 0o600
    assert SECRET not in repr(Credentials({"*": S3Key("a", SECRET, SECRET)}, {"x": SECRET}))


def test_credentials_have_a_life_time(lab, web):
    web.files = {"/in": b"x"}
    place = lab.make("true", inputs=(Input("in", f"{web.url}/in"),))
    credentials.save(place, Credentials(http={web.url: "Bearer x"}, expires="2020-01-01T00:00:00Z"))
    assert lab.worker(place, stderr=subprocess.DEVNULL).wait(60) == phases.EXPIRED
    found = directory.status_of(place)
    assert (found.phase, "have expired at 2020-01-01T00:00:00Z" in found.cause) == ("stage-in", True)
    assert web.seen == []


def test_to_and_from_an_object_store(lab, object_store):
    """Moto checks every signature; a wrong secret is refused."""
    key = S3Key(object_store.access, object_store.secret, endpoint=object_store.url)
    _make_bucket(key)
    data = os.urandom(200_000)
    names = "a b/ü+(1)&=?#%.dat"
    place = lab.make("cat in >out; mkdir t; cp in t/x", files={"in": data}, inputs=(Input("in", "inputs/in"),),
                     outputs=(Output("out", "out", destination=f"s3://data/{names}"), Output("t", "t", destination="s3://data/trees/")))  # fmt: skip
    credentials.save(place, Credentials({"data": key}))
    assert lab.worker(place).wait(60) == 0, everything_in(place)
    assert object_store.secret not in everything_in(place)
    back = lab.make("cat in tx >both", inputs=(Input("in", f"s3://data/{names}", digest=digest(data)), Input("tx", "s3://data/trees/t/x", "tx")), outputs=(Output("both", "both"),))  # fmt: skip
    back_inputs = directory.read(back).inputs
    assert back_inputs[0].path == "ü+(1)&=?#%.dat"
    again = lab.make("cat ./ü* tx >both", inputs=back_inputs, outputs=(Output("both", "both"),))
    credentials.save(again, Credentials({"*": key}))
    assert lab.worker(again).wait(60) == 0, everything_in(again)
    assert Path(again, "outputs/both").read_bytes() == data + data
    # The same destination again: refused, and nothing is lost.
    third = lab.make("echo new >out", outputs=(Output("out", "out", destination=f"s3://data/{names}"),))
    credentials.save(third, Credentials({"*": key}))
    assert lab.worker(third).wait(60) == phases.OUTPUT_THERE
    for wrong, code in ((S3Key(key.access, "wrong", endpoint=key.endpoint), phases.INPUT_DENIED), (key, phases.INPUT_MISSING)):
        missing = lab.make("true", inputs=(Input("in", f"s3://data/{'none' if code == phases.INPUT_MISSING else 'trees/t/x'}"),))
        credentials.save(missing, Credentials({"*": wrong}))
        assert lab.worker(missing).wait(60) == code, everything_in(missing)


def _make_bucket(key: S3Key) -> None:
    transport = Transport(SILENT_NOTICE, {})
    url = s3.url_of("data", "", key).rstrip("/")
    empty = Path("/dev/null")
    files.store(transport, url, lambda extra: s3.signed("PUT", url, key, extra=extra), str(empty), "the bucket")
    transport.close()


def test_a_signature_is_the_one_of_the_documentation():
    """AWS, "Signature Calculations for the Authorization Header", GET Object."""
    key = S3Key("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    url = "https://examplebucket.s3.amazonaws.com/test.txt"
    found = s3.signed("GET", url, key, extra={"Range": "bytes=0-9"}, now=1369353600.0)
    assert found["Authorization"].endswith("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")


def test_outputs_never_replace_what_is_there(lab, tmp_path):
    (tmp_path / "out").write_text("precious")
    destination = Output("out", "out", destination=f"file://{tmp_path}/")
    _, found = lab.do("echo new >out", outputs=(destination,))
    assert (found.code, found.phase) == (phases.OUTPUT_THERE, "stage-out")
    assert (tmp_path / "out").read_text() == "precious"
    assert Path(found.kept, "out").read_text() == "new\n"
    (tmp_path / "out").write_text("new\n")  # the very same is no trouble: an earlier try has brought it
    assert lab.do("echo new >out", outputs=(destination,))[1].state == "done"


OUTSIDE = [
    ("ln -s /etc/passwd out", "a link that leads out of the job: /etc/passwd"),
    ("ln -s ../../../../etc/passwd out", "a link that leads out of the job"),
    ("ln -s loop out; ln -s out loop", "a link that leads out of the job: it leads in a circle"),
    ("mkdir d; ln -s /etc d/etc; ln -s d out", "holds etc, a link that leads out of it: /etc"),
    ("mkdir out; ln -s ../x out/l", "a link that leads out of it"),
    ("mkfifo out", "neither a file nor a directory"),
    ("mkdir out; mkfifo out/f", "which is neither a file, a directory nor a link"),
]


@pytest.mark.parametrize(("script", "words"), OUTSIDE, ids=[words for words, _ in OUTSIDE])
def test_outputs_that_lead_out_are_refused(lab, script, words):
    _, found = lab.do(script, outputs=(Output("out", "out"),))
    assert (found.code, found.phase, found.exit) == (phases.OUTPUT_REFUSED, "stage-out", 0)
    assert words in found.cause


def test_links_that_stay_inside_are_followed(lab):
    script = "mkdir -p d/e; echo x >d/e/f; ln -s /work/d/e/f a; ln -s d/../d b; ln -s e/f d/rel"
    place, found = lab.do(script, outputs=(Output("a", "a"), Output("b", "b"), Output("f", "d/rel")))
    assert found.state == "done", found
    assert Path(place, "outputs/a").read_text() == "x\n"
    assert Path(place, "outputs/b/rel").read_text() == "x\n"
    assert not Path(place, "outputs/a").is_symlink()


@pytest.mark.parametrize(
    ("script", "output", "code", "words"),
    [
        ("touch a b", Output("o", "none"), phases.OUTPUT_MISSING, "nothing at none; there are a, b"),
        ("true", Output("o", "d/none"), phases.OUTPUT_MISSING, "not even its directory"),
        ("true", Output("o", "*.x"), phases.OUTPUT_MISSING, "nothing else was left there"),
        ("touch a b c d", Output("o", "?"), phases.OUTPUT_REFUSED, "4 match ?: a, b, c, ..."),
        ("ln -s none out", Output("o", "out"), phases.OUTPUT_MISSING, "is a link to nothing"),
    ],
)
def test_outputs_that_are_missing_or_too_many(lab, script, output, code, words):
    place, found = lab.do(script, outputs=(output,))
    assert (found.code, found.phase) == (code, "stage-out")
    assert words in found.cause
    assert found.kept == f"{place}/work"


def test_patterns_many_optional_streams_and_overlaps(lab):
    outputs = (
        Output("many", "*.txt", many=True), Output("none", "*.none", many=True, optional=True), Output("log", ":stdout"), Output("d", "d"),
        Output("inner", "d/x"), Output("again", "a.txt"),
    )  # fmt: skip
    place, found = lab.do("touch a.txt b.txt; mkdir d; echo 1 >d/x; echo said", outputs=outputs)
    assert found.state == "done", found
    assert [(one.name, one.path) for one in found.outputs] == [
        ("many", "a.txt"), ("many", "b.txt"), ("log", "stdout"), ("d", "d"), ("inner", "d/x"), ("again", "a.txt"),
    ]  # fmt: skip
    assert Path(place, "outputs/d/x").read_text() == "1\n"


def test_names_that_are_no_text(lab):
    place, found = lab.do("touch \udcff\udcfe.x", outputs=(Output("o", "*.x"),))
    assert found.state == "done", found
    assert os.listdir(os.fsencode(f"{place}/outputs")) == [b"\xff\xfe.x"]
    assert directory.status_of(place) == found


def test_a_full_disk_at_stage_out_loses_nothing(lab, tmp_path):
    """A small file system in memory as destination, in a namespace of the test's own."""
    small = tmp_path / "small"
    small.mkdir()
    place = lab.make(
        "dd if=/dev/zero of=out bs=1M count=8 2>/dev/null", outputs=(Output("out", "out", destination=f"file://{small}/"),)
    )
    worker = [*work.command(), place]
    script = f'mount -t tmpfs -o size=2m none {small} && "$@"; echo $? >{tmp_path}/code; ls -A {small} >{tmp_path}/left'
    done = subprocess.run(["unshare", "-Urm", "sh", "-c", script, "sh", *worker], capture_output=True, text=True, env=os.environ)
    if not (tmp_path / "code").exists() or "permission denied" in done.stderr.lower():
        pytest.skip(f"no mount in a namespace here: {done.stderr}")
    found = directory.status_of(place)
    assert (found.code, found.phase) == (phases.OUTPUT_NO_SPACE, "stage-out"), found
    assert "No space left on device" in found.cause
    assert (tmp_path / "code").read_text() == f"{phases.OUTPUT_NO_SPACE}\n"
    assert (tmp_path / "left").read_text() == ""
    assert os.path.getsize(f"{found.kept}/out") == 8 << 20


def test_a_job_without_room_is_not_begun(lab):
    _, found = lab.do("true", limits=Limits(disk=1 << 60))
    assert (found.code, found.phase) == (phases.NO_DISK, "prepare")


def test_scratch_on_the_node(lab, tmp_path, monkeypatch):
    (tmp_path / "fast").mkdir()
    monkeypatch.setenv("FAST", str(tmp_path / "fast"))
    place, found = lab.do("pwd; echo x >out", outputs=(Output("out", "out"),), scratch="$FAST")
    assert found.state == "done", found
    assert Path(place, "outputs/out").read_text() == "x\n"
    assert os.listdir(tmp_path / "fast") == []
    _, found = lab.do("true", scratch="$NOTHING/x")
    assert (found.code, "has no scratch directory $NOTHING/x" in found.cause) == (phases.BAD_NODE, True)


def test_what_a_failed_program_leaves_is_kept(lab):
    place, found = lab.do(
        "echo part >out; chmod 0 . ; exit 4", outputs=(Output("out", "out", destination="file:///nonexistent/"), Output("b", "b"))
    )
    assert (found.code, found.exit) == (phases.ENDED, 4)
    assert not os.path.exists(f"{place}/work")
    place, found = lab.do(
        "echo part >out; exit 4", outputs=(Output("out", "out", destination="file:///nonexistent/"), Output("b", "b"))
    )
    assert Path(place, "outputs/out").read_text() == "part\n"
    assert [one.uri for one in found.outputs] == ["outputs/out"]
