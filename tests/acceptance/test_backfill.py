"""Five months made up for: five models, five reports and a trend; and a month done again changes nothing."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pipelines.embedded.months import write_month
from pipelines.tlc import Month

ROOT = Path(__file__).resolve().parents[2]
JUDGED = [f"2022-0{number}" for number in range(2, 7)]

pytestmark = pytest.mark.acceptance


def _months(folder: Path) -> str:
    """The folder with the real months where there is one, else one with small made-up months."""
    real = os.environ.get("TLC_DATA_DIR", "")
    if not real and not folder.exists():
        folder.mkdir()
        for number in range(1, 7):
            write_month(Month(2022, number), folder, rows=3_000)
    return real or str(folder)


def _train(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.duration_prediction.train", *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "ORCHESTRATION_HOME": str(folder / "home"),
            "TLC_DATA_DIR": _months(folder / "months"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _ask(database: Path, question: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(question).fetchall()


def test_a_backfill_leaves_five_reports_and_a_trend_and_a_month_done_again_changes_nothing(tmp_path: Path) -> None:
    printed = _train(tmp_path, "--from", JUDGED[0], "--to", JUDGED[-1])
    assert printed.startswith("Judging on 5 months from 2022-02 to 2022-06, learning from the month before each.\n")
    reports = [(tmp_path / "reports" / month / "duration-model-report.md").read_text() for month in JUDGED]
    for month, report in zip(JUDGED, reports, strict=True):
        trend = report.partition("## Trend")[2].partition("## What changed")[0]
        assert re.findall(r"^\| \**(2022-\d\d)", trend, flags=re.MULTILINE) == JUDGED[: JUDGED.index(month) + 1]
    assert (tmp_path / "reports" / JUDGED[-1] / "duration-model-report-trend.png").is_file()
    assert "## What changed since last month\n\n|  | 2022-05 | 2022-06 | Change |" in reports[-1]
    store, registry = tmp_path / "home" / "orchestration.db", tmp_path / "home" / "mlflow" / "mlflow.db"
    artifacts = _ask(store, "SELECT key FROM artifact WHERE key LIKE 'duration-model-%'")
    assert sorted(key for (key,) in artifacts) == ["duration-model-metrics"] * 5 + ["duration-model-report"] * 5
    assert len(list((tmp_path / "outbox" / "new").iterdir())) == 5
    versions = _ask(registry, "SELECT version FROM model_versions ORDER BY version")
    assert len(versions) == 5
    assert "nothing to learn" not in printed
    _train(tmp_path, "--train", "2022-03", "--validate", "2022-04")
    metrics = json.loads((tmp_path / "reports" / "metrics.json").read_text())
    assert metrics["reused"] is True
    first = json.loads((tmp_path / "reports" / "2022-04" / "metrics.json").read_text())
    assert (metrics["rmse"], metrics["model_uri"]) == (first["rmse"], first["model_uri"])
    assert _ask(registry, "SELECT version FROM model_versions ORDER BY version") == versions
