"""Image configurations: everything a run needs, and what is odd but legal."""

from __future__ import annotations

import pytest

from sampan.errors import ProtocolError
from sampan.oci.config import ImageConfig
from sampan.oci.digest import sha256_of

pytestmark = pytest.mark.client

FULL = {
    "architecture": "arm64", "os": "linux", "variant": "v8", "created": "2026-01-02T03:04:05Z", "author": "ana",
    "config": {
        "Env": ["PATH=/bin", "EMPTY=", "ODD"], "Entrypoint": ["/bin/sh", "-c"], "Cmd": ["echo hi"], "WorkingDir": "/srv", "User": "33:33",
        "Labels": {"a": "b", "none": None}, "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}, "StopSignal": "SIGTERM", "Unknown": [1],
    },
    "rootfs": {"type": "layers", "diff_ids": [str(sha256_of(b"1")), str(sha256_of(b"2"))]},
    "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "ADD x", "comment": "c", "author": "b"}, {"created_by": "CMD", "empty_layer": True}],
}  # fmt: skip


def test_all_of_it():
    config = ImageConfig.from_document(FULL, "x")
    assert (config.architecture, config.os, config.variant) == ("arm64", "linux", "v8")
    assert (config.created, config.author) == ("2026-01-02T03:04:05Z", "ana")
    assert config.env == ("PATH=/bin", "EMPTY=", "ODD")
    assert (config.entrypoint, config.cmd) == (("/bin/sh", "-c"), ("echo hi",))
    assert (config.working_dir, config.user, config.stop_signal) == ("/srv", "33:33", "SIGTERM")
    assert config.labels == {"a": "b", "none": ""}
    assert (config.exposed_ports, config.volumes) == (("80/tcp",), ("/data",))
    assert config.diff_ids == (sha256_of(b"1"), sha256_of(b"2"))
    assert [(step.created_by, step.empty_layer) for step in config.history] == [("ADD x", False), ("CMD", True)]
    assert (config.history[0].author, config.history[0].comment) == ("b", "c")


def test_nothing_at_all_is_legal():
    config = ImageConfig.from_document({"config": None, "history": None, "rootfs": None}, "x")
    assert (config.env, config.entrypoint, config.cmd, config.labels, config.diff_ids, config.history) == ((), (), (), {}, (), ())


def test_a_single_text_is_one_word():
    config = ImageConfig.from_document({"config": {"Cmd": "sh -c x", "Entrypoint": ""}}, "x")
    assert (config.cmd, config.entrypoint) == (("sh -c x",), ())


@pytest.mark.parametrize(
    "document",
    [
        {"config": []}, {"config": {"Env": "A=b"}}, {"config": {"Env": [1]}}, {"config": {"Cmd": {"a": 1}}}, {"config": {"User": 0}},
        {"config": {"Labels": {"a": 1}}}, {"config": {"Env": ["A=b\0c"]}}, {"config": {"Cmd": ["\0"]}}, {"config": {"WorkingDir": "/\0"}},
        {"rootfs": {"diff_ids": ["sha256:x"]}}, {"rootfs": {"type": "zfs"}}, {"history": [1]}, {"history": {}}, {"architecture": 386},
    ],
)  # fmt: skip
def test_what_it_cannot_be(document):
    with pytest.raises(ProtocolError, match="the configuration of x"):
        ImageConfig.from_document(document, "the configuration of x")
