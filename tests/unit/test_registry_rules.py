"""What the registry client decides without asking anybody: proxies, addresses it may be sent to, waits."""

from __future__ import annotations

import ipaddress
import threading

import pytest

from sampan.errors import BadSetting, ProtocolError, Unreachable
from sampan.registry.addresses import check_realm, is_loopback
from sampan.registry.pacing import Limits, Transient, Tries, retry_after, spoken
from sampan.registry.proxy import proxy_for

pytestmark = pytest.mark.client

NETWORK = {
    "cloud.evil": "169.254.169.254", "local.evil": "127.0.0.1", "mapped.evil": "::ffff:127.0.0.1", "null.evil": "0.0.0.0", "v6.evil": "fe80::1",
    "alibaba.evil": "100.100.100.200", "aws6.evil": "fd00:ec2::254", "many.evil": "224.0.0.1", "auth.docker.io": "44.1.2.3",
    "registry-1.docker.io": "44.1.2.4", "gitlab.lab": "10.0.0.7", "127.0.0.1": "127.0.0.1", "::1": "::1", "169.254.1.1": "169.254.1.1",
    "own.lan": "127.0.0.1", "metadata": "10.1.1.1",
}  # fmt: skip


def resolve(name):
    return [ipaddress.ip_address(NETWORK[name])] if name in NETWORK else []


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("https://registry-1.docker.io", "https://auth.docker.io/token"),
        ("https://gitlab.lab:5050", "https://gitlab.lab/jwt/auth"),
        ("http://gitlab.lab:5000", "http://gitlab.lab:5001/token?x=1"),
        ("http://gitlab.lab:5000", "https://auth.docker.io/token"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token"),
        ("http://[::1]:5000", "http://[::1]:5001/token"),
        ("https://own.lan", "https://local.evil/token"),
        ("https://x.y", "https://nowhere.to.be.found/token"),
    ],
)
def test_token_servers_that_may_be_asked(registry, realm):
    check_realm(realm, registry, resolve)


@pytest.mark.parametrize(
    ("registry", "realm", "reason"),
    [
        ("https://registry-1.docker.io", "http://auth.docker.io/token", "without TLS"),
        ("https://registry-1.docker.io", "https://user:pw@auth.docker.io/token", "user name in it"),
        ("https://registry-1.docker.io", "https://127.0.0.1/token", "on this machine itself"),
        ("https://registry-1.docker.io", "https://localhost:99/token", "on this machine itself"),
        ("https://registry-1.docker.io", "https://local.evil/token", "on this machine itself"),
        ("https://registry-1.docker.io", "https://mapped.evil/token", "on this machine itself"),
        ("https://registry-1.docker.io", "https://169.254.1.1/token", "not on the network"),
        ("https://registry-1.docker.io", "https://cloud.evil/token", "not on the network"),
        ("https://registry-1.docker.io", "https://v6.evil/token", "not on the network"),
        ("https://registry-1.docker.io", "https://null.evil/token", "not on the network"),
        ("https://registry-1.docker.io", "https://many.evil/token", "not on the network"),
        ("https://registry-1.docker.io", "https://alibaba.evil/token", "not on the network"),
        ("https://registry-1.docker.io", "https://aws6.evil/token", "not on the network"),
        ("https://registry-1.docker.io", "https://metadata/token", "this machine's cloud"),
        ("https://registry-1.docker.io", "https://Metadata.Google.Internal./token", "this machine's cloud"),
        ("http://gitlab.lab", "http://169.254.1.1/latest", "not on the network"),
        ("https://x.y", "ftp://x.y/token", "not a URL of the web"),
        ("https://x.y", "/token", "not a URL of the web"),
        ("https://x.y", "https://", "not a URL of the web"),
        ("https://x.y", "https://[::1/token", "is not a URL"),
        ("https://x.y", "https://x.y:99999/", "is not a URL"),
        ("https://x.y", "https://x.y/\r\nX: y", "letters that no URL has"),
    ],
)
def test_token_servers_that_may_not(registry, realm, reason):
    with pytest.raises(ProtocolError, match=reason):
        check_realm(realm, registry, resolve)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:5000", "127.0.0.1", "127.9.9.9:80", "[::1]", "[::1]:5000"])
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.evil.com", "127.0.0.1.nip.io", "10.0.0.1", "[::2]:5000", "docker.io", "", "0.0.0.0"])
def test_not_loopback(host):
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("url", "variables", "proxy"),
    [
        ("https://quay.io/x", {}, None),
        ("https://quay.io/x", {"https_proxy": "http://p:3128"}, "http://p:3128"),
        ("https://quay.io/x", {"HTTPS_PROXY": "p:3128"}, "http://p:3128"),
        ("https://quay.io/x", {"https_proxy": "http://low", "HTTPS_PROXY": "http://high"}, "http://low"),
        ("https://quay.io/x", {"http_proxy": "http://p"}, None),
        ("https://quay.io/x", {"all_proxy": "http://p"}, "http://p"),
        ("http://quay.io/x", {"HTTP_PROXY": "http://p"}, "http://p"),
        ("http://quay.io/x", {"HTTP_PROXY": "http://p", "REQUEST_METHOD": "GET"}, None),
        ("http://127.0.0.1:5000/x", {"http_proxy": "http://p"}, None),
        ("http://localhost:5000/x", {"http_proxy": "http://p"}, None),
        ("https://quay.io/x", {"https_proxy": "http://p", "no_proxy": "*"}, None),
        ("https://quay.io/x", {"https_proxy": "http://p", "NO_PROXY": "example.org, quay.io"}, None),
        ("https://cdn.quay.io/x", {"https_proxy": "http://p", "no_proxy": "quay.io"}, None),
        ("https://cdn.quay.io/x", {"https_proxy": "http://p", "no_proxy": ".quay.io"}, None),
        ("https://cdn.quay.io/x", {"https_proxy": "http://p", "no_proxy": "*.quay.io"}, None),
        ("https://myquay.io/x", {"https_proxy": "http://p", "no_proxy": "quay.io"}, "http://p"),
        ("https://quay.io/x", {"https_proxy": "http://p", "no_proxy": "quay.io:8443"}, "http://p"),
        ("https://quay.io:8443/x", {"https_proxy": "http://p", "no_proxy": "quay.io:8443"}, None),
        ("https://10.1.2.3/x", {"https_proxy": "http://p", "no_proxy": "10.0.0.0/8"}, None),
        ("https://11.1.2.3/x", {"https_proxy": "http://p", "no_proxy": "10.0.0.0/8,quay.io"}, "http://p"),
        ("https://[fd00::7]:5000/x", {"https_proxy": "http://p", "no_proxy": "[fd00::7]:5000"}, None),
        ("https://[fd00::7]:5000/x", {"https_proxy": "http://p", "no_proxy": "fd00::/8"}, None),
    ],
)
def test_proxies(url, variables, proxy):
    assert proxy_for(url, variables) == proxy


