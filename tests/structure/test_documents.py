"""Every error, setting, command and option is documented."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sampan import errors, settings

ROOT = Path(__file__).parents[2]


def subclasses(cls):
    yield cls
    for sub in cls.__subclasses__():
        yield from subclasses(sub)


def test_every_error_is_documented_and_drawn():
    page = (ROOT / "docs/reference/errors.md").read_text()
    names = {cls.__name__ for cls in subclasses(errors.SampanError) if cls.__module__ == "sampan.errors"}
    assert [name for name in sorted(names) if f"\n## {name}\n" not in page] == []
    assert [name for name in sorted(names) if name not in errors.__doc__] == []


def test_every_setting_is_documented():
    page = (ROOT / "docs/reference/settings.md").read_text()
    assert [s.name for s in settings.TABLE if f"| `{s.name}` |" not in page or s.variable not in page] == []


def test_every_command_and_option_is_documented():
    """The page is made from the tables: `python3 scripts/reference.py` after a change."""
    done = subprocess.run(
        [sys.executable, "-c", "import reference; print(reference.page(), end='')"],
        capture_output=True,
        text=True,
        cwd=ROOT / "scripts",
    )
    assert done.returncode == 0, done.stderr
    assert (ROOT / "docs/reference/commands.md").read_text() == done.stdout


def test_every_option_has_help_and_a_word_for_its_value():
    sys.path.insert(0, str(ROOT / "scripts"))
    from reference import commands

    missing = [
        f"{command.words} {option.spellings[-1]}"
        for _, found in commands()
        for command in found
        for option in command.options
        if not option.help or (option.kind in ("value", "list") and not option.metavar)
    ]
    assert missing == []
