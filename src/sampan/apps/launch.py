"""An invocation and a directory, as what can be started: a request for a container, or words for this machine. On the path of `app launch`.

What a launch sees. The working directory, at its own path (or at the descriptor's `working-directory`), writable; input files that
lie elsewhere, read-only, at their own paths; the image. An image of docker is run as bare as docker would (no home, no /tmp of the
host), one of singularity with home, /tmp and the current directory; in both a process is the calling user, or the image's.
"""

from __future__ import annotations

import os

from sampan.apps.application import Slotted
from sampan.apps.images import reference_of
from sampan.apps.outputs import expected_outputs, relative
from sampan.apps.render import WrittenFile, command_line, environment, input_files
from sampan.container.request import Request
from sampan.errors import BadValues, HostError, Problem, UsageError, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.apps.application import Application, Container
    from sampan.apps.bind import Invocation
    from sampan.apps.outputs import ExpectedOutput

MAX_ARGUMENT = 100_000
"""Bytes of a command line that is handed over as an argument (Linux takes 128 KiB); a longer one goes into a file."""
SCRIPT = ".sampan-command.sh"
CVMFS = "cvmfs://"


class Launch(Slotted):
    """All that a start needs. `request` is `None` where no container is wanted: then `argv` runs on this machine."""

    __slots__ = ("argv", "command_line", "directory", "environment", "files", "image", "outputs", "request", "warnings")
    request: Request | None
    argv: tuple[str, ...]
    command_line: str
    environment: tuple[tuple[str, str], ...]
    files: tuple[WrittenFile, ...]
    image: str
    """The reference or, for a root file system, the address of the image."""
    outputs: tuple[ExpectedOutput, ...]
    directory: str
    warnings: tuple[str, ...]


def prepare(
    invocation: Invocation, directory: str, *, mounts: str, container: bool = True, volumes: Sequence[str] = ()
) -> Launch:
    """What is to be started for an invocation in a working directory.

    `mounts` is where CVMFS repositories are mounted; `container=False` leaves the image away; `volumes` are added, as `-v` of `sampan run`
    has them. Raises `BadValues` for inputs that are not there, and for outputs that would lie outside of the directory.
    """
    directory = os.path.abspath(directory)
    application = invocation.application
    image = application.container if container else None
    target = (image.workdir if image is not None else "") or directory
    binds, moved = _places(invocation, (directory, target), mounts)
    bound = tuple(_mount(*one) for one in {**binds, directory: target}.items())
    return _made(invocation.moved(moved, target), image, (directory, target), bound, tuple(volumes))


def prepare_elsewhere(invocation: Invocation, directory: str) -> Launch:
    """The same for a directory of another machine, as that of a job: files lie where the values say, and nothing is bound. Pure.

    An application without an image has no request. Raises `BadValues` for outputs that would lie outside of the directory.
    """
    return _made(invocation, invocation.application.container, (directory, directory), (), ())


def _made(
    invocation: Invocation, image: Container | None, places: tuple[str, str], mounts: tuple[str, ...], volumes: tuple[str, ...]
) -> Launch:
    """The launch, for values whose files lie where the program finds them; `places`: the directory outside, and inside."""
    application = invocation.application
    directory, target = places
    inside = expected_outputs(invocation, target)
    _check_outputs(application, inside, target)
    text = command_line(invocation, target)
    variables = environment(invocation)
    argv: tuple[str, ...] = (*application.shell.split(), "-c", text)
    files: tuple[WrittenFile, ...] = ()
    if any(one.template for one in application.outputs):
        from sampan.apps.written import written_files

        files = written_files(invocation, target)
    if len(text.encode("utf-8", "surrogateescape")) > MAX_ARGUMENT:
        files = (*files, WrittenFile(SCRIPT, f"{text}\n"))
        argv = (*application.shell.split(), f"./{SCRIPT}")
    warnings: list[str] = []
    request, reference = None, ""
    if image is not None:
        reference = reference_of(image)
        fields: dict[str, object] = {}
        if image.options:
            from sampan.apps.containeropts import fields_of

            fields, warnings = fields_of(image.kind, image.options, target)
        fields["volumes"] = (*_texts(fields.get("volumes", ())), *volumes)
        fields["environment"] = (*_texts(fields.get("environment", ())), *(f"{name}={value}" for name, value in variables))
        fields["mounts"] = (*mounts, *_texts(fields.get("mounts", ())))
        request = Request(reference, **_fields(image, argv, target, fields))
    return Launch(
        request=request, argv=argv, command_line=text, environment=variables, files=files, image=reference,
        outputs=inside if target == directory else expected_outputs(invocation, directory), directory=directory,
        warnings=tuple(warnings),
    )  # fmt: skip


