"""A chain of dcm2niix and a program that reads what it makes, on DICOM series of several subjects: as applications, and as plain runs."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.apps.made import DESCRIPTORS, document, one, output
from tests.journeys.test_services import image
from tests.peers.dicom import SIDE, series
from tests.product import Sampan

SUBJECTS = {"sub-01": 4, "sub-02": 7, "sub-03": 3}
HOME = "data/it's $HOME of"  # dcm2niix itself changes such letters in names of results, but not in those of its inputs
COMMENT = 'it\'s "$HOME"; `id`'
MEASURE = """import gzip, struct, sys
out = open(sys.argv[1], "w")
for path in sys.argv[2:]:
    raw = open(path, "rb").read()
    raw = gzip.decompress(raw) if raw[:2] == bytes((31, 139)) else raw
    x, y, z = struct.unpack_from("<3h", raw, 42)
    sizes = struct.unpack_from("<3f", raw, 80)
    start = int(struct.unpack_from("<f", raw, 108)[0])
    voxels = struct.unpack_from("<%dh" % (x * y * z), raw, start)
    print(path.rpartition("/")[2], x, y, z, *sizes, sum(voxels), file=out)
"""


@pytest.fixture(scope="module")
def imaging(registry):
    """The reference of an image with dcm2niix and Python."""
    if shutil.which("dcm2niix") is None:
        pytest.skip("dcm2niix is not installed (scripts/test.sh does)")
    return image(registry, "imaging", "dcm2niix/")


@pytest.fixture
def lab(imaging, tmp_path):
    """A directory with two applications and the series of the subjects, and plain runs of dcm2niix on them."""
    sampan = Sampan(tmp_path / "store", tmp_path, imaging)
    sampan.good("pull", imaging)
    convert = json.loads((DESCRIPTORS / "dcm2niix.json").read_text())
    convert["container-image"]["image"] = imaging
    measure = document(
        "python3 [PROGRAM] [TABLE] [IMAGES]", [one("PROGRAM", "File"), one("IMAGES", "File", list=True)],
        name="measure", container_image={"type": "docker", "image": imaging}, output_files=[output("TABLE", "table.txt")],
    )  # fmt: skip
    for application in (convert, measure):
        (tmp_path / f"{application['name']}.json").write_text(json.dumps(application))
        sampan.good("app", "add", f"{application['name']}.json")
    (tmp_path / "measure.py").write_text(MEASURE)
    (tmp_path / "plain").mkdir()
    for subject, slices in SUBJECTS.items():
        series(tmp_path / f"{HOME} {subject}", slices)
        options = ["-b", "y", "-z", "n", "-c", COMMENT, "-f", subject, "-o", tmp_path / "plain"]
        subprocess.run(["dcm2niix", *options, tmp_path / f"{HOME} {subject}"], check=True, capture_output=True)
    return sampan


def files(place: Path, *ends: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place.iterdir() if path.name.endswith(ends)}


def convert(lab: Sampan, subject: str, *more: str) -> dict:
    words = ["--series", f"{HOME} {subject}", "--name", subject, "--comment", COMMENT, *more]
    return json.loads(lab.good("app", "launch", "--json", "dcm2niix", *words, cwd=lab.directory).text)


def test_a_chain_over_several_subjects(lab, tmp_path):
    """Images and what is told of them are equal byte for byte to those of plain runs, and hold the numbers of the slices."""
    images = []
    for subject in SUBJECTS:
        found = convert(lab, subject)
        paths = {one["id"]: one["paths"] for one in found["outputs"]}
        assert paths == {"image": [f"{subject}.nii"], "about": [f"{subject}.json"], "log": [f"{subject}.log"]}
        assert "Convert" in (tmp_path / f"{subject}.log").read_text()
        images += paths["image"]
    plain = files(tmp_path / "plain", ".nii", ".json")
    assert {name: (tmp_path / name).read_bytes() for name in plain} == plain
    assert sorted(plain) == sorted(f"{subject}.{end}" for subject in SUBJECTS for end in ("nii", "json"))
    assert COMMENT.encode() in plain["sub-01.nii"][:352]
    assert json.loads(plain["sub-02.json"])["SliceThickness"] == 2
    given = [word for name in images for word in ("--IMAGES", name)]
    lab.good("app", "launch", "measure", "--PROGRAM", "measure.py", *given, cwd=tmp_path)
    table = [line.rsplit(" ", 7) for line in (tmp_path / "table.txt").read_text().splitlines()]
    sums = [
        sum((x * 7 + y * 3 + number * 11) % 1000 for number in range(1, slices + 1) for y in range(SIDE) for x in range(SIDE))
        for slices in SUBJECTS.values()
    ]
    assert table == [
        [f"{subject}.nii", "16", "16", str(slices), "1.5", "1.5", "2.0", str(total)]
        for (subject, slices), total in zip(SUBJECTS.items(), sums)
    ]


def test_the_same_as_jobs_over_the_subjects(lab, tmp_path):
    """Paired by name, with compressed images: unpacked they are those of the plain runs."""
    words = [word for subject in SUBJECTS for word in ("--over", f"series={HOME} {subject}", "--over", f"name={subject}")]
    values = ["--compress", "y", "--comment", COMMENT]
    done = lab.good("job", "submit", "--wait", "--dot", "series,name", *words, "dcm2niix", *values, cwd=tmp_path)
    assert "3 finished" in done.text
    lab.good("job", "fetch", "last", "results", cwd=tmp_path)
    for number, subject in enumerate(SUBJECTS, 1):
        place = tmp_path / "results" / str(number)
        packed = subprocess.run(["gzip", "-dc", place / f"{subject}.nii.gz"], capture_output=True, check=True).stdout
        assert packed == (tmp_path / f"plain/{subject}.nii").read_bytes()
        assert (place / f"{subject}.json").read_bytes() == (tmp_path / f"plain/{subject}.json").read_bytes()


def test_what_is_no_series(lab, tmp_path):
    """The descriptor has words for its exit status."""
    (tmp_path / "none").mkdir()
    (tmp_path / "none/x.txt").write_text("no DICOM")
    done = lab("app", "launch", "dcm2niix", "--series", "none", "--name", "x", cwd=tmp_path)
    plain = subprocess.run(["dcm2niix", "-f", "x", "-o", tmp_path, tmp_path / "none"], capture_output=True).returncode
    assert done.status == plain == 2
    assert "no DICOM file is in the directory" in done.err
