"""Platforms: their many spellings, this machine's, and which of several images fits it best. Pure.

The names are Go's (`linux/arm64/v8`); spellings and order are those of containerd, so that the same image is chosen
as everywhere else. The default of an architecture's variant is written out for arm (`v7`) and left out for arm64
(`v8`) and amd64 (`v1`), as containerd does.
"""

from __future__ import annotations

from sampan.errors import UsageError, printable
from sampan.oci.digest import only
from sampan.oci.document import text_of
from sampan.values import frozen

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Iterable

_ARCHITECTURES = {
    "x86_64": ("amd64", ""), "x86-64": ("amd64", ""), "x64": ("amd64", ""), "amd64": ("amd64", ""),
    "aarch64": ("arm64", ""), "arm64": ("arm64", ""),
    "armhf": ("arm", "v7"), "armel": ("arm", "v6"),
    "i386": ("386", ""), "i486": ("386", ""), "i586": ("386", ""), "i686": ("386", ""), "x86": ("386", ""),
}  # fmt: skip
_MACHINES = {
    "armv8l": ("arm", "v8"), "armv7l": ("arm", "v7"), "armv6l": ("arm", "v6"), "armv5tel": ("arm", "v5"),
    "armv5tejl": ("arm", "v5"), "loongarch64": ("loong64", ""), "mips64": ("mips64", ""),
}  # fmt: skip
_SYSTEMS = {"macos": "darwin"}
_OPERATING_SYSTEMS = ("linux", "windows", "darwin", "freebsd", "netbsd", "openbsd")
_PLAIN_VARIANTS = {("amd64", "v1"): "", ("arm64", "v8"): "", ("arm64", "v8.0"): "", ("arm64", "v9.0"): "v9"}

_X86_LEVELS = (
    ("v2", frozenset(("cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"))),
    ("v3", frozenset(("abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"))),
    ("v4", frozenset(("avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"))),
)
"""What each level of x86-64 adds, as /proc/cpuinfo spells it (x86-64 psABI, table "Micro-Architecture Levels")."""


@frozen
class Platform:
    """An operating system, an architecture and its variant (empty: the basic one), in the usual spelling."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    @classmethod
    def parse(cls, text: str, host: Platform) -> Platform:
        """The platform a person means by `linux/arm64`, `arm64` or `linux`; `host` fills in what is left out.

        Raises `UsageError`.
        """
        parts = text.lower().split("/")
        if len(parts) > 3 or not all(only(part, "abcdefghijklmnopqrstuvwxyz0123456789_-.") for part in parts):
            raise UsageError(f"{printable(text[:80])!r} is not a platform", "write it like linux/amd64 or linux/arm64/v8")
        if len(parts) == 1 and _SYSTEMS.get(parts[0], parts[0]) in _OPERATING_SYSTEMS:
            return cls.named(parts[0], host.architecture, host.variant)
        if len(parts) == 1:
            parts.insert(0, host.os)
        found = cls.named(*parts)
        return cls(found.os, "arm", "v7") if (found.architecture, found.variant) == ("arm", "") else found

    @classmethod
    def named(cls, os: str, architecture: str, variant: str = "") -> Platform:
        """A platform from any of its spellings. A missing variant of arm stays missing: only its reader can guess it."""
        os, architecture, variant = os.lower(), architecture.lower(), variant.lower()
        architecture, implied = _ARCHITECTURES.get(architecture, (architecture, ""))
        if variant[:1].isdigit():
            variant = "v" + variant
        variant = implied or ("" if architecture == "386" else variant)
        return cls(_SYSTEMS.get(os, os), architecture, _PLAIN_VARIANTS.get((architecture, variant), variant))

    @classmethod
    def from_document(cls, document: dict[str, object], what: str) -> Platform:
        """The platform of a descriptor or of a configuration; its variant may be missing. Raises `ProtocolError`."""
        return cls.named(
            text_of(document, "os", what), text_of(document, "architecture", what), text_of(document, "variant", what)
        )


@frozen
class Wanted:
    """The platform an image is looked for; `strict` if a person asked for just this one."""

    platform: Platform
    strict: bool = False

    def rank(self, offered: Platform) -> int | None:
        """How well `offered` will do: 0 is best, `None` not at all.

        Where a person asked nothing but that platform will do, except that an image may leave its variant out.
        """
        if not self.strict:
            meant = Platform(offered.os, "arm", "v7") if offered == Platform(offered.os, "arm") else offered
            order = preference(self.platform)
            return order.index(meant) if meant in order else None
        if offered == self.platform:
            return 0
        return 1 if offered == Platform(self.platform.os, self.platform.architecture) else None


def host_platform(machine: str, cpuinfo: str) -> Platform:
    """This machine's platform, from `os.uname().machine` and the text of /proc/cpuinfo."""
    architecture, variant = _MACHINES.get(machine) or _ARCHITECTURES.get(machine, (machine, ""))
    flags = _cpu_flags(cpuinfo)
    if architecture == "amd64":
        for level, needed in _X86_LEVELS:
            if not needed <= flags:
                break
            variant = level
    elif architecture == "arm64" and "sve2" in flags:  # Linux shows it on ARMv9 processors only
        variant = "v9"
    return Platform("linux", architecture, variant)


def _cpu_flags(cpuinfo: str) -> frozenset[str]:
    """The features that all processors have: those of big and little cores can differ."""
    common: frozenset[str] | None = None
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            found = frozenset(value.split())
            common = found if common is None else common & found
    return common or frozenset()


def preference(host: Platform) -> tuple[Platform, ...]:
    """The platforms that run on `host`, best first."""
    return tuple(Platform(host.os, architecture, variant) for architecture, variant in _order(host))


def _order(host: Platform) -> list[tuple[str, str]]:
    number = _version(host.variant)
    if host.architecture == "amd64":
        levels = [("amd64", f"v{level}") for level in range(number[0] if number else 1, 1, -1)]
        return [*levels, ("amd64", ""), ("386", "")]
    if host.architecture == "arm":
        return [("arm", f"v{level}") for level in range(number[0] if number else 7, 4, -1)]
    if host.architecture == "arm64":
        major, minor = number or (8, 0)
        newest = minor + 5 if major == 9 else minor
        nines = [("arm64", f"v9.{n}" if n else "v9") for n in range(minor, -1, -1)] if major == 9 else []
        eights = [("arm64", f"v8.{n}" if n else "") for n in range(newest, -1, -1)]
        return [*nines, *eights, *(("arm", f"v{level}") for level in range(8, 4, -1))]
    return [(host.architecture, host.variant)]


def _version(variant: str) -> tuple[int, int] | None:
    """`v8.2` as numbers; `None` for no variant, or one that is not numbered."""
    major, _, minor = variant[1:].partition(".")
    if variant[:1] != "v" or len(variant) > 6 or not major.isdecimal() or not (minor or "0").isdecimal():
        return None
    return int(major), int(minor or "0")


def listed(platforms: Iterable[Platform]) -> str:
    """For sentences: each once, in order of their names."""
    return ", ".join(sorted({printable(str(platform)) for platform in platforms}))
