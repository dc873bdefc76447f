"""The command line: what it prints, what it files, and how it ends."""

import json
import mailbox
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.aws import S3Bucket
from orchestration import test_harness
from orchestration.sdk.block_errors import BlockNotFound
from pipelines.duration_prediction import train

ROOT = Path(__file__).parents[4]
KEYS = [
    "rmse",
    "mae",
    "r2",
    "train_months",
    "validate_month",
    "n_train",
    "n_validate",
    "model_uri",
    "tracking_uri",
    "data_source",
    "seconds",
]
HEAVY = ("boto3", "matplotlib", "mlflow", "numpy", "pandas", "pyarrow", "sklearn")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to run in, and a store of its own."""
    monkeypatch.chdir(tmp_path)
    with test_harness():
        yield tmp_path


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--train", "2021-13"], "'2021-13' is not a month: write it as year and month, such as 2021-01."),
        (["--train", "2021-01,2021-01"], "The training month 2021-01 is named twice: name each month once."),
        (["--train", "2021-01", "--validate", "2021-01"], "2021-01 cannot be both learnt from and judged on: "),
    ],
)
def test_a_wrong_month_is_one_sentence(
    arguments: list[str], sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(sentence)
    assert printed.err.count("\n") == 1
    assert list(folder.iterdir()) == []


def test_an_unknown_month_is_one_sentence(
    folder: Path, sample_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TLC_DATA_DIR", str(sample_folder))
    assert train.main(["--train", "2030-01"]) == 1
    error = capsys.readouterr().err
    assert "has no green_tripdata_2030-01.parquet (it has 2021-01, 2021-02)" in error
    assert error.count("\n") == 1
    assert not (folder / "reports").exists()


def test_an_unknown_option_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        train.main(["--month", "2021-01"])
    assert ended.value.code == 2
    assert "--month" in capsys.readouterr().err


def test_the_job_files_report_metrics_and_mail(
    folder: Path, sample_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TLC_DATA_DIR", str(sample_folder))
    assert train.main(["--train", "2021-01", "--validate", "2021-02"]) == 0
    printed = capsys.readouterr().out
    metrics = json.loads((folder / "reports" / "metrics.json").read_text())
    assert list(metrics) == KEYS
    assert metrics["train_months"] == ["2021-01"]
    assert metrics["validate_month"] == "2021-02"
    assert metrics["tracking_uri"].startswith("sqlite:////")
    assert metrics["model_uri"] == "models:/nyc-taxi-duration/1"
    assert metrics["data_source"] in {"tlc-dir", "generated"}
    assert printed.startswith("Learning from 2021-01, judging on 2021-02.\nThe data are")
    assert re.search(rf"Gradient boosting \(this model\) +{metrics['rmse']:.2f} ", printed)
    assert f"Report: {folder}/reports/duration-model-report.md" in printed
    assert f"Mail:   in {folder}/outbox" in printed
    assert (folder / "reports" / "duration-model-report.md").read_text().startswith("# Duration model report\n")
    assert len(mailbox.Maildir(str(folder / "outbox"), create=False)) == 1


def test_with_an_env_file_the_users_blocks_are_used_and_none_is_touched(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / ".env").touch()
    assert train.main([]) == 1
    assert "aws-s3" in capsys.readouterr().err
    assert not (folder / "outbox").exists()
    with pytest.raises(BlockNotFound):
        S3Bucket.load("embedded-s3")


def test_an_interrupt_ends_with_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "plan_months", interrupt)
    assert train.main([]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_the_first_line_waits_for_nothing_heavy() -> None:
    probe = f"import pipelines.duration_prediction.train, sys; print([m for m in {HEAVY} if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert output == "[]\n"
