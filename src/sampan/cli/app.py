"""`sampan app`: the tables of its verbs; each verb's own module is imported when it is called. On the path of `app launch`."""

from __future__ import annotations

from sampan.cli.job_options import EXECUTION
from sampan.options.table import FLAG, LIST, VALUE, Argument, Command, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

APPLICATION = Argument("APPLICATION", "1", "the file of a descriptor, or the NAME[/VERSION] of one that is kept")
INPUTS = Argument("INPUT", "*", "--ID VALUE for the inputs, or a JSON file of values; `APPLICATION --help` shows them")
JSON = Option("--json", FLAG, "as JSON, for programs")
VALUES = Option("--values", VALUE, "take values from this JSON file, - for standard input; options win over it", "FILE")
DIRECTORY = Option("--directory", VALUE, "the directory to work in (default: the current one)", "DIR")
NO_CONTAINER = Option("--no-container", FLAG, "on this machine itself, without the image of the descriptor")

LAUNCH = Command(
    "app launch",
    "run an application with values for its inputs",
    (
        VALUES,
        DIRECTORY,
        Option("-v --volume", LIST, "make a directory or file of the host visible, too", "SOURCE[:TARGET[:ro]]"),
        NO_CONTAINER,
        Option(
            "--pull", VALUE, "when to ask the registry (default: missing)", "missing|always|never", ("missing", "always", "never")
        ),
        Option("--offline", FLAG, "ask no registry: the image has to be in a store"),
        Option("--engine", VALUE, "how to run it, see `sampan doctor`", "ENGINE"),
        Option(
            "--dry-run", FLAG, "print the plan and start nothing; with options of jobs, count them and show the first command"
        ),
        *EXECUTION,
        JSON,
    ),
    (APPLICATION, INPUTS),
    description=(
        "The working directory is writable inside at its own path, input files that lie elsewhere are there read-only. Every value reaches the "
        "program exactly as it is written here: none can become a part of the command line. The exit status is the program's own; 125 means that "
        "sampan failed, or that files which the descriptor promises are missing afterwards. With --over, --back-end, a limit or --name, or a list where an input takes none, it becomes "
        "an execution of one job or many, which is followed to its end, as by `sampan job submit --wait`; the jobs go on if this is interrupted, and "
        "`sampan job fetch` brings the results. The status is 1 then if some jobs did not finish."
    ),
    examples=(
        ("sampan app launch bet.json --infile T1.nii.gz --maskfile brain", "with the inputs as options"),
        ("sampan app launch fsl_bet/6.0 values.json", "one that is kept, with a file of values"),
        ("sampan app launch bet.json --help", "what its inputs are"),
        (
            "sampan app launch --over 'infile=sub-*/T1.nii.gz' --back-end slurm bet.json --maskfile brain",
            "a job for each file, on the cluster",
        ),
    ),
    options_end=True,
)
SIMULATE = Command(
    "app simulate",
    "print the command line that a launch would run",
    (
        VALUES, DIRECTORY, NO_CONTAINER,
        Option("--complete", FLAG, "without values: fill in every input that can be, not only the required ones"),
        JSON,
    ),
    (APPLICATION, INPUTS),
    description="Without any value those of `sampan app example` are taken.",
    examples=(("sampan app simulate bet.json --infile 'my scan.nii' --maskfile brain", "see how values are quoted"),),
    options_end=True,
)  # fmt: skip
SHOW = Command(
    "app show",
    "show what an application is, and its inputs and outputs",
    (JSON,),
    (APPLICATION,),
    examples=(("sampan app show fsl_bet", "one that is kept"),),
)
EXAMPLE = Command(
    "app example",
    "print values that fit an application, as a start for your own",
    (Option("--complete", FLAG, "as many inputs as can be given together, not only the required ones"),),
    (APPLICATION,),
    examples=(("sampan app example bet.json > values.json", "a file to edit and launch with"),),
)
VALIDATE = Command(
    "app validate",
    "check descriptors: every fault at once, with its place",
    (JSON,),
    (Argument("FILE", "+", "descriptors; - is standard input"),),
    description=(
        "The schema of Boutiques 0.5, the rules that it cannot say, and the proof that the form can be filled in. What can never be used is a "
        "warning. Exit status 125 if one is not valid."
    ),
    examples=(("sampan app validate *.json", "all of a directory"),),
)
TEST = Command(
    "app test",
    "run the tests that a descriptor holds",
    (
        Option("-k --only", LIST, "only the test of this name", "NAME"),
        NO_CONTAINER,
        Option("--engine", VALUE, "how to run it, see `sampan doctor`", "ENGINE"),
        Option("--offline", FLAG, "ask no registry: the image has to be in a store"),
        JSON,
    ),
    (APPLICATION,),
    description="Each runs in a directory of its own with the input files of the directory of the descriptor. Exit status 125 if one fails.",
    examples=(("sampan app test bet.json", "all of them"),),
)
LIST_ = Command(
    "app list", "list the applications that are kept", (JSON,), examples=(("sampan app list", "by name, newest version first"),)
)
ADD = Command(
    "app add",
    "keep applications in the store, to launch them by name",
    (Option("--force", FLAG, "replace another descriptor of the same name and version"),),
    (Argument("FILE", "+", "descriptors, which have to be valid"),),
    examples=(("sampan app add bet.json", "then `sampan app launch fsl_bet`"),),
)
RM = Command(
    "app rm",
    "forget applications that are kept",
    (),
    (Argument("APPLICATION", "+", "NAME/VERSION, or NAME if there is one version"),),
    examples=(("sampan app rm fsl_bet/6.0", "one version"),),
)
IMPORT = Command(
    "app import",
    "keep every valid descriptor of a directory",
    (
        Option("--force", FLAG, "replace other descriptors of the same names and versions"),
        Option("--dry-run", FLAG, "only say which would be kept, and what is wrong with the others"),
        JSON,
    ),
    (Argument("PATH", "+", "directories (as VIP's and niwrap's repositories) or descriptors, also of Boutiques 0.4"),),
    description="What is no descriptor is passed over; one that is not valid is said with its faults. Exit status 125 if there was one.",
    examples=(("sampan app import vip-apps-boutiques-descriptors", "all applications of a repository"),),
)


