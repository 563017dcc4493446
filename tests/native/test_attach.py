"""The attach protocol (docs/design/attach.md), spoken by a client that was written from its page."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import re
import socket
import stat
import struct
import threading
import time

import pytest

from tests.native.attaching import DETACH, EXIT, GONE, HELLO, RESIZE, STDERR, STDIN, STDOUT, Client, frame
from tests.native.watching import PIDS, PLAIN, cpu_ticks, private_kilobytes, until

both_spaces = pytest.mark.parametrize("spaces", [PLAIN, PIDS])
TOO_SLOW = b"it is too slow for what the payload writes; the log has everything"


@pytest.fixture
def place(tmp_path):
    return tmp_path / "socket"


@pytest.fixture
def serve(watched, place):
    """Starts a detached container with a socket; its payload waits for the file /go/go where it says so."""
    go = watched.directory / "go"
    go.mkdir()

    def start(script, *records, flags="logs,stdin", **options):
        binds = [("bind", str(go), "/go", "")]
        script = f"until test -e /go/go; do sleep 0.02; done; {script}"
        watched.detach(("attach", str(place)), *binds, *records, script=script, flags=flags, **options)
        return watched

    start.go = (go / "go").touch
    return start


@both_spaces
def test_a_conversation(spaces, serve, watched, place):
    serve("read x; echo got $x; echo err >&2; read y; echo got $y; exit 7", spaces=spaces)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    with Client(place) as client:
        assert client.hello == {"format": 1, "terminal": False, "stdin": True}
        serve.go()
        client.type("one\n")
        client.read_until("got one\n")
        client.type("two\n")
        kind, content = client.read_all()
    assert client.output == {STDOUT: b"got one\ngot two\n", STDERR: b"err\n"}
    assert kind == EXIT
    assert watched.exit()["status"] == 7
    assert content == (watched.directory / "exit").read_bytes()
    assert watched.lines() == ["got one", "got two"]
    assert not place.exists()


def test_what_was_written_before_is_not_repeated(serve, watched, place):
    serve("echo early; until test -e /go/more; do sleep 0.02; done; echo late")
    serve.go()
    until(lambda: watched.lines() == ["early"])
    with Client(place) as client:
        (watched.directory / "go/more").touch()
        client.read_all()
    assert client.output[STDOUT] == b"late\n"


def test_the_end_of_input(serve, watched, place):
    """For all clients and for good; who reads it gets what was sent before."""
    serve("cat; echo over")
    serve.go()
    with Client(place) as client, Client(place) as other:
        client.type("last")
        client.send(STDIN)
        other.send(STDIN, b"too late")
        assert client.read_all()[0] == other.read_all()[0] == EXIT
    assert client.output[STDOUT] == other.output[STDOUT] == b"lastover\n"


def test_without_stdin_input_is_nobodys(serve, watched, place):
    serve("cat; echo over", flags="logs")
    with Client(place) as client:
        assert client.hello["stdin"] is False
        client.type("x\n")
        serve.go()
        client.read_all()
    assert client.output[STDOUT] == b"over\n"


def test_clients_come_and_go(serve, watched, place):
    serve("while read x; do echo $x; done; exit 4")
    serve.go()
    with Client(place) as first, Client(place) as second:
        first.type("a\n")
        assert first.read_until("a\n") == second.read_until("a\n") == "a\n"
        second.send(DETACH)
        assert second.read_all() == (GONE, b"detached")
        first.type("b\n")
        first.read_until("b\n")
    with Client(place) as third:  # the first has just hung up
        third.type("c\n")
        third.send(STDIN)
        assert third.read_all()[0] == EXIT
    assert watched.exit()["status"] == 4
    assert watched.lines() == ["a", "b", "c"]


def test_what_a_client_sent_before_it_hung_up_is_taken(serve, watched, place):
    serve("cat | wc -c")
    with Client(place) as client:
        for _ in range(2):
            client.send(STDIN, b"x" * 45_000)
        client.send(STDIN)
    serve.go()
    watched.exit()
    assert watched.lines() == ["90000"]


def test_eight_clients(serve, watched, place):
    serve("echo all")
    clients = [Client(place) for _ in range(8)]
    with Client(place, greeted=False) as ninth:
        assert ninth.read_all() == (GONE, b"8 clients are attached already, and there is no place for more")
    clients[3].socket.close()
    time.sleep(0.1)
    clients[3] = Client(place)
    serve.go()
    for client in clients:
        assert client.read_all()[0] == EXIT
        assert client.output[STDOUT] == b"all\n"
        client.socket.close()


@pytest.mark.parametrize(
    "data",
    [
        b"\x09" + bytes(7), frame(HELLO), frame(STDOUT, b"x"), b"\0\x01\0\0\0\0\0\0", b"\0\0\0\x01\0\0\0\0", b"\0\0\0\0\0\x01\0\x01",
        b"\0\0\0\0\xff\xff\xff\xff", frame(RESIZE, b"abc"), frame(RESIZE, b""), frame(DETACH, b"x"), b"GET / HTTP/1.1\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_frame_ends_the_connection(data, serve, watched, place):
    serve("read x; echo got $x")
    serve.go()
    with Client(place) as bad, Client(place) as good:
        bad.socket.sendall(data)
        assert bad.read_all() == (GONE, b"what it sent is no frame of the attach protocol")
        good.type("on\n")
        assert good.read_all()[0] == EXIT
    assert good.output[STDOUT] == b"got on\n"


def test_frames_in_any_pieces(serve, watched, place):
    choose = random.Random(7)
    serve("cat > /go/out; echo over")
    serve.go()
    data = bytes(choose.randrange(256) for _ in range(150_000))
    frames, at = b"", 0
    while at < len(data):
        size = choose.choice((1, 2, 100, 5000, 65536))
        frames += frame(STDIN, data[at : at + size]) + frame(RESIZE, b"\0\1\0\1")
        at += size
    frames += frame(STDIN)
    with Client(place) as client:
        at = 0
        while at < len(frames):
            size = choose.choice((1, 7, 8, 9, 1000, 70_000))
            client.socket.sendall(frames[at : at + size])
            at += size
        assert client.read_all()[0] == EXIT
    assert (watched.directory / "go/out").read_bytes() == data


def test_input_that_the_payload_does_not_take_waits(serve, watched, place):
    """And holds up neither its output nor another client's output; nothing of it is lost."""
    serve("until test -e /go/read; do echo tick; sleep 0.05; done; cat | wc -c")
    serve.go()
    sent = []

    def send(client):
        for _ in range(40):
            client.send(STDIN, b"y" * 50_000)
            sent.append(50_000)
        client.send(STDIN)

    with Client(place) as client, Client(place) as other:
        thread = threading.Thread(target=send, args=(client,))
        thread.start()
        time.sleep(0.5)
        assert sum(sent) < 1_000_000
        other.read_until("tick\ntick\ntick\n")
        assert watched.lines()[:3] == ["tick"] * 3
        (watched.directory / "go/read").touch()
        thread.join()
        assert client.read_all()[0] == EXIT
    assert watched.lines()[-1] == "2000000"


