"""Invariant: whatever hosts.toml holds, its hosts have URLs of the web and headers that fit a line, or BadSetting names the file."""

from __future__ import annotations

import os
import tempfile

from sampan.errors import BadSetting
from sampan.registry import hosts_toml
from sampan.registry.addresses import origin_of

SEEDS = [
    (
        b'server = "https://q.io"\n[host."https://m.lan:5000/x"]\ncapabilities = ["pull", "resolve"]\nca = ["a.pem", "b.pem"]\n'
        b'client = [["c.pem", "k.pem"]]\nskip_verify = true\noverride_path = true\n[host."https://m.lan:5000/x".header]\nx-a = ["b", "c"]\n'
    ),
    b'ca = "a.pem"\nclient = "both.pem"\n[host."m.lan"]\n[header]\nAuthorization = "Basic eDp5"\n',
    b"",
]


def test_one(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as home:
        os.makedirs(f"{home}/.config/containerd/certs.d/q.io")
        with open(f"{home}/.config/containerd/certs.d/q.io/hosts.toml", "wb") as file:
            file.write(data)
        try:
            hosts = hosts_toml.load("q.io", {"HOME": home}, f"{home}/etc")
        except BadSetting as error:
            assert error.sentence.isprintable(), error.sentence
            assert home in error.sentence
            return
    assert hosts
    for host in hosts:
        if host.url:
            assert origin_of(host.url + host.root)[0] in ("http", "https")
        assert host.root == "" or host.root.startswith("/")
        assert set(host.capabilities) <= set(hosts_toml.CAPABILITIES)
        for name, value in host.headers:
            assert name.isascii()
            assert name.isprintable()
            assert value.isprintable()
