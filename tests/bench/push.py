"""Push of the medium image to a registry on loopback that has all its layers, and to another name there. usage: push.py [ROUNDS]

skopeo copies the same image from its OCI layout. To another name sampan mounts the layers; skopeo remembers where it has seen
them and does so too.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.measure import Work, fresh, have, rounds, table
from tests.bench.medium import LAYOUT, WORK, prepared, sampan


def skopeo(goal: str) -> list[str]:
    return ["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false", f"oci:{LAYOUT}:1", f"docker://{goal}"]


def main(count: int = 10) -> None:
    fresh(WORK / "runtime").chmod(0o700)
    if not have("skopeo"):
        sys.exit("skopeo is what this compares with")
    home = {"HOME": str(fresh(WORK / "home"))}
    with prepared() as (store, plain, _):
        known = rounds(
            [
                Work("sampan push", sampan(store, "push", plain), environment=home),
                Work("skopeo copy", skopeo(plain), environment=home),
            ],
            count,
        )
        print(table("Push of the medium image, all layers known", known, "skopeo copy"))
        host = plain.partition("/")[0]
        script = 'exec "$@" "$GOAL/x$(date +%s%N):1"'
        ours = ["sh", "-c", script, "sh", *sampan(store, "push", plain)]
        theirs = ["sh", "-c", 'exec "$@" "docker://$GOAL/x$(date +%s%N):1"', "sh", *skopeo("")[:-1]]
        other = rounds(
            [
                Work("sampan push", ours, environment={**home, "GOAL": f"{host}/new/ours"}),
                Work("skopeo copy", theirs, environment={**home, "GOAL": f"{host}/new/theirs"}),
            ],
            count,
        )
        print(table("The same to a new name of the registry", other, "skopeo copy"))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
