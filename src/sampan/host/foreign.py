"""Programs of other architectures: what this machine runs by itself, and qemu's user emulation for the rest.

On the start-up path of containers of other architectures.
"""

from __future__ import annotations

import os

# OCI architecture -> (qemu's word, ELF class, byte order, e_machine); elf(5).
MACHINES = {
    "amd64": ("x86_64", 2, 1, 62),
    "386": ("i386", 1, 1, 3),
    "arm": ("arm", 1, 1, 40),
    "arm64": ("aarch64", 2, 1, 183),
    "ppc64le": ("ppc64le", 2, 1, 21),
    "riscv64": ("riscv64", 2, 1, 243),
    "s390x": ("s390x", 2, 2, 22),
    "loong64": ("loongarch64", 2, 1, 258),
    "mips64le": ("mips64el", 2, 1, 8),
}
# uname -m -> what its kernel runs without help.
NATIVE = {
    "x86_64": ("amd64", "386"),
    "aarch64": ("arm64",),
    "ppc64le": ("ppc64le",),
    "riscv64": ("riscv64",),
    "s390x": ("s390x",),
    "loongarch64": ("loong64",),
    "armv7l": ("arm",),
    "i686": ("386",),
}
REGISTERED = "/proc/sys/fs/binfmt_misc"


class Foreign:
    """How programs of an architecture can be run here: the interpreter (a path of this machine) and what they look like.

    `name` is the one it is registered by; `magic` and `mask` are as binfmt_misc reads them. `by_kernel`: this machine's
    own registration does it, so nothing has to be done.
    """

    __slots__ = ("architecture", "by_kernel", "interpreter", "magic", "mask", "name")

    def __init__(self, architecture: str, interpreter: str, *, by_kernel: bool) -> None:
        word, width, order, machine = MACHINES[architecture]
        self.architecture = architecture
        self.interpreter = interpreter
        self.by_kernel = by_kernel
        self.name = f"qemu-{word}"
        kind = (b"\x02\x00", b"\xfe\xff") if order == 1 else (b"\x00\x02", b"\xff\xfe")
        number = machine.to_bytes(2, "little" if order == 1 else "big")
        self.magic = _escaped(b"\x7fELF" + bytes((width, order, 1)) + bytes(9) + kind[0] + number)
        self.mask = _escaped(b"\xff" * 7 + b"\x00" + b"\xff" * 8 + kind[1] + b"\xff\xff")


def _escaped(raw: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in raw)


def runs_natively(architecture: str) -> bool:
    """Whether this machine's kernel and processor run it without help."""
    return architecture in NATIVE.get(os.uname().machine, (architecture,))


def find(architecture: str) -> Foreign | None:
    """How to run programs of a foreign architecture here; `None` if nothing is installed for it."""
    if architecture not in MACHINES:
        return None
    word = MACHINES[architecture][0]
    try:
        with open(f"{REGISTERED}/qemu-{word}", encoding="ascii", errors="replace") as stream:
            lines = stream.read().split("\n")
        # Without the flag F the interpreter would have to exist inside.
        if lines[0] == "enabled" and any(line.startswith("flags:") and "F" in line for line in lines):
            return Foreign(
                architecture, next(line.split(" ", 1)[1] for line in lines if line.startswith("interpreter ")), by_kernel=True
            )
    except (OSError, StopIteration, IndexError):
        pass
    for name in (f"qemu-{word}-static", f"qemu-{word}"):
        for directory in os.environ.get("PATH", "").split(":"):
            path = os.path.join(directory, name)
            if directory.startswith("/") and os.access(path, os.X_OK):
                return Foreign(architecture, path, by_kernel=False)
    return None


def runnable() -> tuple[list[str], dict[str, Foreign]]:
    """For `doctor`: what runs natively, and what by an interpreter."""
    found = {name: find(name) for name in MACHINES if not runs_natively(name)}
    return [name for name in MACHINES if runs_natively(name)], {
        name: foreign for name, foreign in found.items() if foreign is not None
    }
