"""Results that outlive their run: where they lie, and who can read them."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestration import LocalFileSystem, flow, task
from orchestration.domain.errors import MissingResult, SerializationError, UsageError
from orchestration.domain.settings import read_settings
from orchestration.sdk.client import SyncClient
from orchestration.sdk.context import Session, open_session
from orchestration.sdk.results import (
    BlockStorage,
    FolderStorage,
    JSONSerializer,
    ResultStore,
    StoredValue,
    storage_of,
)

ROOT = Path(__file__).resolve().parents[3]
NOON = datetime(2021, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def store(folder: Path) -> ResultStore:
    return ResultStore(FolderStorage(folder), JSONSerializer())


def test_a_result_is_one_file_in_prefect_s_form(store: ResultStore, folder: Path) -> None:
    store.write("a/key", {"x": 1}, NOON)
    (path,) = [path for path in folder.rglob("*") if path.is_file()]
    assert path == folder / "a" / "key"
    document = json.loads(path.read_text())
    assert document["result"] == '{"x": 1}'
    assert document["metadata"]["storage_key"] == str(path)
    assert document["metadata"]["expiration"] == "2021-01-01T12:00:00+00:00"
    assert document["metadata"]["serializer"]["type"] == "json"
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_result_is_found_by_its_key_with_its_own_serializer(store: ResultStore, folder: Path) -> None:
    store.write("key", [1], NOON)
    store.write("other", [2])
    found = ResultStore(FolderStorage(folder)).find("key")
    assert found is not None
    assert (found.load(), found.expiration) == ([1], NOON)
    other = store.find("other")
    assert other is not None
    assert (other.load(), other.expiration) == ([2], None)
    assert store.find("nothing") is None
    assert store.find("key/below-a-file") is None


GOOD = {"metadata": {"serializer": {"type": "json"}, "expiration": None}, "result": "1"}
BROKEN = {
    "nothing": "",
    "cut off": json.dumps(GOOD)[:-5],
    "a list": "[]",
    "no metadata": '{"result": "1"}',
    "no result": '{"metadata": {}}',
    "odd metadata": '{"metadata": [], "result": "1"}',
    "odd result": json.dumps({**GOOD, "result": 1}),
    "unknown serializer": json.dumps({**GOOD, "metadata": {"serializer": "yaml"}}),
    "odd expiration": json.dumps({**GOOD, "metadata": {"expiration": "soon"}}),
    "odd value": json.dumps({**GOOD, "result": "{"}),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_no_result(kind: str, store: ResultStore, folder: Path) -> None:
    store.write("key", 1)
    (folder / "key").write_text(BROKEN[kind])
    assert store.find("key") is None


def test_reading_a_value_that_was_named_says_what_is_wrong(store: ResultStore, folder: Path) -> None:
    stored = replace(store, in_memory=False).write("key", 1)
    (folder / "key").write_text("{")
    with pytest.raises(SerializationError, match=r"A stored result is damaged .*run again to renew it"):
        stored.load()
    (folder / "key").unlink()
    with pytest.raises(MissingResult, match=f"The stored result {folder / 'key'} is not there any more"):
        stored.load()


def test_a_state_s_document_leads_to_the_value(store: ResultStore) -> None:
    document = store.write("a/key", {"x": 1}, NOON).as_document()
    stored = StoredValue.from_document(json.loads(json.dumps(document)))
    assert (stored.load(), stored.expiration) == ({"x": 1}, NOON)
    assert StoredValue.from_document(store.write("b", 2).as_document()).expiration is None


@pytest.mark.parametrize("key", ["../outside", "/etc/outside"])
def test_a_key_that_leads_out_of_the_folder_is_refused(key: str, store: ResultStore) -> None:
    with pytest.raises(UsageError, match="leads out of the result storage"):
        store.write(key, 1)


def test_nothing_is_half_written(store: ResultStore, folder: Path) -> None:
    store.write("key", "old")
    (folder / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        FolderStorage(folder).write("taken", b"x")
    assert sorted(path.name for path in folder.iterdir()) == ["key", "taken"]


def _storages(folder: Path) -> dict[str, Any]:
    block = LocalFileSystem(basepath=str(folder))
    block.save("results", overwrite=True)
    return {"folder": folder, "block": block, "slug": "local-file-system/results"}


@pytest.mark.parametrize("kind", ["folder", "block", "slug"])
@pytest.mark.parametrize("serializer", ["pickle", "compressed/json"])
def test_a_result_lies_where_the_option_says(kind: str, serializer: str, folder: Path, session: Session) -> None:
    storage = _storages(folder)[kind]

    @task(result_storage=storage, result_storage_key="sub/{parameters[x]}", result_serializer=serializer)
    def work(x: int) -> list[int]:
        return [x]

    @flow(persist_result=True, result_storage=storage, result_serializer=serializer)
    def main() -> list[int]:
        return work(7)

    assert main() == [7]
    assert (folder / "sub" / "7").is_file()
    assert len([path for path in folder.rglob("*") if path.is_file()]) == 2
    found = ResultStore(storage_of(storage, folder)).find("sub/7")
    assert found is not None
    assert found.load() == [7]


def test_a_block_without_the_file_has_no_result(folder: Path, session: Session) -> None:
    storage = BlockStorage(LocalFileSystem(basepath=str(folder)))
    assert ResultStore(storage).find("nothing") is None
    assert storage.describe("a/key") == "a/key"


def test_what_is_no_storage_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="3 is no result storage; give a folder, a block"):
        storage_of(3, folder)
    assert storage_of(None, folder) == FolderStorage(folder)


WRITER = """
from orchestration import flow, task
@task
def work(): return {"rmse": 5.2}
@flow(persist_result=True)
def main(): return [work()]
for serializer in "pickle", "json", "compressed/json":
    main.with_options(result_serializer=serializer)()
"""


def test_persisted_results_are_read_by_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    subprocess.run([sys.executable, "-c", WRITER], capture_output=True, check=True)
    session = open_session(read_settings(os.environ, Path.home()))
    try:
        client = SyncClient(session)
        states = [run.state for run in client.read_flow_runs()] + [run.state for run in client.read_task_runs()]
        results = [state.result() for state in states if state is not None]
    finally:
        session.close()
    assert results == [[{"rmse": 5.2}]] * 3 + [{"rmse": 5.2}] * 3


def test_a_result_that_was_not_kept_is_missing_in_the_store(client: SyncClient) -> None:
    @flow
    def main() -> int:
        return 1

    assert main(return_state=True).result() == 1
    state = client.read_flow_runs()[0].state
    assert state is not None
    with pytest.raises(MissingResult, match="persist_result=True"):
        state.result()
