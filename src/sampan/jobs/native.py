"""A job for a node without Python: a static sampan-run, the tree of its image and a launch file that can be moved with them.

Theory of operation. What a worker would do on the node is done where the bundle is packed and where it comes back: inputs are brought into
its working directory, and outputs are looked for and taken there. On the node `run.sh` starts sampan-run with the launch file and notes its
exit status. The launch file is the one of the plan, with what belongs to this machine taken out: whose it is, the ids outside
(the caller's), and the places of the tree, of the working directory and of the watcher's records, which become relative to it.
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from sampan.engine import launchfile
from sampan.engine.encoding import encode, header
from sampan.errors import CannotHonour, HostError, SampanError
from sampan.host import native
from sampan.jobs import directory as directories
from sampan.jobs import payload, phases, stage_in
from sampan.jobs.phases import Failed
from sampan.layers.copy import copy_tree
from sampan.runtime import watched

if TYPE_CHECKING:
    from sampan.container.record import ContainerImage
    from sampan.jobs.spec import Job
    from sampan.jobs.transfer import Carrier
    from sampan.runtime.session import Session

    Record = tuple[str, ...]

LAUNCH, PROGRAM, TREE, JOB = "launch", "sampan-run", "tree", "job"
# Whose file it is, and a mark in the packer's store.
_OF_THIS_MACHINE = ("owner", "touch", "cgroup")
RUN = """#!/bin/sh
# Runs the job beside it on a node with nothing but a shell and user namespaces. Ends with the code of the phase that failed.
cd "$(dirname "$0")" || exit {bad_job}
(set -C; : >job/claim) 2>/dev/null || exit {taken}
./sampan-run launch <{stdin} >>job/stdout 2>>job/stderr &
pid=$!
trap 'kill -TERM $pid 2>/dev/null' TERM INT HUP
wait $pid
code=$?
while kill -0 $pid 2>/dev/null; do wait $pid; code=$?; done
echo $code >job/code.new && mv job/code.new job/code
[ $code = 0 ] && exit 0
grep -q '"reason":"timeout"' job/exit 2>/dev/null && exit {over_time}
grep -q '"reason":"not-started"' job/exit 2>/dev/null && exit {not_started}
[ -e job/exit ] || exit {not_started}
exit {ended}
"""


def pack(target: str, job: Job, image: ContainerImage, session: Session, carrier: Carrier, path: str) -> None:
    """Fill the new directory `target` from the job in `path`. Raises `HostError`, `CannotHonour`, `Failed` of an input."""
    place = f"{target}/{JOB}"
    os.makedirs(f"{place}/work", 0o700)
    try:
        bring(path, f"{place}/work", job, carrier)
        copy_tree(image.tree, f"{target}/{TREE}")
        program = f"{target}/{PROGRAM}"
        directories.write_new(program, native_program(session), 0o755)
        directories.write_new(f"{target}/{LAUNCH}", _launch_file(target, job, image, session), 0o600)
        stdin = shlex.quote(f"job/work/{job.stdin}") if job.stdin else "/dev/null"
        script = RUN.format(
            bad_job=phases.BAD_JOB,
            taken=phases.TAKEN,
            stdin=stdin,
            over_time=phases.OVER_TIME,
            not_started=phases.NOT_STARTED,
            ended=phases.ENDED,
        )
        directories.write_new(f"{target}/run.sh", script.encode("utf-8", "surrogateescape"), 0o755)
    except OSError as error:
        raise directories.refused(f"cannot pack the job {path}", error) from error


def bring(path: str, work: str, job: Job, carrier: Carrier) -> None:
    """All inputs as copies. Raises `Failed`."""
    from dataclasses import replace

    copied = tuple(replace(one, how="copy") for one in job.inputs)
    stage_in.bring(path, work, replace(job, inputs=copied), carrier)


def native_program(session: Session) -> bytes:
    """The launcher, which is static wherever the C library for that was there when it was built. Raises `HostError`."""
    stated = session.settings.text("programs")
    try:
        if stated:
            with open(native.path_of(PROGRAM, stated), "rb") as stream:
                data = stream.read()
        else:
            data = native.read(PROGRAM)
    except OSError as error:
        raise native.missing(PROGRAM, stated) from error
    if b"/ld-linux" in data[:4096] or b"/ld-musl" in data[:4096]:
        raise HostError(
            f"this {PROGRAM} needs a C library, which the node may not have",
            "install musl-tools and then sampan again, so that it is static",
        )
    return data


def _launch_file(target: str, job: Job, image: ContainerImage, session: Session) -> bytes:
    from sampan.container.mounts import Bind

    work, place = f"{target}/{JOB}/work", f"{target}/{JOB}"
    request = payload.request_of(job).but(engine="namespace", memory=None, cpus=None, isolate=True)
    try:
        decided = watched.Starter(session).decide(request, image, place, (Bind(work, job.directory),))
    except SampanError as error:
        raise Failed(phases.NOT_STARTED, f"the program could not be started: {error.sentence}", error.hint) from error
    if not decided.alone:
        raise CannotHonour(
            "a job for nodes without Python needs processes of its own, and this request does not let it", "leave `pid` out"
        )
    moved = {image.tree: TREE, work: f"{JOB}/work", place: JOB}
    return encode(relocatable(launchfile.records(decided.plan), moved), header(None))


def relocatable(records: list[Record], moved: dict[str, str]) -> list[Record]:
    """The records without what belongs to this machine; `moved`: a path here -> the same relative to the launch file. Pure."""
    found: list[Record] = []
    for record in records:
        name, *fields = record
        if name in _OF_THIS_MACHINE:
            continue
        if name in ("uid-map", "gid-map"):
            fields[1] = "caller"
        elif name == "root-memory":
            fields[1] = "0"  # the kernel's default there, not half of what is free here
        if name in ("root-memory", "root-tree", "bind"):
            fields[0] = moved.get(fields[0], fields[0])
        elif name == "watch":
            fields[1] = moved.get(fields[1], fields[1])
        found.append((name, *fields))
    return found