def _fields(image: Container, argv: tuple[str, ...], target: str, options: dict[str, object]) -> dict[str, object]:
    """The fields of the request: the view that the kind of image has elsewhere, and what the descriptor's options add."""
    bare = {"isolate": True, "pid": "host", "ipc": "host", "uts": "host"} if image.kind != "singularity" else {}
    advisory = {"limit_mode": "advisory"} if "memory" in options or "cpus" in options else {}
    return {"workdir": target, **bare, **options, **advisory, "entrypoint": argv[0], "command": argv[1:]}


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, tuple) else ()


def _mount(source: str, target: str) -> str:
    """A bind as `--mount` has it, for any path; what begins with `=` in `target` is read-only."""
    words = ["type=bind", f"source={source}", f"target={target.lstrip('=')}", *(["readonly"] if target.startswith("=") else [])]
    return ",".join('"' + word.replace('"', '""') + '"' if any(letter in word for letter in ',"\n') else word for word in words)


def _places(invocation: Invocation, places: tuple[str, str], mounts: str) -> tuple[dict[str, str], dict[str, str]]:
    """What of the host is bound for the inputs (source -> target, `=` in front: read-only), and the paths that they have inside."""
    directory, target = places
    binds: dict[str, str] = {}
    moved: dict[str, str] = {}
    missing: list[Problem] = []
    for one in input_files(invocation):
        whole, repository = _on_host(one.path, directory, mounts)
        if not os.path.lexists(whole):
            missing.append(Problem(one.id, _missing(one.path, repository)))
            continue
        inside = relative(whole, directory)
        if inside is not None:
            if one.path.startswith(("/", CVMFS)):
                moved[one.path] = os.path.normpath(os.path.join(target, inside))
        else:
            moved[one.path] = whole
            source = os.path.dirname(whole) if one.neighbours else whole
            binds[source] = source if one.mutable else f"={source}"
        real = os.path.realpath(whole)
        if real != whole and relative(real, directory) is None and os.path.exists(real):
            # A link: what it names has to be there, too.
            binds.setdefault(real, real if one.mutable else f"={real}")
    if missing:
        raise BadValues(f"cannot launch {invocation.application.identifier}", tuple(missing))
    return binds, moved


def _on_host(path: str, directory: str, mounts: str) -> tuple[str, str]:
    """Where an input lies on this machine, and the repository that it is of, if any. Raises `UsageError`."""
    if not path.startswith(CVMFS):
        return os.path.normpath(os.path.join(directory, path)), ""
    from sampan.jobs import uris  # few inputs are of repositories, and it brings a reader of URLs

    uris.check(path, ("cvmfs",), f"the input {printable(path)}")
    repository, whole = uris.cvmfs_path(path, mounts)
    return os.path.normpath(whole), repository


def _missing(path: str, repository: str) -> str:
    if repository and not os.path.isdir(repository):
        from sampan.jobs import uris

        return f"{printable(path)}: {'; '.join(uris.not_mounted(repository))}"
    if path.startswith(("http://", "https://", "s3://")):
        return f"{printable(path)} lies elsewhere, and jobs alone fetch their inputs: `sampan job submit` makes one"
    return f"there is no file {printable(path)}"


def _check_outputs(application: Application, outputs: Sequence[ExpectedOutput], target: str) -> None:
    wrong = tuple(
        Problem(one.id, f"it would be written to {printable(one.pattern)}, outside of the working directory")
        for one in outputs
        if relative(one.pattern, target) is None
    )
    if wrong:
        raise BadValues(
            f"cannot launch {application.identifier}",
            wrong,
            "work in the directory of the input file, or copy the file here and name it without a path",
        )


def write(launch: Launch) -> None:
    """Write the files of the templates into the working directory. Raises `UsageError` for a place outside, `HostError`."""
    for one in launch.files:
        path = relative(one.path, launch.directory)
        if path is None:
            raise UsageError(f"the file template {printable(one.path)} would lie outside of {printable(launch.directory)}")
        _write(os.path.join(launch.directory, path), one.content)


def _write(path: str, content: str) -> None:
    data = content.encode("utf-8", "surrogateescape")
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        # A link that an earlier run left must not be written through.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with open(descriptor, "wb") as stream:
            stream.write(data)
    except OSError as error:
        raise HostError(f"cannot write {printable(path)}: {error.strerror}") from error


def explain(application: Application, status: int) -> str:
    """The descriptor's words for an exit status, or nothing."""
    return application.error_codes.get(status, "")
