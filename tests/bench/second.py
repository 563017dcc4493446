"""A second container of an image, against a copy of its tree. usage: second.py [ROUNDS]"""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.measure import Work, fresh, rounds, table
from tests.bench.medium import WORK, prepared, sampan


def main(count: int = 5) -> None:
    fresh(WORK / "runtime").chmod(0o700)
    copy = WORK / "copy"
    numbers = itertools.count()
    with prepared() as (store, reference, tree):
        create = Work("sampan create", [])

        def another() -> None:
            create.words = sampan(store, "create", "--name", f"box-{next(numbers)}", reference)

        create.before = another
        copying = Work("cp -a", ["cp", "-a", str(tree), str(copy / "tree")], before=lambda: fresh(copy) and None)
        print(table("A second container of the medium image", rounds([create, copying], count), "cp -a"))
        boxes = next(numbers)
        size = int(
            subprocess.run(["du", "-sk", str(store / "containers")], capture_output=True, text=True, check=True).stdout.split()[0]
        )
        print(f"disk: {size / boxes:.0f} kB a container\n")
    fresh(copy).rmdir()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
