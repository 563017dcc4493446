"""`sampan job`: many jobs of an application, from the start to the results."""

from __future__ import annotations

from sampan.cli import job_bundle, job_change, job_follow, job_show, job_submit
from sampan.cli.app import APPLICATION, INPUTS, behind
from sampan.cli.app import VALUES as VALUES_FILE
from sampan.cli.job_options import EVENTS, LIMITS, NAME, OVER, RETRIES
from sampan.cli.job_options import EXECUTION as OPTIONS
from sampan.options.table import FLAG, VALUE, Argument, Command, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context

EXECUTION = Argument("EXECUTION", "1", "an id, the beginning of one, a name, or `last`")
JOBS = Argument("JOB", "*", "numbers of jobs, as 3 or 3-7 (default: all)")
FORMAT = Option("--format", VALUE, "`table` or `json`", "FORMAT", ("table", "json"), "table")
_PARTIAL = "Exit status 0 if all jobs finished, 1 if some did not, 125 if sampan failed."

SUBMIT = Command(
    "job submit",
    "launch an application as one job or many, and print the execution's id",
    (
        VALUES_FILE,
        *OPTIONS,
        Option("--dry-run", FLAG, "say how many jobs there would be and show the first command, start nothing"),
        Option("--wait", FLAG, "until all jobs have ended, as `sampan job wait` does"),
        RETRIES,
        EVENTS,
    ),
    (APPLICATION, INPUTS),
    description=(
        "Each --over makes one job a value; several are crossed, and paired with --dot. In a file of values, a list for an input that "
        "takes none does the same. How many jobs there will be is said before anything starts. Values are checked for every job, input "
        "files have to be there, and the image is pulled once, before the first job is made; all jobs run exactly this image. The jobs go "
        "on when this command has ended. With --wait: " + _PARTIAL
    ),
    examples=(
        ("sampan job submit --over 'text=data/*.txt' count.json --word cat", "a job for each file, on this machine"),
        (
            "sampan job submit --back-end slurm --over 't1=sub-*/t1.nii' --over f=0.3,0.5 bet/1.0",
            "each file with each value, on the cluster",
        ),
        ("sampan job submit --over 'a=a/*' --over 'b=b/*' --dot a,b --dry-run reg.json", "count pairs, show the first command"),
    ),
    options_end=True,
)
BUNDLE = Command(
    "job bundle",
    "pack the jobs of an application for nodes with which nothing is shared, and print where the bundles are",
    (
        Option("-o --output", VALUE, "the directory for the bundles; made if it is missing", "DIRECTORY"),
        Option(
            "--form",
            VALUE,
            "for nodes with Python 3.9, or with nothing but a shell and user namespaces",
            "pyz|native",
            ("pyz", "native"),
        ),
        Option("--pyz", VALUE, "the sampan.pyz to send (default: the one that runs)", "FILE"),
        Option("--no-image", FLAG, "form pyz: the node gets the image from its store or the registry"),
        VALUES_FILE,
        *OVER,
        *LIMITS,
        NAME,
        Option("--dry-run", FLAG, "say how many jobs there would be and show the first command, pack nothing"),
    ),
    (APPLICATION, INPUTS),
    description=(
        "An execution as `sampan job submit` makes one, but each job becomes a directory of its own with all that it needs: input files, image and "
        "sampan (the form pyz), or a static launcher and the image's files (the form native, which is taken where there is no sampan.pyz). Take "
        "them to a node by whatever means, run run.sh there, and bring them back; run.sh ends with the code of the phase that failed. `sampan job "
        "take` takes the results in; until then the jobs wait. What a bundle needs to fetch and store goes along only where its inputs and results lie on "
        "servers: keep it as your own."
    ),
    examples=(
        ("sampan job bundle -o bundles --over 'text=data/*.txt' count.json --word cat", "one for each file"),
        (
            "sampan job bundle -o bundles --pyz sampan.pyz --no-image count.json values.json",
            "nodes with Python that reach the registry",
        ),
    ),
    options_end=True,
)
TAKE = Command(
    "job take",
    "take in what came back with bundles, and say how their jobs ended",
    (),
    (Argument("BUNDLE", "+", "directories of bundles that have run"),),
    description=(
        "Each belongs to a job of an execution here; its status, logs and results become that job's, and `sampan job show` and `fetch` have them. "
        "Results are looked at as on a node: a link that leads out of them is refused. The bundles stay as they are. " + _PARTIAL
    ),
    examples=(("sampan job take bundles/*", "all of them"),),
)
LIST = Command(
    "job list",
    "list executions, newest first",
    (FORMAT, Option("-q --ids", FLAG, "ids alone"), Option("-n --last", VALUE, "the newest ones", "NUMBER")),
    examples=(("sampan job list", "what is under way, and what was"),),
)
SHOW = Command(
    "job show",
    "show the jobs of an execution, or one job with its attempts, values, results and last lines",
    (FORMAT, Option("--failed", FLAG, "only jobs that failed")),
    (EXECUTION, Argument("JOB", "?", "the number of a job")),
    description="A job that failed says in which phase, with which exit status, why, and what it wrote last.",
    examples=(("sampan job show last", "its jobs"), ("sampan job show last 3", "all about job 3")),
)
LOGS = Command(
    "job logs",
    "show what a job has written",
    (
        Option("-f --follow", FLAG, "go on until the job ends"),
        Option("-n --tail", VALUE, "only the last lines", "NUMBER|all", default="all"),
        Option("--attempt", VALUE, "of this attempt (default: the last)", "NUMBER"),
        Option("--log", FLAG, "what sampan itself has to say about the job, instead"),
    ),
    (EXECUTION, Argument("JOB", "?", "the number of a job; needed where there are several")),
    description="Its standard output goes to standard output, its standard error to standard error.",
    examples=(
        ("sampan job logs -f last 2", "of job 2, and what comes"),
        ("sampan job logs last 2 --attempt 1", "of an earlier attempt"),
    ),
)
WAIT = Command(
    "job wait",
    "follow the jobs of executions until all have ended",
    (EVENTS, RETRIES),
    (Argument("EXECUTION", "+", "ids, beginnings of ids, names, or `last`"),),
    description=(
        "A table on a terminal, lines elsewhere. Ctrl-C ends the waiting, the jobs go on. What an interrupted launch has not handed to the "
        "back-end is handed over. " + _PARTIAL
    ),
    examples=(("sampan job wait last", "and see them"), ("sampan job wait --json last", "for a program")),
)
CANCEL = Command(
    "job cancel",
    "end jobs that have not ended yet",
    (),
    (EXECUTION, JOBS),
    examples=(("sampan job cancel last", "all of them"), ("sampan job cancel last 3-7", "some of them")),
)
RETRY = Command(
    "job retry",
    "try failed jobs again, each in its place; the earlier attempts are kept beside it",
    (
        Option("--cancelled", FLAG, "also those that were cancelled"),
        *LIMITS,
        Option("--wait", FLAG, "until all jobs have ended, as `sampan job wait` does"),
        EVENTS,
    ),
    (EXECUTION, JOBS),
    description="Values, image and input files are the same; limits can be other ones. With --wait: " + _PARTIAL,
    examples=(("sampan job retry last", "all that failed"), ("sampan job retry last 3 --memory 8g", "one, with more memory")),
)
FETCH = Command(
    "job fetch",
    "bring the results of an execution to a directory",
    (
        Option("--crate", FLAG, "make it a Workflow Run RO-Crate, which `sampan rerun` can repeat"),
        Option("--with-inputs", FLAG, "with --crate: the input files too"),
        Option("--license", VALUE, "with --crate: the licence of its content, a URL or a sentence", "LICENSE"),
        Option("--force", FLAG, "replace files that are there and differ"),
    ),
    (EXECUTION, Argument("DIRECTORY", "1", "where to; made if it is missing")),
    description=(
        "Results of a single job lie directly in it, those of several each in a directory by the job's number; jobs.tsv says which is "
        "which. Only whole files appear, compared with their digests; the same command goes on where an earlier one stopped. "
        + _PARTIAL
    ),
    examples=(
        ("sampan job fetch last results", "what has finished so far"),
        ("sampan job fetch --crate --with-inputs last crate", "all that somebody else needs to repeat it"),
    ),
)
CLEAN = Command(
    "job clean",
    "remove executions with their jobs, logs and results that were not fetched",
    (
        Option("--older", VALUE, "all that ended and were made longer ago than this, as 30d", "TIME"),
        Option("-f --force", FLAG, "also those with jobs under way, which are cancelled first"),
    ),
    (Argument("EXECUTION", "*", "ids, beginnings of ids or names"),),
    examples=(("sampan job clean last", "one"), ("sampan job clean --older 30d", "old ones")),
)


def inputs_of(verb: str, words: list[str], context: Context) -> tuple[Command, list[str]] | None:
    """For completion: the inputs of the application that is submitted."""
    return behind(VERBS[verb][0], words, context) if verb in ("submit", "bundle") else None


VERBS = {
    "submit": (SUBMIT, job_submit.submit),
    "bundle": (BUNDLE, job_bundle.bundle),
    "take": (TAKE, job_bundle.take),
    "list": (LIST, job_show.listed),
    "show": (SHOW, job_show.show),
    "logs": (LOGS, job_follow.logs),
    "wait": (WAIT, job_follow.wait),
    "cancel": (CANCEL, job_change.cancel),
    "retry": (RETRY, job_change.retry),
    "fetch": (FETCH, job_change.fetch),
    "clean": (CLEAN, job_change.clean),
}
