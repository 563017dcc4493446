"""The start of `true` in a prepared container: sampan, launch files, and other runners of the same tree. usage: start.py [ROUNDS]

udocker is not among them: its P modes pass `-k` to proot, and Debian's proot 5.1 then cannot start any program on this kernel.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.measure import Work, fresh, have, rounds, table
from tests.bench.medium import WORK, prepared, sampan


def runc_bundle(tree: Path) -> Path:
    """A rootless bundle of the same tree that runs `true` without a terminal."""
    bundle = fresh(WORK / "bundle")
    subprocess.run(["runc", "spec", "--rootless"], cwd=bundle, check=True)
    spec = json.loads((bundle / "config.json").read_text())
    spec["process"].update(terminal=False, args=["true"])
    spec["root"] = {"path": str(tree), "readonly": True}
    (bundle / "config.json").write_text(json.dumps(spec))
    return bundle


def works(store: Path, reference: str, tree: Path) -> list[Work]:
    found = [
        Work("native true", ["/usr/bin/true"]),
        Work("python3 -I -S -c pass", ["/usr/bin/python3", "-I", "-S", "-c", "pass"]),
    ]
    subprocess.run(sampan(store, "create", "--name", "kept", reference, "true"), check=True, stdout=subprocess.DEVNULL)
    for name, options in (("read-only", ["--read-only"]), ("default", [])):
        file = str(WORK / f"launch-{name}")
        subprocess.run(sampan(store, "wrap", "--force", "-o", file, *options, reference, "true"), check=True)
        found.append(Work(f"launch file, {name}", [file]))
    found += [
        Work("sampan run", sampan(store, "run", reference, "true")[3:], environment=environment(store)),
        Work("sampan start (kept)", sampan(store, "start", "kept")[3:], environment=environment(store)),
    ]
    if os.environ.get("BENCH_PYZ"):
        found += of_one_file(os.environ["BENCH_PYZ"], store, reference)
    binds = [word for name in ("/proc", "/sys", "/tmp", "/etc/resolv.conf", "/etc/hosts") for word in ("--bind", name, name)]
    if have("bwrap"):
        found.append(
            Work("bwrap", ["bwrap", "--unshare-user", "--ro-bind", str(tree), "/", "--dev-bind", "/dev", "/dev", *binds, "true"])
        )
    if have("ch-run"):
        found.append(Work("ch-run", ["ch-run", str(tree), "--", "true"]))
    if have("runc"):
        bundle = runc_bundle(tree)
        found.append(
            Work("runc run", ["runc", "--root", str(fresh(WORK / "runc")), "run", "--bundle", str(bundle), f"bench{os.getpid()}"])
        )
    return found


def of_one_file(pyz: str, store: Path, reference: str) -> list[Work]:
    """`sampan.pyz`: as a new node sees it with the images in a site's store, later, and with its interpreter named."""
    new = WORK / "new-node"
    first = {"SAMPAN_STORES": str(store), "SAMPAN_HOME": str(new / "store"), "SAMPAN_RUNTIME_DIR": str(new / "runtime")}
    run = ["run", reference, "true"]
    return [
        Work("sampan.pyz run, first on a node", [pyz, *run], before=lambda: fresh(new) and None, environment=first),
        Work("sampan.pyz run, later", [pyz, *run], environment=environment(store)),
        Work("python3 sampan.pyz run, later", ["/usr/bin/python3", pyz, *run], environment=environment(store)),
    ]


def environment(store: Path) -> dict[str, str]:
    return {"SAMPAN_HOME": str(store), "SAMPAN_RUNTIME_DIR": str(WORK / "runtime")}


def main(count: int = 30) -> None:
    fresh(WORK / "runtime")
    (WORK / "runtime").chmod(0o700)
    with prepared() as (store, reference, tree):
        found = rounds(works(store, reference, tree), count)
    print(table("Start of `true`", found, "bwrap" if "bwrap" in found else "native true"))
    for left in Path("/tmp").glob("ch-run_*"):  # ch-run 0.31 leaves two files behind at each start
        if left.stat().st_uid == os.getuid():
            left.unlink()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
