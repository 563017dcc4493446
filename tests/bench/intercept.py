"""The interception engine against the kernel alone, Debian's PRoot and fakechroot, on the same Debian tree. usage: intercept.py [ROUNDS [TASK...]]

`unshare + chroot` is native: nothing stands between program and kernel. Each figure includes the start. fakechroot cannot hold static programs: they walk
the host, so it is left out there.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

import hatch_build
from sampan.engine.encoding import encode
from tests.bench.measure import Work, have, rounds, table
from tests.intercept import trees

LOOP = "i=0; while [ $i -lt {} ]; do {}; i=$((i+1)); done"
GO_WALK = """package main
import ("io/fs"; "os"; "path/filepath")
func main() { for i := 0; i < 3; i++ { filepath.WalkDir("/usr/share", func(p string, d fs.DirEntry, err error) error {
if err == nil && d.Type().IsRegular() { os.ReadFile(p) }; return nil }) } }
"""
CONFIGURE = """#!/bin/sh
for f in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  echo "int x;" >/work/conf.c; test -f /work/conf.c && grep -q int /work/conf.c; sed s/int/long/ /work/conf.c >/work/conf.d; cat /work/conf.d | tr a-z A-Z >/work/conf.e
  expr $f + 1 >/dev/null; basename /usr/bin/$f >/dev/null; uname -m >/dev/null; rm -f /work/conf.c /work/conf.d /work/conf.e; v=`echo $f | cut -c1`