def test_input_after_the_payload_has_closed_its_stdin(serve, watched, place):
    serve("exec <&-; echo closed; until test -e /go/end; do sleep 0.02; done; echo over")
    with Client(place) as client:
        serve.go()
        client.read_until("closed\n")
        for _ in range(40):
            client.send(STDIN, b"z" * 65536)
        (watched.directory / "go/end").touch()
        assert client.read_all()[0] == EXIT


def test_a_slow_client_holds_nobody_up(serve, watched, place):
    """It gets what fitted, uncut, and a word; the log and the others have everything."""
    serve(
        "i=0; while [ $i -lt 30000 ]; do echo line $i xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; i=$((i+1));"
        # Pauses, or on a busy machine the quick one would be slow, too.
        "[ $((i % 500)) -gt 0 ] || sleep 0.03; done;"
        "until test -e /go/end; do sleep 0.02; done"
    )
    with Client(place) as slow, Client(place) as quick:
        serve.go()
        assert quick.read_until("line 29999 ").count("\n") >= 29_999
        assert slow.read_all() == (GONE, TOO_SLOW)
        (watched.directory / "go/end").touch()
        assert quick.read_all()[0] == EXIT
    assert watched.lines() == quick.output[STDOUT].decode().splitlines()
    assert len(watched.lines()) == 30_000
    got = slow.output[STDOUT]
    assert quick.output[STDOUT].startswith(got)
    assert 400_000 < len(got) < len(quick.output[STDOUT])


