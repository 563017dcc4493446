"""What the rig runs. A job is one command inside; its result is a mapping from the names of its cases to what each came to."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.intercept.sides import Side

HERE = Path(__file__).parent
LIMIT = 900

# CPython's own test modules that touch the system. The first line is the short form: what takes a few seconds at most.
SHORT_MODULES = (
    "test_os", "test_posix", "test_posixpath", "test_genericpath", "test_pathlib", "test_shutil", "test_glob", "test_tempfile", "test_stat", "test_fileio",
    "test_mmap", "test_pty", "test_openpty", "test_fork1", "test_popen", "test_fcntl", "test_ioctl", "test_zipapp",
    "test_thread", "test_resource", "test_pwd", "test_grp", "test_filecmp", "test_fileinput", "test_dbm", "test_zipimport", "test_readline", "test_tty",
)  # fmt: skip
MODULES = (
    *SHORT_MODULES, "test_wait3", "test_wait4", "test_poll", "test_subprocess", "test_signal", "test_threading", "test_threadsignals", "test_socket", "test_socketserver", "test_asyncio", "test_io",
    "test_tarfile", "test_zipfile", "test_eintr", "test_file_eintr", "test_faulthandler", "test_multiprocessing_fork", "test_multiprocessing_spawn",
    "test_multiprocessing_forkserver", "test_multiprocessing_main_handling", "test_concurrent_futures", "test_select", "test_selectors", "test_epoll",
    "test_ssl", "test_venv", "test_site", "test_runpy", "test_import", "test_importlib", "test_cmd_line", "test_cmd_line_script", "test_compileall",
    "test_py_compile", "test_logging", "test_mailbox", "test_shelve", "test_netrc", "test_platform", "test_sysconfig", "test_tracemalloc", "test_urllib",
    "test_urllib2_localnet", "test_httpservers", "test_httplib", "test_sqlite3", "test_ctypes", "test_gdb", "test_audit", "test_embed", "test_exceptions",
    "test_sys", "test_time", "test_unicode_file", "test_unicode_file_functions", "test_bz2", "test_lzma", "test_gzip", "test_uuid", "test_pdb",
    "test_regrtest", "test_pipes", "test_queue", "test_sched", "test_timeout", "test_asyncore", "test_smtplib", "test_ftplib", "test_poplib", "test_imaplib",
    "test_xmlrpc", "test_wsgiref", "test_trace", "test_threadedtempfile", "test_threading_local", "test_largefile", "test_pkg", "test_pkgutil",
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """A name, the tree it needs, the command, and whether it is part of the short form."""

    name: str
    argv: tuple[str, ...]
    tree: str = "full"
    short: bool = False
    module: str = ""


def all_jobs() -> list[Job]:
    found = [
        Job(
            f"CPython {module}",
            ("python3", "/tools/guest/cpython.py", module, "/work/.result"),
            "short",
            module in SHORT_MODULES,
            module,
        )
        for module in MODULES
    ]
    return [
        *found,
        Job("shell", ("/tools/guest/shell.sh",), "short", short=True),
        Job("git", ("/tools/guest/git.sh",), "short", short=True),
        Job("perl", ("/tools/guest/perl.pl",), "short", short=True),
        Job("gcc and make", ("/tools/guest/build.sh",)),
        Job("node", ("node", "/tools/guest/session.mjs")),
        Job("java", ("/tools/guest/java.sh",)),
        Job("Go", ("/tools/guest/go.sh",)),
        Job("OpenMPI", ("/tools/guest/mpi.sh",)),
        Job("tools", ("/tools/guest/tools.sh",)),
    ]


def run(job: Job, side: Side, cache: Path) -> tuple[dict[str, str], str]:
    """The job's cases on one side, and what it said on stderr. Each run has a new /work and /tmp."""
    with tempfile.TemporaryDirectory(prefix="sampan-rig-", ignore_cleanup_errors=True) as base:
        work, temporary = Path(base, "work"), Path(base, "tmp")
        for place in (work, temporary):
            place.mkdir(mode=0o755)
        temporary.chmod(0o1777)
        binds = ((work, "/work", ""), (temporary, "/tmp", ""), (HERE, "/tools", "ro"), (cache, "/cache", ""))
        own = side.with_(binds=binds)
        try:
            done = own.run(*job.argv, check=False, cwd="/work", timeout=LIMIT, env=("HOME=/tmp", "USER=tester", "LANG=C.UTF-8"))
            status, out, err = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired as late:
            status, out, err = "too late", str(late.stdout or ""), str(late.stderr or "")
        cases = from_lines(work / ".result") if job.module else from_sections(out)
        cases["(exit status)"] = str(status)
        subprocess.run(["chmod", "-R", "u+rwx", base], check=False)
        return cases, err


def from_lines(path: Path) -> dict[str, str]:
    """`ID TAB OUTCOME` lines; of a test that is noted twice (a failed sub-test) the worse counts."""
    found: dict[str, str] = {}
    for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
        name, _, outcome = line.rpartition("\t")
        if found.get(name, "ok") == "ok":
            found[name] = outcome
    return found


def from_sections(text: str) -> dict[str, str]:
    """Sections that begin with `== NAME`."""
    found: dict[str, str] = {}
    name = "(before the first case)"
    for line in text.splitlines(keepends=True):
        if line.startswith("== "):
            name = line[3:].strip()
            found.setdefault(name, "")
        else:
            found[name] = found.get(name, "") + line
    return found
