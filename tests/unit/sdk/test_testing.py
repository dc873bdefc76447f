"""``test_harness``: runs of a test go nowhere else."""

import os
from pathlib import Path

import pytest

from orchestration import Variable, flow, test_harness
from orchestration.sdk.context import current_session
from tests.support.listings import flow_runs


@flow
def main() -> None: ...


def _runs() -> int:
    return len(flow_runs(current_session().backend))


def test_runs_inside_stay_inside(tmp_path: Path) -> None:
    with test_harness() as session:
        main()
        assert current_session() is session
        assert _runs() == 1
        home = session.settings.home
        assert home.is_dir()
    assert not home.exists()
    assert not (tmp_path / "home").exists()


def test_each_block_starts_empty() -> None:
    for _ in range(2):
        with test_harness():
            Variable.set("colour", "green")
            main()
            assert _runs() == 1


def test_a_block_inside_a_block_has_a_store_of_its_own() -> None:
    with test_harness() as outer:
        main()
        with test_harness() as inner:
            assert _runs() == 0
            main()
            main()
            assert _runs() == 2
        assert current_session() is outer
        assert inner.settings.home != outer.settings.home
        main()
        assert _runs() == 2


def test_the_block_ends_with_the_test_that_raises() -> None:
    with test_harness() as outer:
        with pytest.raises(ValueError, match="boom"), test_harness() as inner:
            raise ValueError("boom")
        assert current_session() is outer
        assert not inner.settings.home.exists()


def test_no_server_and_no_other_database_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATION_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setenv("ORCHESTRATION_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    monkeypatch.setenv("ORCHESTRATION_LOGGING_LEVEL", "WARNING")
    with test_harness() as session:
        main()
        assert (session.settings.api_url, session.settings.database_url) == (None, None)
        assert session.settings.logging_level == "WARNING"
        assert session.settings.home != Path(os.environ["ORCHESTRATION_HOME"])


def test_pytest_does_not_take_it_for_a_test() -> None:
    assert vars(test_harness)["__test__"] is False
