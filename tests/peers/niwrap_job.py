"""Run by the interpreter that has niwrap: dcm2niix by a runner of niwrap. usage: niwrap_job.py docker|podman|local SERIES DIRECTORY

Prints the directory of the outputs.
"""

import sys

from niwrap import dcm2niix
from styxdefs import LocalRunner
from styxdocker import DockerRunner
from styxpodman import PodmanRunner

kind, series, directory = sys.argv[1:]
runner = {
    "docker": lambda: DockerRunner(data_dir=directory, environ={"WORDS": "two words"}),
    "podman": lambda: PodmanRunner(data_dir=directory),
    "local": lambda: LocalRunner(data_dir=directory),
}[kind]()
done = dcm2niix.dcm2niix(series, filename="%p_%s", comment="of a test", runner=runner)
print(done.root)
