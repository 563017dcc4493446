"""bosh 0.5.33 as the oracle: who is valid, and what a command line comes to for plain values.

The descriptors are those that bosh brings as examples and for its own tests, and ours in `descriptors/`, which cover each key.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from sampan.apps.bind import bind
from sampan.apps.fillable import example
from sampan.apps.load import load
from sampan.apps.render import command_line
from sampan.errors import SampanError
from tests.apps.made import DESCRIPTORS

ORACLE = Path(__file__).with_name("bosh_oracle.py")
# Where we differ, and why (docs/reference/applications.md).
DIFFERENT = {
    "bids_good.json": "a key that several inputs share",
    "test-import-ref.json": "a key that several inputs share",
    "good.json": "a key that several inputs share",
    "list_separator.json": "separators that are shell syntax",
    "basic.json": "bosh fails: it has no groups",
}
STRICTER = {"bids-app.json": "its image is the placeholder of a template"}


@pytest.fixture(scope="session")
def corpus(bosh):
    """All descriptors, with what bosh says about each."""
    where = subprocess.run(
        [bosh, "-c", "import boutiques; print(boutiques.__path__[0])"], capture_output=True, text=True, check=True
    )
    found = []
    for path in sorted([*Path(where.stdout.strip()).rglob("*.json"), *DESCRIPTORS.glob("*.json")]):
        try:
            document = json.loads(path.read_text())
        except ValueError:
            continue
        if isinstance(document, dict) and "inputs" in document:
            found.append(str(path))
    return dict(zip(found, ask(bosh, validate=found)["validate"]))


def ask(bosh: str, **what) -> dict:
    asked = {"validate": [], "simulate": [], **what}
    done = subprocess.run([bosh, str(ORACLE)], input=json.dumps(asked), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ours(path: str) -> str | None:
    try:
        load(path)
    except SampanError as error:
        return error.sentence
    return None


def test_who_is_valid(corpus):
    """Every descriptor is valid for both or for neither."""
    assert len(corpus) > 35
    different = {Path(path).name for path, said in corpus.items() if (said is None) != (ours(path) is None)}
    assert different == set(STRICTER)


def test_command_lines_of_plain_values(bosh, corpus):
    """The smallest and the largest example of each: the same text, letter by letter, unless the difference is written down."""
    cases = []
    for path, said in corpus.items():
        if said is not None or Path(path).name in STRICTER:
            continue
        application = load(path)
        for complete in (False, True):
            bound = bind(application, example(application, complete=complete))
            cases.append((path, bound.document(), command_line(bound)))
    theirs = ask(bosh, simulate=[case[:2] for case in cases])["simulate"]
    assert len(cases) > 60
    wrong = {Path(path).name: (text, found) for (path, _, text), found in zip(cases, theirs) if text != found}
    assert {name: texts for name, texts in wrong.items() if name not in DIFFERENT} == {}
