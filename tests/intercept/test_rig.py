"""The short form of the rig: CPython's own tests, shells, git and perl come to the same with the engine as with the namespace engine. `make rig` is the whole."""

from __future__ import annotations

import pytest

from tests.intercept.rig.compare import compare
from tests.intercept.rig.jobs import all_jobs


@pytest.mark.parametrize("job", [job for job in all_jobs() if job.short], ids=lambda job: job.name)
def test_the_same_as_natively(namespace, intercept, job, tmp_path):
    found = compare(job, (namespace, intercept), tmp_path)
    assert found.cases > 1
    assert found.unexplained == {}, found.said[-3000:]