@pytest.mark.parametrize("proxy", ["socks5://p:1080", "http://", "http://[x"])
def test_unusable_proxies(proxy):
    with pytest.raises(BadSetting, match="cannot be used"):
        proxy_for("https://quay.io/", {"https_proxy": proxy})


def test_a_proxys_password_is_not_told():
    with pytest.raises(BadSetting) as caught:
        proxy_for("https://quay.io/", {"https_proxy": "socks5://me:secret@p:1080"})
    assert "secret" not in caught.value.sentence


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3.0), (" 120 ", 120.0), ("0", 0.0), (None, None), ("", None), ("soon", None), ("92.9µs", None), ("-1", None),
        ("Wed, 21 Oct 2015 07:28:10 GMT", 10.0), ("Wed, 21 Oct 2015 07:27:00 GMT", 0.0), ("99999999999999", 999999999.0),
    ],
)  # fmt: skip
def test_retry_after(text, seconds):
    assert retry_after(text, 1445412480.0) == seconds


@pytest.mark.parametrize(("seconds", "text"), [(0.25, "0.2 s"), (12, "12 s"), (119, "119 s"), (240, "4 min"), (21600, "6 h")])
def test_spoken(seconds, text):
    assert spoken(seconds) == text


def test_tries_wait_longer_and_longer_and_then_raise(clock, notice):
    tries = Tries(Limits(), clock, notice, threading.Event())
    for _ in range(4):
        tries.wait(Transient(Unreachable("no answer"), pause=1.0))
    with pytest.raises(Unreachable, match=r"no answer \(tried 5 times\)"):
        tries.wait(Transient(Unreachable("no answer"), pause=1.0))
    assert clock.waits == [1, 2, 4, 8]
    assert notice.warnings[1] == "no answer; trying again in 2.0 s (2 of 4)"


def test_progress_gives_the_tries_anew(clock, notice):
    tries = Tries(Limits(), clock, notice, threading.Event())
    for _ in range(20):
        tries.wait(Transient(Unreachable("cut")))
        tries.received(1 << 20)
    assert len(clock.waits) == 20


def test_a_server_that_asks_for_hours_is_not_waited_for(clock, notice):
    with pytest.raises(Unreachable) as caught:
        Tries(Limits(), clock, notice, threading.Event()).wait(Transient(Unreachable("busy"), retry_after=21600))
    assert (clock.waits, caught.value.hint) == ([], "it asks to wait 6 h")


def test_after_a_stop_nothing_is_tried_again(clock, notice):
    stop = threading.Event()
    stop.set()
    with pytest.raises(Unreachable, match=r"^cut$"):
        Tries(Limits(), clock, notice, stop).wait(Transient(Unreachable("cut")))
