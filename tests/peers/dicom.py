"""A small DICOM series, so that dcm2niix has something to convert: slices of 16-bit numbers, explicit VR, little endian (PS3.5, PS3.10)."""

from __future__ import annotations

import struct
from pathlib import Path

SIDE = 16
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
ROOT = "1.2.826.0.1.3680043.2.1143.7"
LONG = ("OB", "OW")


def _element(group: int, number: int, vr: str, value: str | bytes | int) -> bytes:
    if isinstance(value, int):
        data = struct.pack("<H", value)
    else:
        data = value if isinstance(value, bytes) else value.encode("ascii")
        data += (b"\0" if vr in ("UI", *LONG) else b" ") * (len(data) % 2)
    size = struct.pack("<HI", 0, len(data)) if vr in LONG else struct.pack("<H", len(data))
    return struct.pack("<HH", group, number) + vr.encode("ascii") + size + data


def _slice(number: int) -> bytes:
    name = f"{ROOT}.3.{number}"
    pixels = b"".join(struct.pack("<H", (x * 7 + y * 3 + number * 11) % 1000) for y in range(SIDE) for x in range(SIDE))
    meta = b"".join((
        _element(2, 1, "OB", b"\0\1"), _element(2, 2, "UI", MR_IMAGE), _element(2, 3, "UI", name), _element(2, 0x10, "UI", EXPLICIT_LITTLE_ENDIAN),
    ))  # fmt: skip
    body = (
        (8, 0x08, "CS", "ORIGINAL\\PRIMARY\\M"), (8, 0x16, "UI", MR_IMAGE), (8, 0x18, "UI", name), (8, 0x20, "DA", "20260101"),
        (8, 0x30, "TM", "120000"), (8, 0x60, "CS", "MR"), (8, 0x70, "LO", "SIEMENS"), (8, 0x103E, "LO", "plain series"), (0x10, 0x10, "PN", "No^Body"),
        (0x10, 0x20, "LO", "1"), (0x18, 0x50, "DS", "2"), (0x18, 0x80, "DS", "500"), (0x18, 0x81, "DS", "10"), (0x18, 0x88, "DS", "2"),
        (0x18, 0x1030, "LO", "plain"), (0x20, 0x0D, "UI", f"{ROOT}.1"), (0x20, 0x0E, "UI", f"{ROOT}.2"), (0x20, 0x10, "SH", "1"),
        (0x20, 0x11, "IS", "4"), (0x20, 0x12, "IS", "1"), (0x20, 0x13, "IS", str(number)), (0x20, 0x32, "DS", f"0\\0\\{2 * number}"),
        (0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0"), (0x28, 0x02, "US", 1), (0x28, 0x04, "CS", "MONOCHROME2"), (0x28, 0x10, "US", SIDE),
        (0x28, 0x11, "US", SIDE), (0x28, 0x30, "DS", "1.5\\1.5"), (0x28, 0x100, "US", 16), (0x28, 0x101, "US", 16), (0x28, 0x102, "US", 15),
        (0x28, 0x103, "US", 0), (0x7FE0, 0x10, "OW", pixels),
    )  # fmt: skip
    length = struct.pack("<HH", 2, 0) + b"UL" + struct.pack("<HI", 4, len(meta))
    return bytes(128) + b"DICM" + length + meta + b"".join(_element(*one) for one in body)


def series(directory: Path, slices: int = 4) -> Path:
    """Write a series of slices into a new directory."""
    directory.mkdir(parents=True)
    for number in range(1, slices + 1):
        (directory / f"slice {number}.dcm").write_bytes(_slice(number))
    return directory
