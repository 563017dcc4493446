"""sampan as docker, podman and udocker, beside podman and udocker: starts, a workflow of cwltool, lists of 200 containers and images. usage: programs.py [ROUNDS] [PART...]

PARTs: instructions run workflow lists. podman has the kernel's overlay and runc, as in life.py. BENCH_CWLTOOL names cwltool,
BENCH_UDOCKER udocker, whose mode P1 has Debian's PRoot without the option -k, by which that ends at once.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.life import podman, podman_image
from tests.bench.measure import Work, fresh, have, median, once, rounds, table
from tests.bench.medium import SAMPAN, WORK, prepared, sampan
from tests.bench.start import environment

COUNT = 200
STEPS = 50
TOOL = {
    "cwlVersion": "v1.2",
    "class": "CommandLineTool",
    "baseCommand": ["sh", "-c", 'read n < "$0"; echo $((n + 1))'],
    "inputs": {"number": {"type": "File", "inputBinding": {"position": 1}}},
    "outputs": {"out": "stdout"},
    "stdout": "n",
}


def shims(store: Path) -> Path:
    """A directory with our docker and podman."""
    place = WORK / "shims"
    subprocess.run(sampan(store, "shims", str(place)), check=True, stdout=subprocess.DEVNULL)
    return place


def instructions(store: Path, reference: str) -> None:
    """From the command to the exec of the launcher, which valgrind does not follow; above `sampan run`."""
    if not have("valgrind"):
        return
    ways = {
        "sampan run": ["run", reference, "true"],
        "sampan run --rm --name": ["run", "--rm", "--name", "counted", reference, "true"],
        "docker run --rm": ["docker", "run", "--rm", reference, "true"],
        "podman run --rm": ["podman", "run", "--rm", reference, "true"],
        "udocker run --rm": ["udocker", "run", "--rm", reference, "true"],
    }
    found = {}
    for name, words in ways.items():
        subprocess.run(sampan(store, *words), check=True)
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *until_exec(), *words],
            env={**os.environ, **environment(store)}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found[name] = sum(map(int, re.findall(r"Collected : (\d+)", done.stderr)))
    print("### Instructions until the launcher is executed, millions\n\n| | | above `sampan run` |\n|---|---|---|")
    print(
        "".join(
            f"| {name} | {number / 1e6:.1f} | {(number - found['sampan run']) / 1e6:.1f} |\n" for name, number in found.items()
        )
    )


def until_exec() -> list[str]:
    """The installed command by its own interpreter, ended where it would become the launcher."""
    command = shutil.which(SAMPAN) or SAMPAN
    code = "import os, sys, runpy; os.execve = lambda *_: os._exit(0); sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    return [str(Path(command).with_name("python")), "-c", code, command]


def run(store: Path, reference: str, count: int) -> None:
    """`run --rm true` of a prepared image; for podman in the host's network, the cheapest it has."""
    place = shims(store)
    works = [
        Work("sampan run", sampan(store, "run", reference, "true")[3:], environment=environment(store)),
        Work(
            "docker run --rm (sampan)", [str(place / "docker"), "run", "--rm", reference, "true"], environment=environment(store)
        ),
        Work(
            "podman run --rm (sampan)", [str(place / "podman"), "run", "--rm", reference, "true"], environment=environment(store)
        ),
    ]
    image = podman_image()
    if image:
        works.append(Work("podman", podman("run", "--rm", "--network", "host", image, "true")))
    print(table("`run --rm` of `true`", rounds(works, count), works[-1].name))
    subprocess.run(sampan(store, "udocker", "create", "--name=made", reference), check=True, stdout=subprocess.DEVNULL)
    works = [
        Work(f"udocker {' '.join(words)} (sampan)", [str(place / "udocker"), *words, "true"], environment=environment(store))
        for words in (["run", "--rm", reference], ["run", "made"])
    ]
    works += real_udocker(store, reference)
    print(table("`udocker run` of `true`", rounds(works, count), works[-1].name))


def real_udocker(store: Path, reference: str) -> list[Work]:
    """The original's P1 in a container that is there: nothing is copied for it."""
    command, proot = shutil.which(os.environ.get("BENCH_UDOCKER", "udocker")), shutil.which("proot")
    if command is None or proot is None:
        print("left out: udocker or proot is not there", file=sys.stderr)
        return []
    place = fresh(WORK / "udocker")
    for name in ("lib", "bin"):
        (place / name).mkdir()
    (place / "lib/VERSION").write_text("1.2.11\n")  # else it fetches its engines
    without = 'for a; do shift; case "$a" in -k) n=1; continue;; esac; [ -n "$n" ] && { n=; continue; }; set -- "$@" "$a"; done'
    (place / "proot").write_text(f'#!/bin/sh\nn=\n{without}\nexec {proot} "$@"\n')
    (place / "proot").chmod(0o755)
    variables = {"UDOCKER_DIR": str(place), "UDOCKER_USE_PROOT_EXECUTABLE": str(place / "proot")}
    subprocess.run(sampan(store, "save", "-o", str(place / "image.tar"), reference), check=True)
    quiet = {"check": True, "env": {**os.environ, **variables}, "capture_output": True, "text": True}
    subprocess.run([command, "load", "-i", str(place / "image.tar")], **quiet)
    name = subprocess.run([command, "images"], **quiet).stdout.splitlines()[-1].split()[0]
    subprocess.run([command, "create", "--name=made", name], **quiet)
    return [Work("udocker P1 run", [command, "run", "--nobanner", "made", "true"], environment=variables)]


