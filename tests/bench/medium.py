"""What the measurements share: the medium image at a registry on loopback, and the commands under test.

The environment of `scripts/bench.sh` names them: BENCH_SAMPAN (with isal), BENCH_SAMPAN_PLAIN (without), BENCH_UDOCKER,
BENCH_LAYOUT (an OCI layout, tag 1), BENCH_WORK (a directory of the user's own).
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.peers.certificates import make_authority
from tests.peers.docker_registry import Registry, seed, serving

WORK = Path(os.environ.get("BENCH_WORK", "/tmp/sampan-bench"))
LAYOUT = Path(os.environ.get("BENCH_LAYOUT", "/var/tmp/sampan-images/medium"))
SAMPAN = os.environ.get("BENCH_SAMPAN", "sampan")
NAME = "bench/medium:1"


@contextmanager
def registries(layout: Path = LAYOUT, tag: str = "1"):
    """The image behind plain http and behind TLS: (reference, reference, the authority's file)."""
    directory = WORK / f"registries-{os.getpid()}"
    directory.mkdir(parents=True)
    (directory / "tls").mkdir()
    authority, certificate, key = make_authority(directory / "tls")
    with serving(directory / "plain", directory / "root") as plain:
        seed(Registry(plain), SimpleNamespace(path=layout), tag, NAME)
        with serving(directory / "secure", directory / "root", tls=(certificate, key)) as secure:
            yield f"{plain}/{NAME}", f"{secure}/{NAME}", authority
    subprocess.run(["rm", "-rf", str(directory)], check=False)


def sampan(store: Path, *words: str, program: str = SAMPAN) -> list[str]:
    """The command with this store."""
    return ["env", f"SAMPAN_HOME={store}", f"SAMPAN_RUNTIME_DIR={WORK / 'runtime'}", program, *words]


@contextmanager
def prepared():
    """A store with the image pulled: (store, reference, path of the tree)."""
    store = WORK / f"store-{os.getpid()}"
    with registries() as (plain, _, _):
        subprocess.run(sampan(store, "pull", plain), check=True, stdout=subprocess.DEVNULL)
        (tree,) = (store / "trees").iterdir()
        yield store, plain, tree / "rootfs"
    subprocess.run(["chmod", "-R", "u+rwx", str(store)], check=False, stderr=subprocess.DEVNULL)
    subprocess.run(["rm", "-rf", str(store)], check=False)
