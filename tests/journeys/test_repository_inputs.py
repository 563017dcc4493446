"""Files of a CVMFS repository as inputs: by a launch on this machine, by jobs, by bundles, and again from a crate."""

from __future__ import annotations

import http.server
import os
import threading
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from sampan.cvmfs.fuse import mounting
from sampan.jobs import phases
from tests.journeys.launches import Lab
from tests.journeys.test_bundles import away
from tests.lazy.published import FQRN, Published

TEXT = f"cvmfs://{FQRN}/data/cats%20and%20dogs.txt"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A repository in a directory, with a text and a link to it."""
    base = tmp_path_factory.mktemp("published")
    (base / "data").mkdir()
    (base / "data/cats and dogs.txt").write_text("a cat\na dog\na cat\n")
    (base / "data/latest").symlink_to("cats and dogs.txt")
    found = Published(base)
    found.graft("/data", base / "data")
    return found


class Silent(http.server.SimpleHTTPRequestHandler):
    """The files of a directory."""

    def log_message(self, *_):
        pass


@contextmanager
def served(place: Path):
    """The URL of a directory."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(place)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(params=["mounted", "unpacked"])
def site(request, lab: Lab, published: Published, tmp_path):
    """The lab with the repository below a directory that the settings name: mounted by FUSE, and as plain files where that is closed."""
    mounts = tmp_path / "repositories"
    place = mounts / FQRN
    place.mkdir(parents=True)
    variables = {**lab.sampan.variables, "SAMPAN_CVMFS_MOUNTS": str(mounts), "SAMPAN_CVMFS_CACHE": str(tmp_path / "cache")}
    lab = replace(lab, sampan=replace(lab.sampan, variables=variables))
    if request.param == "unpacked":
        for name in lab.good("repo", "ls", "-R", published.place, "--keys", published.key).lines:
            if name.endswith(".txt"):
                (place / name.lstrip("/")).parent.mkdir(exist_ok=True)
                data = lab.good("repo", "cat", published.place, name, "--keys", published.key).out
                (place / name.lstrip("/")).write_bytes(data)
        (place / "data/latest").symlink_to("cats and dogs.txt")
        yield lab
        return
    stopped = mounting.obstacle()
    if stopped is not None:
        pytest.skip(f"nothing can be mounted here: {stopped[0]}")
    with served(published.place.parent) as url:
        lab.good("repo", "mount", f"{url}/{FQRN}", place, "--keys", published.key)
        try:
            yield lab
        finally:
            lab.good("repo", "umount", "--lazy", place)


def test_a_launch_here(site):
    """The program reads it at its own path, read-only; results lie in the working directory."""
    descriptor = site.descriptor(output_files=[{"id": "lines", "name": "n", "path-template": "n.txt", "value-key": "[LINES]"}])
    for text in (TEXT, f"cvmfs://{FQRN}/data/latest"):
        site.good("app", "launch", descriptor, "--text", text, "--word", "cat")
        assert (site.place / "n.txt").read_text() == "2\n"
    here = site.good("app", "simulate", "--json", descriptor, "--text", TEXT, "--word", "cat").text
    assert f"{os.path.dirname(site.place)}/repositories/{FQRN}/data/cats and dogs.txt" in here


def test_jobs_bundles_and_crates(site, tmp_path):
    descriptor = site.descriptor()
    words = [descriptor, "--text", TEXT, "--word", "cat"]
    assert site.good("job", "submit", "--wait", *words).text.endswith(": finished\n")
    site.good("job", "fetch", "--crate", "last", "crate")
    assert (site.place / "crate/cats and dogs.txt.count").read_text() == "2\n"
    assert "nothing differs" in site.good("rerun", "crate").err
    (line,) = site.good("job", "bundle", "-o", "bundles", "--form", "native", *words).lines
    (tmp_path / "node").mkdir()
    assert away(line, tmp_path / "node") == 0
    assert site.good("job", "take", tmp_path / "node" / os.path.basename(line)).text.endswith(": finished\n")


def test_what_is_not_there(lab, tmp_path):
    """One sentence that names the place where it was looked for, and the setting."""
    mounts = tmp_path / "repositories"
    (mounts / FQRN).mkdir(parents=True)
    lab = replace(lab, sampan=replace(lab.sampan, variables={**lab.sampan.variables, "SAMPAN_CVMFS_MOUNTS": str(mounts)}))
    descriptor = lab.descriptor()
    for repository, said, code in (
        ("gone.example.org", f"{mounts}/gone.example.org is not mounted on", phases.INPUT_NOT_FETCHED),
        (FQRN, "is missing: cvmfs://lazy.example.org/t.txt is not on", phases.INPUT_MISSING),
    ):
        words = [descriptor, "--text", f"cvmfs://{repository}/t.txt", "--word", "cat"]
        done = lab("app", "launch", *words)
        assert done.status == 125
        assert (said if repository != FQRN else "there is no file cvmfs://") in done.err
        done = lab("job", "submit", "--wait", *words)
        assert (done.status, said in done.err) == (1, True), done.err
        assert lab.attempts("last", 1)[0]["code"] == code
        assert "cvmfs_mounts" in done.err or repository == FQRN
    done = lab("app", "launch", descriptor, "--text", f"cvmfs://{FQRN}/../x", "--word", "cat")
    assert (done.status, "leads out of its repository" in done.err) == (125, True)
    done = lab("app", "launch", descriptor, "--text", "https://example.org/x", "--word", "cat")
    assert (done.status, "sampan job submit" in done.err) == (125, True)
