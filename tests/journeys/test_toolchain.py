"""A real tool chain, bwa and samtools of Debian: reads of several subjects aligned here, then the same from its crate on Slurm."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace

import pytest

from tests.journeys.launches import Lab
from tests.journeys.test_services import image
from tests.product import Sampan

ALIGN = {
    "name": "align",
    "tool-version": "1.0",
    "schema-version": "0.5",
    "description": "Aligns the reads of a subject to a reference, sorted by position.",
    "command-line": "set -e; bwa index -p index [REFERENCE]; bwa mem -k [SEED] index [READS] > aligned.sam; "
    "samtools sort -O bam -o [BAM] aligned.sam; samtools flagstat [BAM] > [STATISTICS]",
    "inputs": [
        {"id": "reference", "name": "reference", "type": "File", "value-key": "[REFERENCE]"},
        {"id": "reads", "name": "reads of a subject", "type": "File", "value-key": "[READS]"},
        {"id": "seed", "name": "length of a seed", "type": "Number", "integer": True, "minimum": 10, "value-key": "[SEED]",
         "optional": True, "default-value": 19},
    ],
    "output-files": [
        {"id": "bam", "name": "alignment", "path-template": "[READS].bam", "path-template-stripped-extensions": [".fastq"], "value-key": "[BAM]"},
        {"id": "statistics", "name": "statistics", "path-template": "[READS].txt", "path-template-stripped-extensions": [".fastq"],
         "value-key": "[STATISTICS]"},
    ],
    "suggested-resources": {"cpu-cores": 1, "ram": 0.2, "walltime-estimate": 300},
}  # fmt: skip
SUBJECTS = 4
READS = 300


@pytest.fixture(scope="module")
def tools(registry, tmp_path_factory) -> Sampan:
    """The command with a store of its own that has the image of the tools: others rely on what is in the shared one."""
    if shutil.which("bwa") is None or shutil.which("samtools") is None:
        pytest.skip("bwa and samtools are not installed (scripts/test.sh does)")
    directory = tmp_path_factory.mktemp("tools")
    found = Sampan(directory / "store", directory, image(registry, "align", "samtools/ bwa"))
    found.good("pull", found.image)
    return found


@pytest.fixture
def study(lab: Lab, tools: Sampan) -> Lab:
    """A reference and the reads of four subjects; those of the third are damaged."""
    number = random.Random(7)
    genome = "".join(number.choice("ACGT") for _ in range(6000))
    (lab.place / "reference.fa").write_text(f">chr\n{genome}\n")
    for subject in range(1, SUBJECTS + 1):
        folder = lab.place / f"sub-{subject}"
        folder.mkdir()
        starts = [number.randrange(len(genome) - 100) for _ in range(READS - subject)]
        reads = "".join(f"@r{at}\n{genome[start : start + 100]}\n+\n{'I' * 100}\n" for at, start in enumerate(starts))
        (folder / f"reads-{subject}.fastq").write_text(reads)
    whole = lab.place / "sub-3/reads-3.fastq"
    whole.rename(lab.place / "whole")
    whole.write_bytes(b"")
    (lab.place / "align.json").write_text(json.dumps({**ALIGN, "container-image": {"type": "docker", "image": tools.image}}))
    return replace(lab, sampan=replace(tools, variables=lab.sampan.variables))


def mapped(study: Lab, folder: str) -> list[str]:
    """How many reads of each subject are aligned."""
    files = sorted((study.place / folder).glob("*/reads-*.txt"))
    return [next(line.split()[0] for line in file.read_text().splitlines() if "mapped (" in line) for file in files]


def test_several_subjects_here_and_repeated_on_slurm(study: Lab):
    words = ("--over", "reads=sub-*/*.fastq", "--name", "study")
    # An empty file of reads is no failure to bwa: its answer is an alignment of nothing. So the file is taken away.
    (study.place / "sub-3/reads-3.fastq").unlink()
    (study.place / "sub-3/reads-3.fastq").mkdir()
    done = study("app", "launch", *words, "align.json", "--reference", "reference.fa")
    assert done.status == 1
    assert "sampan: 4 jobs: one for each reads" in done.err
    assert done.text.endswith(": 3 of 4 finished, 1 failed\n")
    assert "job 3 (reads=sub-3/reads-3.fastq) failed in phase run" in done.err
    assert "bwa" in done.err, "its last lines"
    (study.place / "sub-3/reads-3.fastq").rmdir()
    (study.place / "whole").rename(study.place / "sub-3/reads-3.fastq")
    assert study.good("job", "retry", "study", "--wait").text.endswith(": all 4 finished\n")
    study.good("job", "fetch", "--crate", "--with-inputs", "study", "crate")
    assert mapped(study, "crate") == [str(READS - subject) for subject in range(1, SUBJECTS + 1)]
    assert (study.place / "crate/1/reads-1.bam").read_bytes()[:2] == b"\x1f\x8b"
    for path in ("reference.fa", "align.json", "sub-1", "sub-2", "sub-3", "sub-4"):
        target = study.place / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    study.good("job", "clean", "study")
    done = study.good("rerun", "crate")
    assert "nothing differs: 8 results have the digests that the crate states" in done.err


def test_the_same_on_slurm(study: Lab, cluster):
    slurm = replace(
        study, sampan=replace(study.sampan, variables={**study.sampan.variables, "SLURM_CONF": str(cluster.configuration)})
    )
    (study.place / "whole").replace(study.place / "sub-3/reads-3.fastq")
    words = ("--over", "reads=sub-*/*.fastq", "--over", "seed=15,19", "--wait")
    slurm.good("job", "submit", *words, "--back-end", "slurm", "align.json", "--reference", "reference.fa")
    slurm.good("job", "fetch", "--crate", "--with-inputs", "last", "crate")
    assert mapped(slurm, "crate") == [str(READS - subject) for subject in range(1, SUBJECTS + 1) for _ in (15, 19)]
    assert "nothing differs: 16 results" in slurm.good("rerun", "--back-end", "local", "crate").err
