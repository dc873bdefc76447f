"""The two commands of the README, typed in a fresh clone."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("COVERAGE", "MAKE", "PYTEST", "VIRTUAL_ENV", "PYTHONPATH", "MFLAGS", "TRAIN", "VALIDATE")
METRICS = {
    "rmse", "mae", "r2", "train_months", "validate_month", "n_train", "n_validate", "model_uri", "tracking_uri",
    "data_source", "seconds",
}  # fmt: skip

pytestmark = pytest.mark.acceptance


class Clone:
    """A checkout of the last commit, with a home folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "clone"
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self._environment["ORCHESTRATION_HOME"] = str(folder / "home")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(self.folder)], check=True)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self._environment, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return Clone(tmp_path_factory.mktemp("acceptance"))


@pytest.fixture(scope="module")
def trained(clone: Clone) -> subprocess.CompletedProcess[str]:
    done = clone.run("make", "train")
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.usefixtures("trained")
def test_the_job_leaves_figures(clone: Clone) -> None:
    metrics = json.loads(clone.read("reports/metrics.json"))
    assert metrics.keys() >= METRICS
    assert (metrics["train_months"], metrics["validate_month"]) == (["2021-01"], "2021-02")
    assert 0 < metrics["rmse"] < 6.0
    assert Path(metrics["tracking_uri"].removeprefix("sqlite:///")).is_absolute()


def test_the_job_prints_the_table(trained: subprocess.CompletedProcess[str], clone: Clone) -> None:
    rmse = json.loads(clone.read("reports/metrics.json"))["rmse"]
    assert "RMSE" in trained.stdout
    assert f"{rmse:.2f}" in trained.stdout


@pytest.mark.usefixtures("trained")
def test_the_job_leaves_a_report_and_mails_it(clone: Clone) -> None:
    assert "RMSE" in clone.read("reports/duration-model-report.md")
    mails = [path.read_bytes() for path in (clone.folder / "outbox").rglob("*") if path.is_file()]
    assert len(mails) == 1
    assert re.search(rb"^Subject: \S", mails[0], flags=re.MULTILINE)


@pytest.mark.usefixtures("trained")
def test_the_champion_predicts_from_raw_rows(clone: Clone) -> None:
    metrics = json.loads(clone.read("reports/metrics.json"))
    program = (
        "import sys, mlflow, numpy; mlflow.set_tracking_uri(sys.argv[1]);"
        "model = mlflow.pyfunc.load_model('models:/nyc-taxi-duration@champion');"
        "minutes = numpy.asarray(model.predict(model.input_example));"
        "print(minutes.size > 0 and bool((minutes > 0).all()))"
    )
    loaded = clone.run(".venv/bin/python", "-c", program, metrics["tracking_uri"])
    assert loaded.stdout.strip().endswith("True"), loaded.stdout + loaded.stderr


@pytest.mark.usefixtures("trained")
def test_a_second_call_finds_everything_set_up(clone: Clone) -> None:
    assert clone.run("make", "--question", ".venv/.bytecode").returncode == 0


@pytest.mark.usefixtures("trained")
def test_the_clone_stays_clean(clone: Clone) -> None:
    assert clone.run("git", "status", "--porcelain").stdout == ""


def test_the_tests_run(clone: Clone) -> None:
    done = clone.run("make", "test", "PYTEST_ARGS=tests/architecture/test_repository.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_generated_months_are_called_generated(trained: subprocess.CompletedProcess[str], clone: Clone) -> None:
    assert trained.returncode == 0
    done = clone.run("env", "--unset=TLC_DATA_DIR", "make", "train")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "generated" in done.stdout + done.stderr
    assert "generated" in clone.read("reports/duration-model-report.md")
    assert "generated" in json.loads(clone.read("reports/metrics.json"))["data_source"]


def test_an_unfinished_setup_is_made_afresh(tmp_path: Path) -> None:
    clone = Clone(tmp_path)
    (clone.folder / ".venv/bin").mkdir(parents=True)
    (clone.folder / ".venv/bin/python").symlink_to(sys.executable)
    plan = clone.run("make", "--dry-run", "train").stdout
    assert "-m venv --clear .venv" in plan


def test_a_python_that_will_not_do_is_named_in_a_sentence(tmp_path: Path) -> None:
    done = Clone(tmp_path).run("make", "PYTHON=/bin/false", "train")
    assert done.returncode != 0
    assert "This project needs Python 3.11 or newer" in done.stderr
