"""A scientist's directory: descriptors, inputs, and `sampan job` called in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.peers.slurm import Cluster
from tests.product import Done, Sampan

COUNT = {
    "name": "count",
    "tool-version": "1.0",
    "description": "Counts the lines of a text that hold a word.",
    "schema-version": "0.5",
    "command-line": "grep -c [WORD] [TEXT] > [LINES]",
    "inputs": [
        {"id": "text", "name": "the text", "type": "File", "value-key": "[TEXT]"},
        {"id": "word", "name": "the word", "type": "String", "value-key": "[WORD]"},
    ],
    "output-files": [{"id": "lines", "name": "number of lines", "path-template": "[TEXT].count", "value-key": "[LINES]"}],
    "error-codes": [{"code": 1, "description": "no line holds the word"}],
}


@dataclass(frozen=True)
class Lab:
    """A directory with what `sampan` needs to launch from it; executions are kept in it too."""

    place: Path
    sampan: Sampan

    def __call__(self, *words: str, **rest) -> Done:
        return self.sampan(*words, cwd=self.place, **rest)

    def good(self, *words: str, **rest) -> Done:
        done = self(*words, **rest)
        assert done.status == 0, f"{words}: {done.status}\n{done.err}\n{done.text[-2000:]}"
        return done

    def descriptor(self, **changes) -> str:
        """A descriptor, COUNT with changes; its path."""
        image = {"container-image": {"type": "docker", "image": self.sampan.image}}
        whole = {**COUNT, **image, **{name.replace("_", "-"): value for name, value in changes.items()}}
        whole = {name: value for name, value in whole.items() if value != []}
        path = self.place / f"{whole['name']}.json"
        path.write_text(json.dumps(whole))
        return path.name

    def program(self, command: str, **changes) -> str:
        """A descriptor of a command line of its own, with a number n, [N], and a file out.txt if [OUT] is named there."""
        number = {"id": "n", "name": "n", "type": "Number", "value-key": "[N]", "optional": True}
        output = {"id": "out", "name": "out", "path-template": "out.txt", "value-key": "[OUT]"}
        files = [output] if "[OUT]" in command else []
        command = command if "[N]" in command else f": [N]; {command}"
        return self.descriptor(
            **{"name": "program", "command_line": command, "inputs": [number], "output_files": files, **changes}
        )

    def texts(self, *counts: int) -> None:
        """t1.txt, t2.txt ... with so many lines with a cat in them."""
        for number, lines in enumerate(counts, 1):
            (self.place / f"t{number}.txt").write_text("a cat\n" * lines + "a dog\n")

    def submit(self, *words: str, **rest) -> str:
        """An execution that was submitted; its id."""
        return self.good("job", "submit", *words, **rest).text.strip()

    def show(self, id: str, *job: str) -> dict:
        return json.loads(self.good("job", "show", id, *job, "--format", "json").out)

    def attempts(self, id: str, job: int) -> list[dict]:
        return self.show(id, str(job))["attempts"]

    def states(self, id: str) -> list[str]:
        return [job["state"] for job in self.show(id)["job_list"]]


@pytest.fixture
def lab(shared_sampan, tmp_path):
    """A directory of one's own, with the shared store."""
    place = tmp_path / "lab"
    place.mkdir()
    variables = {"SAMPAN_EXECUTIONS": str(tmp_path / "executions")}
    return Lab(place, replace(shared_sampan, variables={**shared_sampan.variables, **variables}))


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The Slurm of the set-up."""
    found = Cluster.found()
    if found is None:
        pytest.skip("no Slurm is running (scripts/test.sh starts one)")
    return found
