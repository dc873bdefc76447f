"""Which store the settings name, in each of the spellings that people bring along."""

import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from orchestration.backend.connect import open_database
from orchestration.domain.errors import ConfigurationError
from orchestration.domain.settings import Settings
from orchestration.persistence.database import Database
from orchestration.persistence.postgres import PostgresDatabase
from orchestration.persistence.sqlite import SqliteDatabase
from tests.support.postgres import new_database


def _open(url: str | None, home: Path) -> Database:
    return open_database(Settings(home, database_url=url))


def test_without_a_url_the_store_is_a_file_at_home(tmp_path: Path) -> None:
    with closing(_open(None, tmp_path)) as database:
        assert isinstance(database, SqliteDatabase)
    assert (tmp_path / "orchestration.db").exists()


@pytest.mark.parametrize("prefix", ["sqlite:///", "sqlite+aiosqlite:///"])
@pytest.mark.parametrize("ending", ["", "?timeout=5"])
def test_a_file_can_lie_elsewhere(tmp_path: Path, prefix: str, ending: str) -> None:
    file = tmp_path / "with space" / "runs.db"
    with closing(_open(f"{prefix}{file}{ending}", tmp_path / "home")) as database:
        assert isinstance(database, SqliteDatabase)
    assert file.exists()
    assert not (tmp_path / "home").exists()


def test_a_file_may_be_named_from_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _open("sqlite:///runs.db", tmp_path / "home").close()
    assert (tmp_path / "runs.db").exists()


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+asyncpg"])
def test_a_server_is_known_by_each_of_its_names(tmp_path: Path, scheme: str) -> None:
    with new_database() as url, closing(_open(url.replace("postgresql", scheme, 1), tmp_path)) as database:
        assert isinstance(database, PostgresDatabase)


@pytest.mark.parametrize(
    "url", ["mysql://me:secret@host/runs", "sqlite://", "sqlite:///:memory:", "sqlite:///", "secret", "postgresqlx://h"]
)
def test_anything_else_is_refused_in_one_sentence(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        _open(url, tmp_path)
    told = str(refused.value)
    assert told.startswith(
        "ORCHESTRATION_DATABASE_URL names no store that is known here; write sqlite:////absolute/path"
    )
    assert "secret" not in told
    assert "secret" not in repr(replace(Settings(tmp_path), database_url=url))


def test_a_driver_that_is_not_installed_is_told_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "orchestration.persistence.postgres", None)
    with pytest.raises(ConfigurationError, match="install it with `pip install 'orchestration\\[postgres\\]'`"):
        _open("postgresql://host/runs", tmp_path)


def test_a_store_in_a_file_loads_no_driver_of_a_server(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from orchestration.backend.connect import open_database; "
        "from orchestration.domain.settings import Settings; open_database(Settings(Path(sys.argv[1]))).close(); "
        "print(*sorted({'asyncio', 'psycopg', 'psycopg_pool', 'sqlalchemy'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert said.stdout.split() == []
