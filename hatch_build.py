"""Build hook: compiles `native/` with nothing but a C compiler and puts the programs into the wheel.

Without a compiler the package installs all the same; `sampan doctor` then says what is missing. Man pages and
completion scripts are written from the option tables and go where man and the shells look, below share/. Run as a
program, `python3 hatch_build.py DIR`, it compiles into DIR: the Makefile and the tests use that; with `--share` in
front it writes what goes below share/.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))
WARNINGS = [
    "-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wpointer-arith",
    "-Wwrite-strings", "-Wformat=2", "-Wundef", "-Wvla",
]  # fmt: skip


def compiler() -> list[str] | None:
    """The compiler's words: CC if set, else musl-gcc (a static program of 100 kB), else gcc or cc; `None` without one."""
    for name in [os.environ["CC"]] if os.environ.get("CC") else ["musl-gcc", "gcc", "cc"]:
        words = name.split()
        if words and shutil.which(words[0]):
            return words
    return None


def version() -> str:
    """The project's version, from the one place that states it."""
    with open(os.path.join(ROOT, "src/sampan/__init__.py"), encoding="utf-8") as stream:
        return next(line.split('"')[1] for line in stream if line.startswith("__version__"))


# The interception engine has no libc and lies at an address of its own (native/intercept/x86_64/abi.h: ENGINE_TEXT). It keeps its hands off vector
# registers, which it does not save, and does without the tables and checks of a hosted program.
INTERCEPT = [
    "-O2", "-s", "-ffreestanding", "-fPIE", "-fvisibility=hidden", "-mgeneral-regs-only", "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables", "-fcf-protection=none", "-nostdlib", "-static", "-no-pie", "-Wl,-e,start",
    "-Wl,-Ttext-segment=0x551000100000", "-Wl,-z,noseparate-code", "-Wl,-z,noexecstack", "-Wl,--build-id=none",
]  # fmt: skip
# Program: its folder, its flags (None: those that the caller chose), the machines that it is written for (None: all).
PROGRAMS = {
    "sampan-run": ("native/sampan-run", None, None),
    "sampan-intercept": ("native/intercept", INTERCEPT, ("x86_64",)),
}


def sources(folder: str) -> list[str]:
    """All C and assembler files of a program, at any depth."""
    return sorted(
        os.path.join(place, name)
        for place, _, names in os.walk(os.path.join(ROOT, folder))
        for name in names
        if name.endswith((".c", ".S"))
    )


def build(directory: str, extra: tuple[str, ...] = ("-Os", "-s", "-static")) -> list[str]:
    """Compile every program into `directory`; the paths made, none without a compiler."""
    words = compiler()
    if words is None:
        return []
    os.makedirs(directory, exist_ok=True)
    defines = [f'-DSAMPAN_VERSION="{version()}"', "-D_GNU_SOURCE"]
    made = []
    for name, (folder, own, machines) in PROGRAMS.items():
        found = sources(folder)
        if not found or (machines and platform.machine() not in machines):
            continue
        target = os.path.join(directory, name)
        subprocess.run([*words, "-std=gnu11", *WARNINGS, *(own or extra), *defines, "-o", target, *found], check=True)
        made.append(target)
    return made


def share(directory: str) -> dict[str, str]:
    """Write man pages and completion scripts into `directory`; each path made -> its place in an installation."""
    sys.path.insert(0, os.path.join(ROOT, "src"))
    try:
        from sampan import settings
        from sampan.cli.tables import commands
        from sampan.terminal import manpage
        from sampan.terminal.completion import SCRIPTS
    finally:
        sys.path.pop(0)
    groups = commands()
    every = [command for _, here in groups for command in here]
    names = [command.words for command in every]
    pages = {manpage.file_name(one.words): manpage.render(one, names, settings.BY_NAME, version()) for one in every}
    pages["sampan.1"] = manpage.overview(groups, settings.TABLE, version())
    texts = {f"share/man/man1/{name}": text for name, text in pages.items()}
    texts["share/bash-completion/completions/sampan"] = SCRIPTS["bash"]
    texts["share/zsh/site-functions/_sampan"] = SCRIPTS["zsh"]
    texts["share/fish/vendor_completions.d/sampan.fish"] = SCRIPTS["fish"]
    made = {}
    for place, text in texts.items():
        path = os.path.join(directory, place)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
        made[path] = place
    return made


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a program
    pass
else:

    class NativeHook(BuildHookInterface):  # type: ignore[type-arg,misc]
        """Adds `sampan/_native/*` and share/ to the wheel and marks it for this platform."""

        def initialize(self, version: str, build_data: dict[str, object]) -> None:
            """Called by hatchling before the wheel is put together."""
            if self.target_name != "wheel" or version == "editable":
                return
            # The configuration's own table: build_data has one only since hatchling 1.28, which Python 3.9 cannot have.
            self.build_config.shared_data.update(share(os.path.join(self.directory, "share")))
            programs = build(os.path.join(self.directory, "native"))
            if not programs:
                print("no C compiler: sampan is built without its native programs", file=sys.stderr)
                return
            build_data["force_include"] = {path: f"sampan/_native/{os.path.basename(path)}" for path in programs}
            build_data["tag"] = f"py3-none-linux_{platform.machine()}"
            build_data["pure_python"] = False


if __name__ == "__main__":
    made = list(share(sys.argv[2])) if sys.argv[1] == "--share" else build(sys.argv[1])
    print("\n".join(made) or "no C compiler found")
    sys.exit(0 if made else 1)
