"""Results in a saved block: any process that knows the state can read them."""

from pathlib import Path

import pytest

from orchestration import LocalFileSystem, get_client, task, test_harness
from orchestration.domain.errors import UsageError
from orchestration.sdk.context import close_session, open_session, swap_session
from orchestration.sdk.results import BlockStorage, FolderStorage, storage_of


def test_a_result_in_a_saved_block_is_read_by_a_process_that_has_only_the_state(tmp_path: Path) -> None:
    with test_harness() as session:
        LocalFileSystem(basepath=str(tmp_path / "shelf")).save("shelf")

        @task(persist_result=True, result_storage="local-file-system/shelf")
        def numbers() -> list[int]:
            return [1, 2]

        assert numbers() == [1, 2]
        session.recorder.flush()
        other = open_session(session.settings)
        swap_session(other)
        try:
            with get_client(sync_client=True) as client:
                (run,) = client.read_task_runs()
            assert run.state is not None
            assert run.state.data.as_document()["storage_block_id"] is not None
            assert run.state.result() == [1, 2]
        finally:
            close_session()
            swap_session(session)


def test_an_unsaved_block_is_storage_for_this_process(tmp_path: Path) -> None:
    storage = storage_of(LocalFileSystem(basepath=str(tmp_path)), tmp_path)
    assert isinstance(storage, BlockStorage)
    storage.write("key", b"bytes")
    assert storage.read("key") == b"bytes"
    assert storage.block_id is None


def test_a_folder_may_be_given_as_a_path_and_nothing_else_is_storage(tmp_path: Path) -> None:
    assert storage_of(tmp_path, tmp_path / "other") == FolderStorage(tmp_path)
    assert storage_of(None, tmp_path) == FolderStorage(tmp_path)
    with pytest.raises(UsageError, match="5 is no result storage"):
        storage_of(5, tmp_path)
