"""`sampan bosh`: the words of `bosh` 0.5.33 that others call, served by `apps`; as a program of its own by a shim named `bosh`.

Served: validate, exec (launch, simulate, prepare), example, evaluate, invocation, test, version. Descriptors and invocations are files
or JSON itself, as there. What is only about Zenodo, or makes descriptors, is not served.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.apps import bosh
from sampan.apps.bind import bind
from sampan.apps.fillable import example as filled
from sampan.apps.launch import explain, prepare, write
from sampan.apps.outputs import collect
from sampan.apps.render import command_line
from sampan.cli.app_launch import run
from sampan.errors import SampanError, UsageError
from sampan.options.table import FLAG, LIST, VALUE, Argument, Command, Option, Parsed
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.cli.context import Context

DESCRIPTOR = Argument("DESCRIPTOR", "1", "a descriptor: a file, or JSON")
INVOCATION = Argument("INVOCATION", "1", "an invocation: a file, or JSON")
SANDBOX = Option("--sandbox", FLAG, "accepted: nothing is fetched from Zenodo")
FAILED = 99  # bosh's own
VALIDATE = Command(
    "bosh validate",
    "check a descriptor",
    (Option("-f --format", FLAG, "accepted: the file is left as it is"), SANDBOX),
    (DESCRIPTOR,),
    examples=(("sampan bosh validate bet.json", "prints OK"),),
)
EXEC = Command(
    "bosh exec",
    "launch, simulate or prepare",
    (
        Option("-v --volumes", LIST, "launch: a directory of the host inside", "HOST:INSIDE"),
        Option("--container-opts", LIST, "launch: options of the container, in place of the descriptor's", "OPTIONS"),
        Option("-i --input", VALUE, "simulate: the invocation", "INVOCATION"),
        Option("-c --complete", FLAG, "simulate: with optional inputs"),
        Option("-j --json", FLAG, "simulate: print the invocation as JSON"),
        Option("-x --debug", FLAG, "accepted: no scripts are left"),
        Option("-u --user", FLAG, "accepted: a program always is the calling user"),
        Option("-s --stream", FLAG, "accepted: output is always passed on at once"),
        Option("--imagepath", VALUE, "accepted: images come from the store", "PATH"),
        Option("--skip-data-collection", FLAG, "launch: write no record"),
        Option("--provenance", VALUE, "launch: JSON to add to the record", "JSON"),
        Option("--no-container", FLAG, "launch: on this machine itself"),
        Option("--no-pull", FLAG, "the image has to be in the store"),
        Option("--no-automounts", FLAG, "accepted: only input files are made visible"),
        Option("--force-docker", FLAG, "accepted: sampan runs both kinds of images"),
        Option("--force-singularity", FLAG, "accepted: sampan runs both kinds of images"),
        Option("--force-apptainer", FLAG, "accepted: sampan runs both kinds of images"),
        SANDBOX,
    ),
    (Argument("MODE", "1", "launch, simulate or prepare"), DESCRIPTOR, Argument("INVOCATION", "?", "launch: the invocation")),
    examples=(("sampan bosh exec launch bet.json invocation.json", "in the current directory"),),
)
EXECUTE = Command(
    "bosh execute",
    "the same as exec",
    EXEC.options,
    EXEC.arguments,
    examples=(("sampan bosh execute simulate bet.json", "bosh's other word"),),
)
EXAMPLE = Command(
    "bosh example",
    "print an invocation",
    (Option("-c --complete", FLAG, "with optional inputs"), SANDBOX),
    (DESCRIPTOR,),
    examples=(("sampan bosh example -c bet.json", "as many inputs as can be"),),
)
EVALUATE = Command(
    "bosh evaluate",
    "print what inputs and outputs come to",
    (SANDBOX,),
    (DESCRIPTOR, INVOCATION, Argument("QUERY", "*", "as output-files/optional=False")),
    examples=(("sampan bosh evaluate bet.json i.json output-files/", "the paths of all outputs"),),
)
CHECK = Command(
    "bosh invocation",
    "check an invocation",
    (Option("-i --invocation", VALUE, "the invocation", "INVOCATION"), SANDBOX),
    (DESCRIPTOR,),
    examples=(("sampan bosh invocation bet.json -i i.json", "prints OK"),),
)
TEST = Command(
    "bosh test",
    "run the tests of a descriptor",
    (Option("--imagepath", VALUE, "accepted: images come from the store", "PATH"), SANDBOX),
    (DESCRIPTOR,),
    examples=(("sampan bosh test bet.json", "all of them"),),
)
VERSION = Command("bosh version", "print the version of bosh that is served", examples=(("sampan bosh version", "0.5.33"),))


def _text(parsed: Parsed, name: str) -> str:
    return str(parsed.values[name])


def validate(parsed: Parsed, context: Context) -> int:
    """OK, or the faults and 99."""
    del context
    return _said(lambda: bosh.application(_text(parsed, "descriptor")))


def check(parsed: Parsed, context: Context) -> int:
    """OK, or the faults and 99."""
    del context
    return _said(lambda: bosh.bound(_text(parsed, "descriptor"), parsed.text("invocation")))


def _said(work: object) -> int:
    """Bosh prints faults on standard output, where its callers read them."""
    try:
        work()  # type: ignore[operator]
    except UsageError as error:
        output.result(f"{error.sentence}\n")
        return FAILED
    output.result("OK\n")
    return 0


def example(parsed: Parsed, context: Context) -> int:
    """An invocation as JSON."""
    del context
    output.json_result(filled(bosh.application(_text(parsed, "descriptor")), complete=parsed.flag("complete")))
    return 0


def evaluate(parsed: Parsed, context: Context) -> int:
    """A JSON object for each query."""
    del context
    invocation = bosh.bound(_text(parsed, "descriptor"), _text(parsed, "invocation"))
    found = [bosh.evaluate(invocation, query) for query in parsed.texts("query")]
    output.json_result(found[0] if len(found) == 1 else found)
    return 0


def execute(parsed: Parsed, context: Context) -> int:
    """By the mode."""
    mode = _text(parsed, "mode")
    if mode == "simulate":
        return _simulate(parsed)
    if mode == "prepare":
        return _prepare(parsed, context)
    if mode != "launch":
        raise UsageError(f"`bosh exec` has no mode {mode!r}", "it has launch, simulate, prepare")
    if parsed.text("invocation") is None:
        raise UsageError("`bosh exec launch` needs an INVOCATION")
    return _launch(parsed, context)


def _simulate(parsed: Parsed) -> int:
    application = bosh.application(_text(parsed, "descriptor"))
    given = parsed.text("input") or parsed.text("invocation")
    values = bosh.values(given) if given else filled(application, complete=parsed.flag("complete"))
    invocation = bind(application, values)
    if parsed.flag("json"):
        output.json_result(invocation.document())
    else:
        output.result(f"Generated Command:\n{command_line(invocation)}\n")
    return 0


def _prepare(parsed: Parsed, context: Context) -> int:
    application = bosh.application(_text(parsed, "descriptor"))
    if application.container is None:
        output.result("Container location: Descriptor does not specify a container image.\n")
        return 0
    from sampan.apps.images import reference_of
    from sampan.container.request import Request
    from sampan.runtime.run import image_for

    session = context.session()
    request = Request(reference_of(application.container))
    if application.container.kind == "rootfs":
        from sampan.apps.rootfs import ensure

        ensure(application.container.url, session)
    image = image_for(request, session, "never" if parsed.flag("no_pull") else "missing")
    context.progress.stop()
    output.result(f"Container location: {image.reference}\n")
    return 0


def _launch(parsed: Parsed, context: Context) -> int:
    application = bosh.application(_text(parsed, "descriptor"), options=parsed.texts("container_opts"))
    given = bosh.values(_text(parsed, "invocation"))
    invocation = bind(application, given)
    here = os.getcwd()
    session = context.session()
    prepared = prepare(
        invocation, here, mounts=session.settings.text("cvmfs_mounts"), container=not parsed.flag("no_container"),
        volumes=bosh.absolute(parsed.texts("volumes"), here),
    )  # fmt: skip
    for warning in prepared.warnings:
        context.notice.warn(warning)
    write(prepared)
    how = Parsed({"engine": None, "pull": "never" if parsed.flag("no_pull") else "missing"}, frozenset())
    status = run(application, prepared, session, context, how)
    found = collect(prepared.outputs, here)
    if not parsed.flag("skip_data_collection"):
        try:
            bosh.record(invocation, prepared, status, found, parsed.text("provenance"))
        except OSError as error:
            context.notice.warn(f"no record of the execution could be written: {error}")
    output.result(bosh.summary(prepared, status, explain(application, status), found))
    return status


def test(parsed: Parsed, context: Context) -> int:
    """A line for each test; 99 if one failed."""
    from sampan.cli.app_test import test as run_tests

    values: dict[str, object] = {
        "application": _text(parsed, "descriptor"), "only": (), "no_container": False, "engine": None, "offline": False, "json": False,
    }  # fmt: skip
    try:
        return FAILED if run_tests(Parsed(values, frozenset()), context) else 0
    except SampanError as error:
        output.result(f"{error.sentence}\n")
        return FAILED


def version(parsed: Parsed, context: Context) -> int:
    """The version whose words are served."""
    del parsed, context
    output.result(f"{bosh.VERSION}\n")
    return 0


VERBS = {
    "validate": (VALIDATE, validate),
    "exec": (EXEC, execute),
    "execute": (EXECUTE, execute),
    "example": (EXAMPLE, example),
    "evaluate": (EVALUATE, evaluate),
    "invocation": (CHECK, check),
    "test": (TEST, test),
    "version": (VERSION, version),
}