def timed(name: str, words: list[str], log: Path) -> Path:
    """A directory with a program `name` that calls `words` and notes in `log` how long each call took."""
    place = fresh(WORK / f"timed-{name}")
    call = " ".join(words)
    (place / name).write_text(f'#!/bin/bash\nb=$EPOCHREALTIME; {call} "$@"; s=$?; echo "$b $EPOCHREALTIME $1" >>{log}; exit $s\n')
    (place / name).chmod(0o755)
    return place


def workflow(store: Path, reference: str, turns: int) -> None:
    """Steps one after the other, each in a container: the time that cwltool waits for the program it calls.

    cwltool itself sleeps a second a step while it watches a container, whatever the program.
    """
    cwltool = shutil.which(os.environ.get("BENCH_CWLTOOL", "cwltool"))
    image = podman_image()
    if cwltool is None or image is None:
        print("left out: cwltool or podman is not there", file=sys.stderr)
        return
    place = fresh(WORK / "workflow")
    (place / "n").write_text("0\n")
    ours, theirs = str(shims(store) / "docker"), [str(shutil.which("podman")), *podman()[1:]]
    ways = {"docker (sampan)": (reference, [], "docker", [ours]), "podman": (image, ["--podman"], "podman", theirs)}
    print(
        f"### cwltool, {STEPS} steps one after the other\n\n| | in all, wall s | in the program, wall s | calls | median ms of a `run` |\n|---|---|---|---|---|"
    )
    shares = {}
    for name, (container, options, program, words) in ways.items():
        tool = {**TOOL, "hints": {"DockerRequirement": {"dockerImageId": container, "dockerPull": container}}}
        (place / "tool.cwl").write_text(json.dumps(tool))
        steps = {
            f"s{at:02d}": {"run": "tool.cwl", "in": {"number": "number" if at == 0 else f"s{at - 1:02d}/out"}, "out": ["out"]}
            for at in range(STEPS)
        }
        document = {
            "cwlVersion": "v1.2", "class": "Workflow", "inputs": {"number": "File"}, "steps": steps,
            "outputs": {"n": {"type": "File", "outputSource": f"s{STEPS - 1}/out"}},
        }  # fmt: skip
        (place / "workflow.cwl").write_text(json.dumps(document))
        log = place / f"{program}.log"
        path = timed(program, words, log)
        work = Work(
            name, [cwltool, "--quiet", *options, "--outdir", str(place / "out"), "workflow.cwl", "--number", "n"], before=lambda log=log: log.write_text(""),
            environment={**environment(store), "PATH": f"{path}:{os.environ['PATH']}"}, directory=str(place),
        )  # fmt: skip
        best = min((turn(work, log) for _ in range(turns)), key=lambda one: one[1])
        assert (place / "out/n").read_text() == f"{STEPS}\n"
        shares[name] = best[1]
        print(f"| {name} | {best[0]:.1f} | {best[1]:.2f} | {best[2]} | {best[3] * 1000:.1f} |")
    print(f"\nratio of what is spent in the programs: {shares['docker (sampan)'] / shares['podman']:.2f}\n")


def turn(work: Work, log: Path) -> tuple[float, float, int, float]:
    """Once: seconds in all, in the calls, how many there were, and the median of the runs."""
    wall = once(work).wall
    calls = [line.split() for line in log.read_text().splitlines()]
    spent = [(float(end) - float(begin), words) for begin, end, *words in calls]
    return (
        wall,
        sum(seconds for seconds, _ in spent),
        len(spent),
        median([seconds for seconds, words in spent if words == ["run"]]),
    )


def lists(store: Path, reference: str, count: int) -> None:
    """`ps -a` and `images` with 200 of each; the images are small ones, each another."""
    place = shims(store)
    image = podman_image()
    work = fresh(WORK / "small")
    for at in range(COUNT):
        (work / "number").write_text(f"{at}\n")
        subprocess.run(["tar", "cf", "small.tar", "number"], cwd=work, check=True)
        quiet = {"check": True, "cwd": work, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(sampan(store, "docker", "import", "small.tar", f"listed:{at}"), **quiet)
        subprocess.run(sampan(store, "docker", "create", "--name", f"listed{at}", reference, "true"), **quiet)
        if image:
            subprocess.run(podman("import", "small.tar", f"listed:{at}"), **quiet)
            subprocess.run(podman("create", "--network", "host", "--name", f"listed{at}", image, "true"), **quiet)
    for words in (["ps", "-a"], ["images"]):
        works = [Work(f"docker {' '.join(words)} (sampan)", [str(place / "docker"), *words], environment=environment(store))]
        if image:
            works.append(Work(f"podman {' '.join(words)}", podman(*words)))
        print(table(f"`{' '.join(words)}` with {COUNT}", rounds(works, count), works[-1].name))
    if image:
        subprocess.run(podman("rm", "-f", "-t", "0", "--all"), check=False, capture_output=True)


def main(count: int, parts: list[str]) -> None:
    fresh(WORK / "runtime").chmod(0o700)
    with prepared() as (store, reference, _):
        if "instructions" in parts:
            instructions(store, reference)
        for name, part, turns in (("run", run, count), ("workflow", workflow, max(count // 8, 1)), ("lists", lists, count)):
            if name in parts:
                part(store, reference, turns)
        subprocess.run(sampan(store, "rm", "-f", "--all"), check=False, capture_output=True)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    chosen = [word for word in sys.argv[1:] if not word.isdigit()]
    main(numbers[0] if numbers else 10, chosen or ["instructions", "run", "workflow", "lists"])
