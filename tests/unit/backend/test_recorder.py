"""The write-behind: nothing is lost or doubled or out of order, and nothing grows without bound."""

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from orchestration.backend import recorder as module
from orchestration.backend.recorder import FLUSH_ROWS, GIVE_UP_ROWS, Recorder
from orchestration.domain.schemas.runs import Batch, TaskRun
from orchestration.domain.states import Running, State
from orchestration.persistence.database import STANDS
from tests.support.properties import quick
from tests.support.records import at, log_row, task_record

PATIENCE = 20.0
"""Seconds after which a test gives up waiting for another thread."""


class Store:
    """Takes batches, or refuses them while it is ``broken``."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.broken = False
        self.tries = 0
        self.came = threading.Event()

    def write(self, batch: Batch) -> None:
        self.tries += 1
        if self.broken:
            raise OSError("no room")
        self.batches.append(batch)
        self.came.set()

    @property
    def messages(self) -> list[str]:
        return [row[2] for batch in self.batches for row in batch.logs]

    def states_of(self, record: TaskRun) -> list[UUID | None]:
        changes = [change for batch in self.batches for change in batch.task_runs if change.record is record]
        return [state.id for change in changes for state in change.states]

    def births_of(self, record: TaskRun) -> int:
        return sum(change.is_new for batch in self.batches for change in batch.task_runs if change.record is record)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No timer comes between: what is written is written by the producer."""
    monkeypatch.setattr(module, "FLUSH_SECONDS", 3600.0)


@pytest.fixture
def recorder(store: Store) -> Iterator[Recorder]:
    made = Recorder(store.write)
    yield made
    store.broken = False
    made.close()


def _log(recorder: Recorder, *messages: object, urgent: bool = False) -> None:
    for message in messages:
        recorder.log(log_row(str(message)), urgent)


def _note(recorder: Recorder, record: TaskRun) -> State:
    state = at(Running(), 1)
    recorder.note(record, state)
    return state


# -- nothing lost, doubled or out of order --------------------------------------------------------


@quick
@given(st.lists(st.sampled_from(["add", "note", "log", "flush", "refused flush"]), max_size=40), st.data())
def test_what_was_taken_is_written_once_and_in_order(steps: list[str], data: st.DataObject) -> None:
    store = Store()
    recorder = Recorder(store.write)
    born: list[TaskRun] = []
    expected: list[list[UUID | None]] = []
    lines: list[str] = []

    def refused() -> None:
        store.broken = True
        try:
            recorder.flush()
        except OSError:
            pass
        finally:
            store.broken = False

    def add() -> None:
        born.append(task_record())
        expected.append([])
        recorder.note(born[-1])

    def note() -> None:
        if expected:
            place = data.draw(st.integers(0, len(born) - 1))
            expected[place].append(_note(recorder, born[place]).id)

    def log() -> None:
        lines.append(str(len(lines)))
        _log(recorder, lines[-1])

    do: dict[str, Callable[[], None]] = {
        "add": add, "note": note, "log": log, "flush": recorder.flush, "refused flush": refused,
    }  # fmt: skip
    for step in steps:
        do[step]()
    recorder.close()
    assert store.messages == lines
    assert [store.states_of(record) for record in born] == expected
    assert [store.births_of(record) for record in born] == [1] * len(born)