done
"""
TASKS = {
    "find": LOOP.format(10, "find / -xdev >/dev/null"),
    "tar": LOOP.format(3, "tar cf - /usr/share | cat >/dev/null"),
    "ls -lR": LOOP.format(3, "ls -lR /usr/share >/dev/null 2>&1 || true"),  # PRoot 5.1 cannot show links that lead nowhere
    "git status": "cd /work/repo; " + LOOP.format(10, "git status >/dev/null"),
    "grep -r": LOOP.format(10, "grep -r nowhere_to_be_found /usr/include >/dev/null || true"),
    "perl stats": "perl -e 'for (1..100000) { -e \"/etc/passwd\" }'",
    "busybox find": LOOP.format(5, "busybox find /usr >/dev/null"),
    "static Go walk": "/work/walk",
    "fork and exec": LOOP.format(500, "/bin/true"),
    "configure": LOOP.format(2, "sh /work/configure"),
    "python imports": LOOP.format(10, "python3 -c 'import json,http.client,asyncio,sqlite3,decimal'"),
    "gcc": LOOP.format(5, "gcc -O1 -o /work/hello /work/hello.c && /work/hello >/dev/null"),
    "dpkg": LOOP.format(3, "dpkg -l >/dev/null; dpkg -S /bin/ls >/dev/null"),
    "CPU": "python3 -c 'sum(i * i for i in range(5000000))'",
    "true": "exec /bin/true",
}
STATIC = ("busybox find", "static Go walk")
CHROOT = 'mount --rbind /proc "$0/proc" && mount --rbind /dev "$0/dev" && mount --rbind "$2" "$0/work" && exec chroot "$0" /bin/sh -c "$1"'
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/work",
    "TMPDIR": "/work",
    "LC_ALL": "C.UTF-8",
}
BINDS = ("/proc", "/dev")


def launch_file(path: Path, program: str, tree: Path, work: Path, task: str) -> list[str]:
    """A launch file for either native program."""
    maps = [("unshare", "user,mount"), ("uid-map", str(os.getuid()), "caller", "1"), ("gid-map", str(os.getgid()), "caller", "1")]
    found = maps if program.endswith("sampan-run") else []
    found = [
        *found,
        ("root-tree", str(tree), "ro"),
        *(("bind", name, name, "") for name in BINDS),
        ("bind", str(work), "/work", ""),
    ]
    found += [("env", f"{name}={value}") for name, value in ENVIRONMENT.items()]
    path.write_bytes(encode([*found, ("exec", "/bin/sh", "-c", task)]))
    return [program, str(path)]


def works(name: str, programs: Path, tree: Path, work: Path) -> list[Work]:
    task = TASKS[name]
    found = [
        Work("unshare + chroot", ["unshare", "-rm", "sh", "-c", CHROOT, str(tree), task, str(work)], environment=ENVIRONMENT),
        Work("namespace", launch_file(work / "file.namespace", str(programs / "sampan-run"), tree, work, task)),
        Work("intercept", launch_file(work / "file.intercept", str(programs / "sampan-intercept"), tree, work, task)),
    ]
    binds = [word for place in BINDS for word in ("-b", place)]
    if have("proot"):
        words = ["proot", "-r", str(tree), *binds, "-b", f"{work}:/work", "-w", "/", "/bin/sh", "-c", task]
        found.append(Work("proot", words, environment=ENVIRONMENT))
    if have("fakechroot") and name not in STATIC and "/work" not in task:
        found.append(Work("fakechroot", ["fakechroot", "chroot", str(tree), "/bin/sh", "-c", task], environment=ENVIRONMENT))
    return found


def fill(work: Path) -> None:
    """What the tasks read below /work."""
    (work / "configure").write_text(CONFIGURE)
    (work / "hello.c").write_text('#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n')
    (work / "walk.go").write_text(GO_WALK)
    repo = work / "repo"
    for folder in range(50):
        (repo / f"d{folder}").mkdir(parents=True)
        for file in range(100):
            (repo / f"d{folder}/f{file}").write_text(f"{folder} {file}\n")
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=repo, check=True)


def build_walk(programs: Path, tree: Path, work: Path) -> None:
    task = "cd /work && HOME=/work PATH=/usr/lib/go-1.19/bin:$PATH CGO_ENABLED=0 GO111MODULE=auto go build -o walk walk.go"
    subprocess.run(launch_file(work / "file.go", str(programs / "sampan-run"), tree, work, task), check=True)


def message_passing(programs: Path, tree: Path, work: Path, count: int) -> None:
    """Two ranks: latency and bandwidth, as the ranks see it."""
    source = (Path(__file__).parents[1] / "intercept/rig/guest/mpi.c").read_text()
    (work / "ring.c").write_text(source)
    task = "cd /work && test -e ring || mpicc -O1 -o ring bench.c; mpirun --oversubscribe -np 2 ./ring"
    (work / "bench.c").write_text(RING)
    found: dict[str, list[tuple[float, float]]] = {"namespace": [], "intercept": []}
    for turn in range(count + 1):
        for name, program in (("namespace", "sampan-run"), ("intercept", "sampan-intercept")):
            words = launch_file(work / "file.mpi", str(programs / program), tree, work, task)
            said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
            latency, bandwidth = re.findall(r"[\d.]+", said)[:2]
            if turn:
                found[name].append((float(latency), float(bandwidth)))
    print("### OpenMPI, two ranks\n\n| | latency min us | bandwidth max MB/s |\n|---|---|---|")
    for name, pairs in found.items():
        print(f"| {name} | {min(pair[0] for pair in pairs):.2f} | {max(pair[1] for pair in pairs):.0f} |")
    print()


RING = """#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
    int rank, turns = 20000, size = 1 << 20, blocks = 200;
    char *room = calloc(1, size), one = 0;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Barrier(MPI_COMM_WORLD);
    double begin = MPI_Wtime();
    for (int i = 0; i < turns; i++) {
        if (rank == 0) { MPI_Send(&one, 1, MPI_CHAR, 1, 0, MPI_COMM_WORLD); MPI_Recv(&one, 1, MPI_CHAR, 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE); }
        else { MPI_Recv(&one, 1, MPI_CHAR, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE); MPI_Send(&one, 1, MPI_CHAR, 0, 0, MPI_COMM_WORLD); }
    }
    double latency = (MPI_Wtime() - begin) / turns / 2 * 1e6;
    begin = MPI_Wtime();
    for (int i = 0; i < blocks; i++) {
        if (rank == 0) MPI_Send(room, size, MPI_CHAR, 1, 0, MPI_COMM_WORLD);
        else MPI_Recv(room, size, MPI_CHAR, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) printf("%.3f us %.1f MB/s\\n", latency, blocks / (MPI_Wtime() - begin) * size / 1e6);
    MPI_Finalize();
}
"""


def memory(programs: Path, tree: Path, work: Path) -> None:
    """Memory of a sleeping process that no other has, in kB; the container's description (64 kB) is shared by all of its processes."""
    print("### Private dirty memory of `sleep`\n\n| | kB |\n|---|---|")
    for name, program in (("namespace", "sampan-run"), ("intercept", "sampan-intercept")):
        words = launch_file(work / "file.sleep", str(programs / program), tree, work, "sleep 100 & exec sleep 100")
        process = subprocess.Popen(words, start_new_session=True)
        try:
            comm = Path(f"/proc/{process.pid}/comm")
            while comm.read_text() != "sleep\n":
                os.sched_yield()
            subprocess.run(["sleep", "0.3"], check=True)
            text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        print(f"| {name} | {re.findall(r'Private_Dirty: +([0-9]+)', text)[0]} |")
    print()


def main(count: int = 5, *chosen: str) -> None:
    tree = trees.make("full")
    with tempfile.TemporaryDirectory(prefix="sampan-bench-") as base:
        programs, work = Path(base, "native"), Path(base, "work")
        work.mkdir()
        if not hatch_build.build(str(programs)):
            sys.exit("no C compiler")
        fill(work)
        build_walk(programs, tree, work)
        for name in TASKS:
            if not chosen or name in chosen:
                print(table(name, rounds(works(name, programs, tree, work), count), "unshare + chroot"), flush=True)
        if not chosen or "OpenMPI" in chosen:
            message_passing(programs, tree, work, count)
        if not chosen or "memory" in chosen:
            memory(programs, tree, work)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:])
