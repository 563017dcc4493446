"""Invariant: whatever an archive of images and its documents hold, images with verified documents and parts come out, or a SampanError in one sentence."""

from __future__ import annotations

import os
from zlib import crc32

from sampan.errors import SampanError
from sampan.events import SILENT_NOTICE
from sampan.image.contents import images_of_archive
from sampan.image.members import TarMembers
from sampan.oci.digest import sha256_of
from sampan.oci.platform import Platform, Wanted
from tests.fuzz.fuzz_tar import repaired
from tests.images import docker_archives as forms
from tests.images.docker_archives import Image, packed
from tests.images.tarbytes import archive, file

_LAYER = archive(file("a", b"x"))
_IMAGES = [Image([_LAYER, archive(file("b"))], ("tools:1", "other:2"), {"Cmd": ["x"]}), Image([_LAYER], ())]
_MEMBERS = {
    "old": forms.docker_1_9(_IMAGES),
    "manifest": forms.docker_1_10(_IMAGES),
    "both": forms.docker_25(_IMAGES),
    "containerd": forms.containerd(_IMAGES[0], [Image([_LAYER], (), {}, "linux/arm64")], present=("linux/arm64",)),
}
_JSON = [data for members in _MEMBERS.values() for name, data in members if isinstance(data, bytes) and data[:1] in b"{["]
SEEDS = [*_JSON, *(packed(members) for members in _MEMBERS.values())]
_WANTED = Wanted(Platform("linux", "amd64"))


def read(data: bytes) -> None:
    descriptor = os.memfd_create("archive")
    try:
        os.write(descriptor, data)
        try:
            images = images_of_archive(TarMembers(descriptor), _WANTED, SILENT_NOTICE)
        except SampanError as error:
            assert error.sentence.isprintable(), error.sentence
            assert "\n" not in error.sentence
            return
        for image in images or []:
            assert image.shown.isprintable()
            assert image.manifest is None or sha256_of(image.manifest.content) == image.manifest.digest
            assert image.config or image.config_base is not None
            for layer in image.layers:
                assert layer.shown.isprintable()
                if layer.part is not None:
                    assert layer.part.offset + layer.part.size <= len(data)
    finally:
        os.close(descriptor)


_DOCUMENTS = [
    (form, name)
    for form, members in _MEMBERS.items()
    for name, _ in members
    if name in ("index.json", "manifest.json", "repositories") or name.endswith("/json")
]


def test_one(data: bytes) -> None:
    """An archive, or a document in two of the places that documents have."""
    if len(data) % 512 == 0 and data:
        read(data)
        read(repaired(data))
        return
    first = crc32(data) % len(_DOCUMENTS)
    for form, name in (_DOCUMENTS[first], _DOCUMENTS[first // 2]):
        read(packed([(other, data if other == name else content) for other, content in _MEMBERS[form]]))