def test_many_threads_lose_nothing_to_a_store_that_fails_now_and_then(store: Store, recorder: Recorder) -> None:
    """Each thread's lines keep their order; each run's states too."""
    records = [task_record() for _ in range(4)]
    noted: list[list[UUID | None]] = [[] for _ in records]

    def produce(number: int) -> None:
        recorder.note(records[number])
        for line in range(700):
            _log(recorder, f"{number}:{line}")
            noted[number].append(_note(recorder, records[number]).id)
            if number == 0:
                store.broken = line % 10 < 5

    threads = [threading.Thread(target=produce, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.broken = False
    recorder.close()
    for number in range(4):
        own = [message for message in store.messages if message.startswith(f"{number}:")]
        assert own == [f"{number}:{line}" for line in range(700)]
    assert [store.states_of(record) for record in records] == noted
    assert [store.births_of(record) for record in records] == [1] * 4


@pytest.mark.parametrize("stands", [True, False])
def test_an_interrupted_write_is_made_again_unless_it_stands(store: Store, stands: bool) -> None:
    """Ctrl-C is no error of the store: it must neither take the rows with it nor double them."""
    interrupts = [KeyboardInterrupt()]

    def write(batch: Batch) -> None:
        if stands or not interrupts:
            store.write(batch)
        if interrupts:
            interrupt = interrupts.pop()
            if stands:
                interrupt.add_note(STANDS)
            raise interrupt

    recorder = Recorder(write)
    _log(recorder, "one")
    with pytest.raises(KeyboardInterrupt):
        recorder.flush()
    recorder.close()
    assert store.messages == ["one"]


def test_what_comes_during_a_write_that_fails_stays_behind_it(store: Store) -> None:
    record, noted = task_record(), []

    def write(batch: Batch) -> None:
        if store.tries == 0:
            noted.append(_note(made, record).id)
            _log(made, "during")
        store.broken = store.tries == 0
        store.write(batch)

    made = Recorder(write)
    made.note(record)
    noted.append(_note(made, record).id)
    _log(made, "before")
    with pytest.raises(OSError, match="no room"):
        made.flush()
    made.close()
    assert store.messages == ["before", "during"]
    assert (store.states_of(record), store.births_of(record)) == (noted, 1)


def test_a_batch_holds_what_came_before_the_flush(store: Store, recorder: Recorder) -> None:
    record = task_record()
    recorder.note(record)
    first, second = _note(recorder, record), _note(recorder, record)
    _log(recorder, "a", "b")
    recorder.flush()
    recorder.flush()
    written = [batch for batch in store.batches if batch.task_runs]
    assert [change for batch in written for change in batch.task_runs] == [(record, [first, second], True)]
    assert store.messages == ["a", "b"]
    assert record.state is second


# -- when it writes -------------------------------------------------------------------------------


def _add(recorder: Recorder) -> None:
    recorder.note(task_record())


def _note_new(recorder: Recorder) -> None:
    _note(recorder, task_record())


def _log_one(recorder: Recorder) -> None:
    _log(recorder, "line")


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("produce", [_add, _note_new, _log_one])
def test_enough_rows_are_written_by_whoever_produces_them(
    store: Store, recorder: Recorder, produce: Callable[[Recorder], None]
) -> None:
    for _ in range(FLUSH_ROWS - 1):
        _log(recorder, "line")
    assert store.batches == []
    produce(recorder)
    (batch,) = store.batches
    assert len(batch.task_runs) + len(batch.logs) == FLUSH_ROWS


@pytest.mark.usefixtures("patient")
def test_enough_rows_for_a_far_store_are_sent_beside_the_producer(store: Store) -> None:
    senders: list[str] = []

    def send(batch: Batch) -> None:
        senders.append(threading.current_thread().name)
        store.write(batch)

    recorder = Recorder(send, is_far=True)
    for number in range(FLUSH_ROWS):
        recorder.log(log_row(str(number)))
    assert store.came.wait(PATIENCE)
    recorder.close()
    assert senders[0] == "orchestration-recorder"
    assert store.messages == [str(number) for number in range(FLUSH_ROWS)]


def test_what_is_left_lying_is_written_by_the_timer(store: Store, recorder: Recorder) -> None:
    _log(recorder, "alone")
    assert store.came.wait(PATIENCE)
    assert store.messages == ["alone"]


@pytest.mark.usefixtures("patient")
def test_an_urgent_line_is_written_at_once(store: Store, recorder: Recorder) -> None:
    _log(recorder, "before", "warning", urgent=True)
    assert store.came.wait(PATIENCE)
    assert store.messages[:1] == ["before"]


def test_the_timer_outlives_a_store_that_fails(store: Store, recorder: Recorder) -> None:
    store.broken = True
    _log(recorder, "kept", urgent=True)
    recorder._wake.set()
    store.broken = False
    _log(recorder, "next", urgent=True)
    assert store.came.wait(PATIENCE)
    recorder.flush()
    assert store.messages == ["kept", "next"]


# -- bounds ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("patient")
def test_a_store_that_fails_does_not_hold_producers_up(store: Store, recorder: Recorder) -> None:
    """It is tried when the rows have doubled, not at each of them, and none of it reaches the producer."""
    store.broken = True
    _log(recorder, *range(FLUSH_ROWS * 8))
    assert store.tries == 4
    store.broken = False
    recorder.flush()
    assert store.messages == [str(number) for number in range(FLUSH_ROWS * 8)]
    _log(recorder, *range(FLUSH_ROWS))
    assert len(store.batches) == 2, "a store that answers again is trusted again"


@pytest.mark.usefixtures("patient")
def test_beyond_the_bound_the_error_reaches_the_producer(
    store: Store, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert GIVE_UP_ROWS == 100_000
    monkeypatch.setattr(module, "GIVE_UP_ROWS", 2_000)
    store.broken = True
    _log(recorder, *range(1_999))
    for _ in range(2):
        with pytest.raises(OSError, match="no room"):
            _log(recorder, "one too many")
    with pytest.raises(OSError, match="no room"):
        recorder.flush()
    store.broken = False
    recorder.close()
    assert len(store.messages) == 2_001, "what was refused is kept, for a store that comes back"


@pytest.mark.usefixtures("patient")
def test_producers_wait_for_a_writer_that_falls_far_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_ROWS", 700)
    writing, go_on, rows = threading.Event(), threading.Event(), []

    def write(batch: Batch) -> None:
        writing.set()
        assert go_on.wait(PATIENCE)
        rows.append(len(batch.logs))

    recorder = Recorder(write)
    first = threading.Thread(target=_log, args=(recorder, *range(FLUSH_ROWS)))
    first.start()
    assert writing.wait(PATIENCE)
    _log(recorder, *range(699))  # beside the writer, without waiting for it
    second = threading.Thread(target=_log, args=(recorder, "the 700th"))
    second.start()
    second.join(0.05)
    assert second.is_alive(), "it waits"
    go_on.set()
    second.join(PATIENCE)
    first.join(PATIENCE)
    recorder.close()
    assert sum(rows) == 1_200


# -- the end --------------------------------------------------------------------------------------


def test_closing_writes_what_is_left_and_ends_the_thread(store: Store) -> None:
    before = threading.active_count()
    recorder = Recorder(store.write)
    recorder.close()
    assert store.batches == []
    recorder = Recorder(store.write)
    _log(recorder, "last")
    recorder.close()
    recorder.close()
    assert store.messages == ["last"]
    assert threading.active_count() == before


def test_closing_tells_of_rows_that_cannot_be_written(store: Store) -> None:
    recorder = Recorder(store.write)
    store.broken = True
    _log(recorder, "lost")
    with pytest.raises(OSError, match="no room"):
        recorder.close()


def test_a_forked_child_leaves_its_parents_rows_to_the_parent() -> None:
    context = multiprocessing.get_context("fork")
    answer, question = context.Pipe(duplex=False)
    store = Store()
    recorder = Recorder(store.write)

    def child() -> None:
        _log(recorder, "child")
        came = store.came.wait(PATIENCE)  # its own timer writes it
        question.send((came, store.messages))

    with recorder._lock, recorder._flushing:  # as if other threads were at it
        recorder._logs.append(log_row("parent"))
        process = context.Process(target=child)
        process.start()
    process.join(PATIENCE)
    assert answer.recv() == (True, ["child"])
    recorder.close()
    assert store.messages == ["parent"]
