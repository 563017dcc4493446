"""What any keeper of executions does: one suite for the directory, and for a database that only this test has."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sqlite3
import threading
import time
from contextlib import contextmanager

import pytest

from sampan.errors import NameInUse, NewerStore, StoreError, UsageError
from sampan.executions import model, states
from sampan.executions.contract import Executions
from sampan.executions.directory import DirectoryExecutions
from sampan.executions.model import Entry

from .test_model import from_lists
from .values import execution

pytestmark = pytest.mark.client


class DatabaseExecutions(Executions):
    """The contract upon SQLite: that it can be served by a database."""

    one_at_a_time = threading.Lock()

    def __init__(self, root: str) -> None:
        self.root = root
        os.makedirs(root, exist_ok=True)
        self.base = sqlite3.connect(f"{root}/base", timeout=30)
        self.base.execute("create table if not exists execution (id text primary key, record text, descriptor blob)")
        self.base.execute("create table if not exists entry (id text, line text)")

    def add(self, execution, descriptor):
        row = (execution.id, json.dumps(model.document(execution)), descriptor)
        try:
            with self.base:
                self.base.execute("insert into execution values (?, ?, ?)", row)
        except sqlite3.IntegrityError as error:
            raise NameInUse(f"there is an execution {execution.id} already") from error

    def _row(self, id):
        row = self.base.execute("select record, descriptor from execution where id = ?", (id,)).fetchone()
        if row is None:
            raise UsageError(f"there is no execution {id}")
        return row

    def get(self, id):
        return model.from_document(json.loads(self._row(id)[0]), id)

    def descriptor(self, id):
        return self._row(id)[1]

    def ids(self):
        return [row[0] for row in self.base.execute("select id from execution order by id desc")]

    def record(self, id, entries):
        self._row(id)
        with self.base:
            self.base.executemany("insert into entry values (?, ?)", [(id, json.dumps(model.entry_line(e))) for e in entries])

    def jobs(self, id):
        lines = self.base.execute("select line from entry where id = ?", (id,)).fetchall()
        return model.jobs_of(self.get(id).size, [model.entry_from(json.loads(line)) for (line,) in lines])

    def place(self, id, job, attempt):
        return f"{self.root}/{id}/{job}/{attempt}"

    @contextmanager
    def handing_over(self, id):
        self._row(id)
        with self.one_at_a_time:
            yield

    def remove(self, id):
        self._row(id)
        with self.base:
            self.base.execute("delete from execution where id = ?", (id,))
            self.base.execute("delete from entry where id = ?", (id,))


@pytest.fixture(params=[DirectoryExecutions, DatabaseExecutions])
def kept(request, tmp_path):
    keeper = request.param(str(tmp_path / "executions"))
    yield keeper
    if isinstance(keeper, DatabaseExecutions):
        keeper.base.close()


def test_nothing_is_there_before_the_first(kept):
    assert kept.ids() == []
    for call in (kept.get, kept.jobs, kept.descriptor, kept.remove, kept.find, lambda one: kept.handing_over(one).__enter__()):
        with pytest.raises(UsageError, match="no execution"):
            call("20261125-050000-ab12")


def test_an_execution_comes_back_whole(kept):
    whole = execution(iteration=from_lists(t1=["a", "b\udcff"]), values={"x": [1, 2.5, True, "ä"]})
    kept.add(whole, b"{ }\n")
    assert kept.get(whole.id) == whole
    assert kept.descriptor(whole.id) == b"{ }\n"
    assert [job.state for job in kept.jobs(whole.id)] == [states.WAITING] * 2
    with pytest.raises(NameInUse):
        kept.add(whole, b"")
    assert kept.descriptor(whole.id) == b"{ }\n"


def test_the_newest_comes_first_and_is_found_by_words(kept):
    for id, name in (("20261125-050000-ab12", "first"), ("20261125-050001-ab13", "second"), ("20261126-000000-ff00", "first")):
        kept.add(execution(id, name=name), b"{}")
    assert [one.id for one in kept.listing()] == kept.ids() == sorted(kept.ids(), reverse=True)
    assert kept.find("last").id == kept.find("first").id == kept.find("20261126").id == "20261126-000000-ff00"
    assert kept.find("second").id == "20261125-050001-ab13"
    with pytest.raises(UsageError, match="the beginning of 2 executions"):
        kept.find("20261125")
    with pytest.raises(UsageError, match="no execution third"):
        kept.find("third")


def test_attempts_stand_side_by_side(kept):
    whole = execution(iteration=from_lists(t1=["a", "b"]))
    kept.add(whole, b"{}")
    kept.record(whole.id, [Entry(1, 1), Entry(2, 1)])
    kept.record(
        whole.id, [Entry(1, 1, states.FINISHED), Entry(2, 1, states.FAILED, "run", 50, 3, "the program ended with status 3")]
    )
    kept.record(whole.id, [Entry(2, 2)])
    first, second = kept.jobs(whole.id)
    assert first.state == states.FINISHED
    assert [entry.state for entry in second.attempts] == [states.FAILED, states.WAITING]
    assert second.attempts[0].exit == 3
    assert kept.place(whole.id, 2, 1) != kept.place(whole.id, 2, 2)


def test_one_hands_over_at_a_time(kept):
    kept.add(execution(), b"{}")
    order = []

    def hand_over(name):
        with kept.handing_over(execution().id) if isinstance(kept, DirectoryExecutions) else DatabaseExecutions.one_at_a_time:
            order.append(name)
            time.sleep(0.1)
            order.append(name)

    threads = [threading.Thread(target=hand_over, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order in (["a", "a", "b", "b"], ["b", "b", "a", "a"])


def test_what_is_removed_is_gone_and_its_id_is_free(kept):
    whole = execution()
    kept.add(whole, b"{}")
    if isinstance(kept, DirectoryExecutions):
        place = kept.place(whole.id, 1, 1)
        os.makedirs(f"{place}/work/deep")
        os.chmod(f"{place}/work", 0)
    kept.remove(whole.id)
    assert kept.ids() == []
    kept.add(whole, b"{}")
    assert kept.get(whole.id) == whole


def _write(root: str, id: str, job: int) -> None:
    keeper = DirectoryExecutions(root)
    for attempt in range(1, 10_000):
        keeper.record(id, [Entry(job, attempt, states.FAILED, cause="x" * random.Random(attempt).randrange(200))])


def test_a_killed_writer_spoils_nothing_for_others(tmp_path):
    """Writers are killed at random moments; every entry that another process wrote, before and after, is there."""
    keeper = DirectoryExecutions(str(tmp_path))
    whole = execution(iteration=from_lists(t1=list("abcd")))
    keeper.add(whole, b"{}")
    context = multiprocessing.get_context("fork")
    for round in range(1, 9):
        writer = context.Process(target=_write, args=(str(tmp_path), whole.id, 1))
        writer.start()
        keeper.record(whole.id, [Entry(2, round, states.FINISHED)])
        time.sleep(0.02)
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        keeper.record(whole.id, [Entry(3, round, states.FINISHED)])
        _, second, third, _ = keeper.jobs(whole.id)
        assert [len(second.attempts), len(third.attempts)] == [round, round]


@pytest.mark.parametrize(
    "cut", [b'\n{"job": 1, "att', b"\x00\xff\n", b'\n[]\n"x"\n{"job": 0, "attempt": 1}\n', b'\n{"job": 2, "attempt": 1}']
)
def test_a_line_that_is_cut_off_is_left_out(tmp_path, cut):
    keeper = DirectoryExecutions(str(tmp_path))
    keeper.add(execution(), b"{}")
    ledger = tmp_path / execution().id / "ledger"
    ledger.write_bytes(cut)
    keeper.record(execution().id, [Entry(1, 1, states.FINISHED)])
    assert [job.state for job in keeper.jobs(execution().id)] == [states.FINISHED]


def test_a_killed_add_leaves_no_execution(tmp_path):
    (tmp_path / ".new-0123/jobs").mkdir(parents=True)
    keeper = DirectoryExecutions(str(tmp_path))
    assert keeper.ids() == []
    (tmp_path / ".new-4567").mkdir()
    os.utime(tmp_path / ".new-0123", (0, 0))
    keeper.add(execution(), b"{}")
    keeper.remove(execution().id)
    assert os.listdir(tmp_path) == [".new-4567"], "what is old is swept, what is under way is not"


def test_a_newer_record_and_a_place_that_cannot_be_written_say_so(tmp_path):
    keeper = DirectoryExecutions(str(tmp_path / "e"))
    keeper.add(execution(), b"{}")
    record = tmp_path / "e" / execution().id / "execution.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "format": 99}))
    with pytest.raises(NewerStore, match="newer sampan"):
        keeper.get(execution().id)
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot keep the execution"):
        DirectoryExecutions(str(tmp_path / "file")).add(execution(), b"{}")


def test_ten_thousand_jobs_are_read_from_one_file(tmp_path):
    keeper = DirectoryExecutions(str(tmp_path))
    whole = execution(iteration=from_lists(n=list(range(10_000))))
    keeper.add(whole, b"{}")
    keeper.record(
        whole.id, (Entry(number, 1, states.FINISHED, node="n1", started="2026-11-25T05:00:00Z") for number in range(1, 10_001))
    )
    start = time.process_time()
    counts = states.count(job.state for job in keeper.jobs(whole.id))
    assert counts == {states.FINISHED: 10_000}
    assert time.process_time() - start < 2
