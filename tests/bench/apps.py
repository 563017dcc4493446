"""Descriptors: validation against bosh, and one simulated launch. usage: apps.py [ROUNDS]

BENCH_BOSH names the Python of an environment that has bosh (pip install boutiques==0.5.33); BENCH_SAMPAN the command.
The descriptors are a hundred different ones, made of bosh's own example of 21 inputs. bosh validates one file a call, or, in one process,
by its function: both are measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.measure import Work, fresh, once, rounds, table
from tests.bench.medium import SAMPAN, WORK

COUNT = 100
BOSH = os.environ.get("BENCH_BOSH", "")
CALL = "import sys; from boutiques.bosh import bosh; sys.exit(bosh(sys.argv[1:]))"  # as its command does, which an environment that was moved has not
ALL = """
import json, sys
from boutiques.validator import validate_descriptor
for path in sys.argv[1:]:
    with open(path) as stream:
        validate_descriptor(json.load(stream))
"""


def descriptors(place: Path) -> list[str]:
    """A hundred files."""
    where = subprocess.run(
        [BOSH, "-c", "import boutiques; print(boutiques.__path__[0])"], capture_output=True, text=True, check=True
    )
    example = json.loads((Path(where.stdout.strip()) / "schema/examples/fsl_bet/fsl_bet.json").read_text())
    found = []
    for number in range(COUNT):
        path = place / f"{number}.json"
        path.write_text(json.dumps({**example, "tool-version": f"1.{number}"}))
        found.append(str(path))
    return found


def main(count: int = 3) -> None:
    if not BOSH:
        sys.exit("BENCH_BOSH names no Python with bosh")
    place = fresh(WORK / "descriptors")
    paths = descriptors(place)
    works = [
        Work("sampan app validate", [SAMPAN, "app", "validate", *paths]),
        Work("bosh's function, in one process", [BOSH, "-c", ALL, *paths]),
    ]
    found = rounds(works, count)
    each = Work(
        "",
        ["sh", "-c", 'for path; do "$BOSH" -c "$CALL" validate "$path" || exit; done', "sh", *paths],
        environment={"BOSH": BOSH, "CALL": CALL},
    )
    found["bosh validate, a call a file"] = [once(each)]
    print(table(f"{COUNT} descriptors of 21 inputs, validated", found, works[0].name, "s"))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