def test_a_client_that_never_reads_ends_with_the_container(serve, watched, place):
    serve("i=0; while [ $i -lt 20000 ]; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; i=$((i+1)); done")
    with Client(place):
        serve.go()
        assert watched.exit(20)["status"] == 0
        watcher = watched.payload()["watcher"]["pid"]
        until(lambda: not os.path.exists(f"/proc/{watcher}"), 3, "the end of the watcher")


def test_a_terminal(serve, watched, place):
    serve("stty size; read x; stty size; echo got $x; tty > /dev/null && exit 5", ("dev", "/dev"), flags="logs,pty")
    with Client(place) as client:
        assert client.hello == {"format": 1, "terminal": True, "stdin": True}
        client.send(RESIZE, struct.pack(">HH", 50, 132))
        time.sleep(0.1)
        serve.go()
        client.read_until("50 132\r\n")
        client.send(RESIZE, struct.pack(">HH", 7, 9))
        client.type("word\r")
        kind, _ = client.read_all()
    assert kind == EXIT
    assert client.output[STDOUT] == b"50 132\r\nword\r\n7 9\r\ngot word\r\n"
    assert watched.exit()["status"] == 5


def test_keys_of_the_terminal(serve, watched, place):
    """Ctrl-C interrupts, Ctrl-D ends input, a resize is a signal."""
    script = "trap 'echo resized' WINCH; trap : INT; (trap 'echo int; exit 3' INT; echo up; while :; do sleep 0.02; done); echo status $?; cat; sleep 0.1; echo over"
    serve(script, ("dev", "/dev"), flags="logs,pty")
    with Client(place) as client:
        serve.go()
        client.read_until("up\r\n")
        client.send(RESIZE, struct.pack(">HH", 7, 9))
        client.type("\x03")
        client.read_until("status 3\r\n")
        client.type("x\r\x04")
        assert client.read_all()[0] == EXIT
    text = client.output[STDOUT].decode()
    assert re.search(r"x\r\nx\r\n", text)
    assert text.endswith("over\r\n")


def test_a_payload_may_close_its_terminal(serve, watched, place):
    """As services do that redirect their streams: nobody hangs up on them, and who types is not in the way."""
    script = "exec < /dev/null > /go/out 2>&1; touch /go/closed; until test -e /go/end; do sleep 0.02; done; echo lives; echo tty > /dev/tty; exit 3"
    serve(script, ("dev", "/dev"), flags="logs,pty")
    with Client(place) as client:
        serve.go()
        until((watched.directory / "go/closed").exists)
        client.type("typed\r" * 10)
        time.sleep(0.2)
        watcher = watched.payload()["watcher"]["pid"]
        before = cpu_ticks(watcher)
        time.sleep(0.3)
        assert cpu_ticks(watcher) - before <= 2
        (watched.directory / "go/end").touch()
        assert client.read_all()[0] == EXIT
    assert watched.exit()["status"] == 3
    assert (watched.directory / "go/out").read_text() == "lives\n"
    assert client.output[STDOUT].endswith(b"tty\r\n")


def test_typing_faster_than_a_terminal_takes(serve, watched, place):
    """In raw mode, in which the kernel makes the writer wait: nothing is lost, and the watcher does not spin."""
    script = "stty raw -echo; echo raw; until test -e /go/read; do sleep 0.02; done; head -c 100000 | md5sum; exit 4"
    serve(script, ("dev", "/dev"), flags="pty")
    data = bytes(97 + i % 26 for i in range(100_000))
    with Client(place) as client:
        serve.go()
        client.read_until("raw")
        for at in range(0, len(data), 50_000):
            client.send(STDIN, data[at : at + 50_000])
        watcher = watched.payload()["watcher"]["pid"]
        before = cpu_ticks(watcher)
        time.sleep(0.3)
        assert cpu_ticks(watcher) - before <= 2
        (watched.directory / "go/read").touch()
        client.read_until(hashlib.md5(data).hexdigest())
        assert client.read_all()[0] == EXIT


