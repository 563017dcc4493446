"""Man pages: groff and man have nothing to complain of, and what is typed comes out as it is typed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sampan import settings
from sampan.cli.tables import commands
from sampan.options.table import FLAG, OPTIONAL, VALUE, Argument, Command, Option
from sampan.terminal import manpage

ROOT = Path(__file__).parents[2]
ODD = Command(
    "odd",
    "show `code`, back\\slash and -dash",
    (
        Option("-x --long-option", VALUE, ".hidden 'quoted' `a-b`", "A-B"),
        Option("--flag", FLAG, "an odd ` backquote"),
        Option("--how", OPTIONAL, "a value that may be left away", "WORD"),
    ),
    (Argument("THING", "*", "things"),),
    description="'tis ~ and ^.",
    examples=(("sampan odd '\\n' ~/x -- -y", "..."),),
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> list[Path]:
    """All pages, as an installation gets them."""
    place = tmp_path_factory.mktemp("share")
    subprocess.run([sys.executable, ROOT / "hatch_build.py", "--share", place], check=True, capture_output=True)
    (place / "share/man/man1/odd.1").write_text(manpage.render(ODD, ["odd"], settings.BY_NAME, "1"))
    return sorted((place / "share/man/man1").iterdir())


def test_there_is_one_for_each_command(pages):
    names = {manpage.file_name(command.words) for _, here in commands() for command in here}
    assert {page.name for page in pages} == names | {"sampan.1", "odd.1"}


def test_groff_has_no_complaint(pages):
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    done = subprocess.run(["groff", "-man", "-ww", "-rCHECKSTYLE=3", "-Tutf8", *pages], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_man_shows_them_without_a_warning(pages):
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    done = subprocess.run(
        ["man", "-l", "--warnings", *pages], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "MANWIDTH": "200", "LC_ALL": "C.UTF-8"}
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    if len(done.stdout) < 1000:
        pytest.skip("man is a stub here, as in Debian's container images")
    words = " ".join(done.stdout.split())
    for text in (
        "-x, --long-option A-B .hidden 'quoted' a-b (", "--flag an odd ` backquote", "--how[=WORD]", "[THING...]", "'tis ~ and ^.",
        "sampan odd '\\n' ~/x -- -y ...", "show code, back\\slash and -dash",
    ):  # fmt: skip
        assert text.rstrip("(").rstrip() in words, text
