"""Platforms: spellings, this machine, and which image of several is taken."""

from __future__ import annotations

import pytest

from sampan.errors import UsageError
from sampan.oci.platform import Platform, Wanted, host_platform, preference

pytestmark = pytest.mark.client

HOST = Platform("linux", "amd64", "v3")
V2 = "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"
V3 = V2 + " abm avx avx2 bmi1 bmi2 f16c fma movbe xsave"
V4 = V3 + " avx512bw avx512cd avx512dq avx512f avx512vl"


@pytest.mark.parametrize(
    ("architecture", "variant", "text"),
    [
        ("x86_64", "", "linux/amd64"), ("amd64", "v1", "linux/amd64"), ("x86-64", "v3", "linux/amd64/v3"),
        ("aarch64", "", "linux/arm64"), ("arm64", "v8", "linux/arm64"), ("arm64", "8", "linux/arm64"), ("arm64", "v9.0", "linux/arm64/v9"),
        ("armhf", "", "linux/arm/v7"), ("armel", "", "linux/arm/v6"), ("arm", "7", "linux/arm/v7"), ("arm", "", "linux/arm"),
        ("i386", "", "linux/386"), ("i686", "x", "linux/386"), ("ppc64le", "", "linux/ppc64le"), ("S390X", "", "linux/s390x"),
    ],
)  # fmt: skip
def test_spellings(architecture, variant, text):
    assert str(Platform.named("Linux", architecture, variant)) == text
    assert Platform.from_document({"os": "linux", "architecture": architecture, "variant": variant}, "x") == Platform.named(
        "linux", architecture, variant
    )


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("linux/amd64", "linux/amd64"), ("x86_64", "linux/amd64"), ("linux", "linux/amd64/v3"), ("linux/arm", "linux/arm/v7"),
        ("arm", "linux/arm/v7"), ("linux/arm/6", "linux/arm/v6"), ("LINUX/ARM64/V8", "linux/arm64"), ("macos", "darwin/amd64/v3"),
        ("windows/amd64", "windows/amd64"), ("armel", "linux/arm/v6"), ("wasm", "linux/wasm"),
    ],
)  # fmt: skip
def test_what_a_person_means(text, meant):
    assert str(Platform.parse(text, HOST)) == meant


@pytest.mark.parametrize("text", ["", "/", "linux/", "/amd64", "a/b/c/d", "linux amd64", "linux/amd64\n", "linux/ämd64", "*"])
def test_what_is_no_platform(text):
    with pytest.raises(UsageError, match="is not a platform"):
        Platform.parse(text, HOST)


@pytest.mark.parametrize(
    ("machine", "cpuinfo", "text"),
    [
        ("x86_64", "", "linux/amd64"),
        ("x86_64", f"flags\t\t: fpu {V2}\n", "linux/amd64/v2"),
        ("x86_64", f"flags : {V3}\nflags : {V3} more\n", "linux/amd64/v3"),
        ("x86_64", f"flags : {V4}\nflags : {V3}\n", "linux/amd64/v3"),
        ("x86_64", f"flags : {V4}\n", "linux/amd64/v4"),
        ("x86_64", f"flags : {V4.replace('popcnt', '')}\n", "linux/amd64"),
        ("i686", f"flags : {V3}\n", "linux/386"),
        ("aarch64", "Features\t: fp asimd\n", "linux/arm64"),
        ("aarch64", "Features\t: fp asimd sve sve2\n", "linux/arm64/v9"),
        ("armv7l", "", "linux/arm/v7"), ("armv6l", "", "linux/arm/v6"), ("armv8l", "", "linux/arm/v8"),
        ("ppc64le", "", "linux/ppc64le"), ("riscv64", "", "linux/riscv64"), ("loongarch64", "", "linux/loong64"),
    ],
)  # fmt: skip
def test_this_machine(machine, cpuinfo, text):
    assert str(host_platform(machine, cpuinfo)) == text


@pytest.mark.parametrize(
    ("host", "order"),
    [
        ("amd64/v3", "amd64/v3 amd64/v2 amd64 386"), ("amd64", "amd64 386"), ("386", "386"), ("ppc64le", "ppc64le"),
        ("arm/v8", "arm/v8 arm/v7 arm/v6 arm/v5"), ("arm/v7", "arm/v7 arm/v6 arm/v5"), ("arm/v6", "arm/v6 arm/v5"),
        ("arm64", "arm64 arm/v8 arm/v7 arm/v6 arm/v5"), ("arm64/v8.1", "arm64/v8.1 arm64 arm/v8 arm/v7 arm/v6 arm/v5"),
        ("arm64/v9.1", "arm64/v9.1 arm64/v9 arm64/v8.6 arm64/v8.5 arm64/v8.4 arm64/v8.3 arm64/v8.2 arm64/v8.1 arm64 arm/v8 arm/v7 arm/v6 arm/v5"),
        ("arm64/odd", "arm64 arm/v8 arm/v7 arm/v6 arm/v5"), ("amd64/v99999999", "amd64 386"),
    ],
)  # fmt: skip
def test_order_of_a_host(host, order):
    assert [str(p)[len("linux/") :] for p in preference(Platform.named("linux", *host.split("/")))] == order.split()


@pytest.mark.parametrize(
    ("host", "offered", "best"),
    [
        ("amd64/v3", "386 amd64 amd64/v2 amd64/v4", "amd64/v2"),
        ("amd64", "amd64/v2 386", "386"),
        ("arm/v6", "arm/v7 arm/v5", "arm/v5"),
        ("arm/v6", "arm/v7", None),
        ("arm/v6", "arm", None),  # without variant it means v7
        ("arm/v7", "arm/v6 arm", "arm"),
        ("arm64", "arm/v7 arm64/v8", "arm64"),
        ("arm64/v9", "arm64 arm64/v8.5", "arm64/v8.5"),
        ("ppc64le", "amd64 s390x", None),
    ],
)
def test_best_wins_not_first(host, offered, best):
    wanted = Wanted(Platform.named("linux", *host.split("/")))
    assert chosen(wanted, offered) == best


@pytest.mark.parametrize(
    ("asked", "offered", "best"),
    [
        ("amd64", "386 amd64/v2 amd64", "amd64"),
        ("amd64", "386 amd64/v2", None),
        ("amd64/v3", "amd64 amd64/v3", "amd64/v3"),
        ("amd64/v3", "amd64/v2 amd64", "amd64"),
        ("arm/v6", "arm/v7 arm/v5", None),
        ("arm/v6", "arm/v7 arm", "arm"),
        ("arm", "arm/v6 arm/v7", "arm/v7"),
        ("arm64/v8", "arm arm64", "arm64"),
        ("386", "amd64", None),
    ],
)
def test_a_platform_asked_for_is_strict(asked, offered, best):
    assert chosen(Wanted(Platform.parse(f"linux/{asked}", HOST), strict=True), offered) == best


def chosen(wanted, offered):
    ranked = [(wanted.rank(Platform.named("linux", *text.split("/"))), text) for text in offered.split()]
    fitting = [(rank, text) for rank, text in ranked if rank is not None]
    return str(Platform.named("linux", *min(fitting)[1].split("/")))[len("linux/") :] if fitting else None
