"""Run by bosh's own interpreter: what bosh makes of descriptors and invocations. Reads JSON from standard input, writes it to standard output.

Input: {"validate": [path...], "simulate": [[path, invocation]...]}; output: the error (or null) of each, the command line (or null) of each.
"""

import contextlib
import io
import json
import os
import sys
import tempfile

from boutiques.localExec import LocalExecutor
from boutiques.util.utils import loadJson
from boutiques.validator import validate_descriptor

OPTIONS = {
    "forcePathType": True,
    "destroyTempScripts": True,
    "changeUser": True,
    "skipDataCollect": True,
    "requireComplete": False,
    "sandbox": False,
}


def quietly(work):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            return work(), None
        except BaseException as error:  # noqa: BLE001 - bosh ends by SystemExit, too
            return None, f"{type(error).__name__}: {error}"


asked = json.load(sys.stdin)
with tempfile.TemporaryDirectory() as directory:
    os.chdir(directory)
    found = {
        "validate": [quietly(lambda path=path: validate_descriptor(loadJson(path)))[1] for path in asked["validate"]],
        "simulate": [
            quietly(lambda path=path, values=values: LocalExecutor(path, json.dumps(values), OPTIONS).cmd_line[0])[0]
            for path, values in asked["simulate"]
        ],
    }
    os.chdir("/")
json.dump(found, sys.stdout)
