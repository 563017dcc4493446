r"""`sampan.run` and `sampan.Popen`: programs in images, with the words of `subprocess`.

import sampan
done = sampan.run("debian:12", ["sort", "-n"], input=b"2\n1\n", capture_output=True)
done.stdout
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

from sampan.container.request import FLAGS, TEXT, TEXTS, Request
from sampan.errors import UsageError
from sampan.runtime import run as flows
from sampan.runtime import start
from sampan.runtime.session import Session, default_session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# `timeout` is that of `subprocess`; the others are about terminals and containers that are kept.
_NOT_HERE = ("command", "environment", "timeout", "interactive", "tty", "scratch", "engine_trace")
OPTIONS = tuple(name for name in (*TEXTS, *TEXT, *FLAGS) if name not in _NOT_HERE)


class Popen(subprocess.Popen[Any]):
    """A program that runs in an image; the process is the program itself.

    `image` is a reference, `args` the program and its arguments (empty: what the image names). The options of `sampan run`
    are keyword arguments, by the names of `OPTIONS`: sequences of texts (`volumes`, `mounts`, `tmpfs`, `environment_files`,
    `limits`, ...), texts (`workdir`, `user`, `hostname`, `network`, `memory`, `cpus`, ...) and flags (`root`, `isolate`, `read_only`,
    `init`, ...); besides `environment` (a mapping), `pull` (`missing`, `always`, `never`) and `session`. All others are those of `subprocess.Popen`; `cwd` is the caller's
    directory, `env` the caller's environment. Raises `SampanError` before anything is started.
    """

    def __init__(self, image: str, args: Sequence[str] = (), **keywords: Any) -> None:
        if isinstance(args, (str, bytes)) or keywords.get("shell"):
            raise UsageError("the command must be a list of words, not a text", 'write ["sh", "-c", text] to let a shell read it')
        session: Session = keywords.pop("session", None) or default_session()
        environment: Mapping[str, str] = keywords.pop("environment", {})
        when = keywords.pop("pull", "missing")
        options = {name: keywords.pop(name) for name in OPTIONS if name in keywords}
        pairs = [f"{name}={value}" for name, value in environment.items()]
        request = Request(image, command=tuple(args), environment=tuple(pairs), **options)
        plan, engine = start.decide(flows.anonymous(request, session, when), session)
        for warning in plan.warnings:
            session.notice.warn(warning)
        command = engine.command(plan)
        try:
            descriptors = (*keywords.pop("pass_fds", ()), *command.descriptors)
            super().__init__(list(command.argv), executable=command.program, pass_fds=descriptors, **keywords)
        finally:
            for descriptor in command.descriptors:
                os.close(descriptor)


def run(
    image: str,
    args: Sequence[str] = (),
    *,
    input: bytes | str | None = None,
    timeout: float | None = None,
    check: bool = False,
    **keywords: Any,
) -> subprocess.CompletedProcess[Any]:
    """Run a program in an image and wait for it, as `subprocess.run` does; keywords as for `Popen` and `capture_output`.

    Raises `SampanError` before anything is started, `subprocess.TimeoutExpired`, and with `check` `subprocess.CalledProcessError`.
    """
    if input is not None:
        keywords["stdin"] = subprocess.PIPE
    if keywords.pop("capture_output", False):
        keywords.update(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with Popen(image, args, **keywords) as process:
        try:
            out, err = process.communicate(input, timeout=timeout)
        except subprocess.TimeoutExpired as expired:
            process.kill()
            expired.stdout, expired.stderr = process.communicate()
            raise
        except BaseException:
            process.kill()
            raise
        status = process.wait()
    if check and status:
        raise subprocess.CalledProcessError(status, [image, *args], out, err)
    return subprocess.CompletedProcess([image, *args], status, out, err)
