"""Every error, setting, command and option is documented, and the pages build."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sampan import errors, settings
from sampan.cli.tables import commands
from sampan.options.parse import parse
from sampan.terminal import manual

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import reference  # noqa: E402 - a script

COMMANDS = [command for _, here in commands() for command in here]


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
    """The pages are made from the tables: `python3 scripts/reference.py` after a change."""
    written = reference.pages()
    folder = ROOT / "docs/reference"
    assert sorted(f"commands/{path.name}" for path in (folder / "commands").iterdir()) == sorted(set(written) - {"commands.md"})
    pages = (*written.items(), *reference.program_pages().items())
    assert [name for name, text in pages if (folder / name).read_text() != text] == []


def test_every_option_has_help_and_a_word_for_its_value():
    missing = [
        f"{command.words} {option.spellings[-1]}"
        for command in COMMANDS
        for option in command.options
        if not option.help or (option.kind in ("value", "list") and not option.metavar)
    ]
    assert missing == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.words)
def test_every_command_has_examples_that_its_own_parser_takes(command):
    calls = [call for words, _ in command.examples for call in calls_in(words)]
    own = [call for call in calls if call[: len(command.words.split())] == command.words.split()]
    assert own
    for call in own:
        parse(command, call[len(command.words.split()) :])


def calls_in(example: str) -> list[list[str]]:
    """The words behind `sampan` of each call in an example."""
    found: list[list[str]] = []
    into = None
    example = example.replace("<(", " ").replace("$(", " WORD ").replace(")", " ")
    for word in shlex.split(example):
        if word == "sampan":
            into = []
            found.append(into)
        elif word in ("|", "&&", ";") or word.startswith((">", "<", "2>")):
            into = None
        elif into is not None:
            into.append(word)
    return found


@pytest.mark.parametrize("command", [one for one in COMMANDS if len(one.options) >= manual.MANY], ids=lambda one: one.words)
def test_every_option_of_a_large_table_has_a_theme(command):
    """An option that is new goes into THEMES of terminal/manual.py."""
    assert manual.OTHER not in dict(manual.themes(command))


def test_links_between_pages_lead_somewhere():
    broken = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        targets = re.findall(r"\]\(([^)#]+)[^)]*\)", re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.DOTALL))
        missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
        broken += [f"{page.relative_to(ROOT)}: {target}" for target in missing]
    assert broken == []


def test_the_pages_build_without_a_warning(tmp_path):
    """As `make docs` does; a warning is an error: a page outside the tree of contents, a broken link, a bad table."""
    if importlib.util.find_spec("sphinx") is None or importlib.util.find_spec("furo") is None:
        pytest.skip("sphinx, furo and myst-parser are not installed here (pip install 'sampan[docs]')")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-E",
        "-d",
        tmp_path / "trees",
        "docs",
        tmp_path / "html",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "html/reference/commands/run.html").exists()