def launch(parsed: Parsed, context: Context) -> int:
    """Run it."""
    from sampan.cli.app_launch import launch as run

    return run(parsed, context)


def simulate(parsed: Parsed, context: Context) -> int:
    """Print its command line."""
    from sampan.cli.app_launch import simulate as run

    return run(parsed, context)


def show(parsed: Parsed, context: Context) -> int:
    """Print what it is."""
    from sampan.cli.app_show import show as run

    return run(parsed, context)


def example(parsed: Parsed, context: Context) -> int:
    """Print an invocation."""
    from sampan.cli.app_show import example as run

    return run(parsed, context)


def listing(parsed: Parsed, context: Context) -> int:
    """Print what is kept."""
    from sampan.cli.app_show import listing as run

    return run(parsed, context)


def validate(parsed: Parsed, context: Context) -> int:
    """Check files."""
    from sampan.cli.app_check import validate as run

    return run(parsed, context)


def test(parsed: Parsed, context: Context) -> int:
    """Run its tests."""
    from sampan.cli.app_test import test as run

    return run(parsed, context)


def add(parsed: Parsed, context: Context) -> int:
    """Keep it."""
    from sampan.cli.app_check import add as run

    return run(parsed, context)


def import_(parsed: Parsed, context: Context) -> int:
    """Keep all of a directory."""
    from sampan.cli.app_check import import_ as run

    return run(parsed, context)


def remove(parsed: Parsed, context: Context) -> int:
    """Forget it."""
    from sampan.cli.app_check import remove as run

    return run(parsed, context)


def inputs_of(verb: str, words: list[str], context: Context) -> tuple[Command, list[str]] | None:
    """For completion: the table of an application's inputs and the words behind its name; `None` before it is named."""
    return behind(VERBS[verb][0], words, context) if verb in ("launch", "simulate") else None


def behind(table: Command, words: list[str], context: Context) -> tuple[Command, list[str]] | None:
    """The same for any command that takes an application with its inputs."""
    from sampan.apps import form
    from sampan.apps.load import load
    from sampan.errors import SampanError

    spellings = {spelling: option for option in table.options for spelling in option.spellings}
    at = 0
    while at < len(words) - 1 and words[at].startswith("-"):
        option = spellings.get(words[at])
        at += 2 if option is not None and option.kind != FLAG else 1
    if at >= len(words) - 1:
        return None
    try:
        return form.options(load(words[at], context.session()), table.words), words[at + 1 :]
    except SampanError:
        return None


VERBS = {
    "launch": (LAUNCH, launch),
    "simulate": (SIMULATE, simulate),
    "show": (SHOW, show),
    "example": (EXAMPLE, example),
    "validate": (VALIDATE, validate),
    "test": (TEST, test),
    "list": (LIST_, listing),
    "add": (ADD, add),
    "import": (IMPORT, import_),
    "rm": (RM, remove),
}