def test_a_client_that_hung_up_with_much_unread(serve, watched, place):
    """What it sent is taken, however late; its seat becomes free; meanwhile the watcher sleeps."""
    serve("until test -e /go/read; do sleep 0.02; done; head -c 150000 | wc -c; cat > /dev/null", ("dev", "/dev"))
    serve.go()
    with Client(place) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        for _ in range(3):
            client.send(STDIN, b"x" * 50_000)
    watcher = watched.payload()["watcher"]["pid"]
    time.sleep(0.1)
    before = cpu_ticks(watcher)
    time.sleep(0.3)
    assert cpu_ticks(watcher) - before <= 2
    (watched.directory / "go/read").touch()
    until(lambda: watched.lines() == ["150000"])
    clients = [Client(place) for _ in range(8)]
    clients[0].send(STDIN)
    for client in clients:
        assert client.read_all()[0] == EXIT
        client.socket.close()


def test_ctrl_z_in_a_shell_on_the_terminal(serve, watched, place):
    watched.detach(("attach", str(place)), ("dev", "/dev"), ("env", "PS1=in> "), argv=("sh", "-i"), flags="pty")
    with Client(place) as client:
        client.type("sleep 60\r")
        time.sleep(0.3)
        client.type("\x1a")
        client.read_until("Stopped")
        client.type("kill %1; exit 6\r")
        client.type("exit 6\r")
        client.read_all()
    assert watched.exit()["status"] == 6


def test_the_end_of_the_last_client_does_not_hang_up(serve, watched, place):
    serve("trap 'echo hup' HUP; sleep 0.5; echo on", ("dev", "/dev"), flags="logs,pty")
    with Client(place):
        serve.go()
    assert watched.exit()["status"] == 0
    assert [line.rstrip("\r") for line in watched.lines()] == ["on"]


def test_an_attached_watcher_can_be_attached_to(watched, place):
    """Without logs, without detaching: the socket alone captures."""
    with watched.start(("attach", str(place)), argv=("sh", "-c", "read x; echo got $x; exit 3"), flags="stdin") as process:
        until(place.exists)
        with Client(place) as client:
            client.type("word\n")
            client.read_all()
        assert (process.communicate(), process.returncode) == (("", ""), 3)
    assert client.output[STDOUT] == b"got word\n"


def test_what_is_at_the_place_is_replaced(watched, place):
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(place))
    watched.detach(("attach", str(place)), script="sleep 0.3")
    with Client(place) as client:
        assert client.read_all()[0] == EXIT
    assert not place.exists()


def test_a_place_that_cannot_be(watched, tmp_path):
    done = watched.run(("attach", str(tmp_path / "none/socket")))
    assert (done.returncode, f"cannot listen at {tmp_path}/none/socket: No such file" in done.stderr) == (125, True)


def test_memory_goes_back_when_clients_have_gone(serve, watched, place):
    serve("i=0; while [ $i -lt 20000 ]; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; i=$((i+1)); done; sleep 60")
    clients = [Client(place) for _ in range(8)]
    serve.go()
    until(lambda: len(watched.lines()) == 20_000)
    for client in clients:
        client.socket.close()
    time.sleep(0.3)
    assert private_kilobytes(watched.payload()["watcher"]["pid"]) <= 3000


def test_hostile_clients(serve, watched, place):
    """Whatever they send, the container goes on and the next client is served."""
    choose = random.Random(3)
    serve("read x; echo got $x")
    serve.go()
    for _ in range(150):
        with socket.socket(socket.AF_UNIX) as hostile:
            hostile.connect(str(place))
            kind = choose.choice((RESIZE, DETACH, STDOUT, 200))
            data = choose.choice(
                (frame(kind, bytes(choose.randrange(6))), os.urandom(choose.randrange(1, 100)).replace(b"\0", b"\1"), b"\0", b"")
            )
            with contextlib.suppress(BrokenPipeError):  # no seat was free for it
                hostile.sendall(data)
            if choose.random() < 0.5:
                hostile.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with Client(until(lambda: attachable(place)), greeted=True) as client:
        client.type("on\n")
        client.read_all()
    assert client.output[STDOUT].endswith(b"got on\n")


def attachable(place):
    """The place, once one of the eight seats is free."""
    with Client(place, greeted=False) as client:
        return place if client.receive()[0] == HELLO else None
