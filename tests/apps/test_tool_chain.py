"""A real tool chain over several subjects: bwa and samtools of Debian, in an image made of Debian's packages."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from tests.apps.made import document, one, output
from tests.peers.docker_registry import seed
from tests.product import MACHINE_IMAGE, Sampan, cached

PACKAGES = ("samtools", "bwa")
COMMAND = (
    "cp [REFERENCE] ref.fa && bwa index ref.fa 2>index.log && bwa mem -t [THREADS] -R '@RG\\tID:[SAMPLE]\\tSM:[SAMPLE]' ref.fa [READS] 2>mem.log"
    " | samtools sort -o [BAM] - && samtools index [BAM] && samtools flagstat [BAM] >[STATS]"
)


@pytest.fixture(scope="session")
def sequences(registry):
    """The reference of an image with bwa and samtools."""
    if not all(shutil.which(name) for name in PACKAGES):
        pytest.skip("bwa and samtools are not installed, of whose packages the image is made")
    versions = subprocess.run(["dpkg-query", "-W", *PACKAGES], capture_output=True, check=True).stdout

    layers = [
        "base-files,libc6,libgcc-s1,libc-bin,bash,dash,coreutils,libtinfo6,libselinux1,libpcre2-8-0,libacl1,libattr1,libgmp10",
        "samtools/",
        "bwa/",
    ]

    def make(path):
        subprocess.run(["/usr/bin/python3", str(MACHINE_IMAGE), str(path), *layers], check=True)

    layout = cached("sequences", MACHINE_IMAGE.read_bytes() + versions + " ".join(layers).encode(), make)
    seed(registry, SimpleNamespace(path=layout), "1", "test/sequences:1")
    return registry.reference("test/sequences:1")


def application(image: str) -> dict:
    return document(
        COMMAND,
        [one("REFERENCE", "File"), one("READS", "File"), one("SAMPLE"), one("THREADS", "Number", integer=True, minimum=1, default_value=1)],
        name="align", container_image={"type": "docker", "image": image}, suggested_resources={"cpu-cores": 1, "ram": 1},
        output_files=[output("BAM", "[SAMPLE].bam"), output("STATS", "flagstat_[READS].txt", path_template_stripped_extensions=[".fq"])],
    )  # fmt: skip


def sample_data(directory, subjects: dict[str, int]) -> None:
    """A random reference, and for each subject so many reads of it, and a few that are from nowhere."""
    chance = random.Random(1)
    reference = "".join(chance.choice("ACGT") for _ in range(5000))
    (directory / "the reference.fa").write_text(f">chr1\n{reference}\n")
    for subject, count in subjects.items():
        reads = [reference[at : at + 80] for at in (chance.randrange(4900) for _ in range(count))]
        reads += ["".join(chance.choice("ACGT") for _ in range(80)) for _ in range(3)]
        (directory / f"{subject}.fq").write_text("".join(f"@r{n}\n{read}\n+\n{'I' * 80}\n" for n, read in enumerate(reads)))


def test_alignment_of_several_subjects(tmp_path, sequences):
    sampan = Sampan(tmp_path / "store", tmp_path)
    sampan.good("pull", sequences)
    (tmp_path / "data").mkdir()
    subjects = {"sub-01": 40, "sub 02 (again)": 25, "sub-03$HOME": 10}
    sample_data(tmp_path / "data", subjects)
    (tmp_path / "align.json").write_text(json.dumps(application(sequences)))
    sampan.good("app", "add", "align.json")
    for subject, count in subjects.items():
        work = tmp_path / f"work {subject}"
        work.mkdir()
        done = sampan.good(
            "app", "launch", "--json", "--directory", work, "align", "--REFERENCE", tmp_path / "data/the reference.fa", "--READS", tmp_path / f"data/{subject}.fq",
            "--SAMPLE", subject, cwd=work,
        )  # fmt: skip
        found = {one["id"]: one["paths"] for one in json.loads(done.text)["outputs"]}
        assert found["BAM"] == [f"{subject}.bam"]
        stats = (work / found["STATS"][0]).read_text()
        assert f"{count + 3} + 0 in total" in stats
        assert f"{count} + 0 mapped" in stats
        header = subprocess.run(
            ["samtools", "view", "-H", work / f"{subject}.bam"], capture_output=True, text=True, check=True
        ).stdout
        assert f"SM:{subject}" in header
