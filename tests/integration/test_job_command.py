"""The job as people run it: interrupted at any moment, waiting for its turn, fed by the TLC's site."""

import json
import os
import re
import select
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines.files import lock_file
from tests.support.months import write_samples
from tests.support.tlc_site import tlc_site

ROOT = Path(__file__).parents[2]
QUICK = ("--set", "max_iter=40", "--set", "leaves=[15]", "--set", "screening_trees=10")
MOMENTS = [
    "Learning from", "The data are", "'load-1' - Finished", "'fit_candidate-3' - Finished", "'judge-0' - Finished",
]  # fmt: skip
FILES = {
    "duration-model-report-calibration.png",
    "duration-model-report-error-by-hour.png",
    "duration-model-report-error-map.png",
    "duration-model-report-residuals.png",
    "duration-model-report.html",
    "duration-model-report.md",
    "metrics.json",
}


@dataclass(frozen=True)
class Job:
    """A job in a folder, whose output is read as it comes."""

    process: subprocess.Popen[str]
    lines: list[str]

    def wait_for(self, words: str) -> None:
        """Read what the job prints up to a line with these words."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if words in line:
                return
        pytest.fail(f"{words!r} was never printed:\n{''.join(self.lines)}")

    def end(self) -> int:
        """The exit code, once the job has printed all that it prints."""
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)
        return self.process.wait()


@contextmanager
def _job(folder: Path, **environment: str) -> Iterator[Job]:
    given = {"ORCHESTRATION_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT), "TLC_SITE_URL": "", **environment}
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "pipelines.duration_prediction.train", *QUICK],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "TLC_DATA_DIR"} | given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield Job(process, [])
        finally:
            process.kill()


def _column(database: Path, question: str) -> list[str]:
    if not database.exists():
        return []
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [row[0] for row in connection.execute(question)]


def _check_that_no_server_lives(folder: Path) -> None:
    """Wait for each process whose environment names the job's home; none may stay."""
    mark = f"ORCHESTRATION_HOME={folder}/home".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark not in path.read_bytes().split(b"\0"):
                continue
            descriptor = os.pidfd_open(int(path.parent.name))
        except OSError:
            continue
        try:
            assert select.select([descriptor], [], [], 20.0)[0], f"{path.parent.name} outlived its job"
        finally:
            os.close(descriptor)


def _check_stores(folder: Path) -> None:
    runs = _column(folder / "home" / "orchestration.db", "SELECT state_type FROM flow_run")
    assert set(runs) <= {"CRASHED", "COMPLETED"}
    tasks = _column(folder / "home" / "orchestration.db", "SELECT state_type FROM task_run")
    assert set(tasks) <= {"CRASHED", "COMPLETED"}
    trainings = _column(folder / "home" / "mlflow" / "mlflow.db", "SELECT status FROM runs")
    assert set(trainings) <= {"KILLED", "FAILED", "FINISHED"}


def _check_reports(folder: Path) -> None:
    present = {path.name for path in (folder / "reports").glob("*")}
    assert present in (set(), FILES)


def test_ctrl_c_at_any_moment_leaves_nothing_corrupt_and_the_next_run_starts_clean(tmp_path: Path) -> None:
    (tmp_path / "months").mkdir()
    data = str(write_samples(tmp_path / "months"))
    for moment in MOMENTS:
        with _job(tmp_path, TLC_DATA_DIR=data) as job:
            job.wait_for(moment)
            job.process.send_signal(signal.SIGINT)
            assert job.end() == 130, f"interrupted at {moment!r}:\n{''.join(job.lines)}"
            assert job.lines[-1] == "Interrupted.\n"
            assert not any("Traceback" in line for line in job.lines), "".join(job.lines)
        _check_that_no_server_lives(tmp_path)
        _check_stores(tmp_path)
        _check_reports(tmp_path)
    with _job(tmp_path, TLC_DATA_DIR=data) as job:
        assert job.end() == 0, "".join(job.lines)
    _check_stores(tmp_path)
    metrics = json.loads((tmp_path / "reports" / "metrics.json").read_text())
    assert {path.name for path in (tmp_path / "reports").iterdir()} == FILES
    versions = _column(tmp_path / "home" / "mlflow" / "mlflow.db", "SELECT max(version) FROM model_versions")
    assert metrics["model_uri"] == f"models:/nyc-taxi-duration/{versions[0]}"


def test_a_job_waits_for_its_turn_and_can_be_interrupted_meanwhile(tmp_path: Path) -> None:
    with lock_file(tmp_path / "home" / "job.lock"), _job(tmp_path) as job:
        job.wait_for("Another job is at work in")
        job.process.send_signal(signal.SIGINT)
        assert job.end() == 130
        assert job.lines == [
            "Learning from 2021-01, judging on 2021-02.\n",
            f"Another job is at work in {tmp_path}/home: this one begins when it has ended.\n",
            "Interrupted.\n",
        ]


def test_two_jobs_at_once_get_the_same_model_of_the_tlcs_months(tmp_path: Path) -> None:
    (tmp_path / "months").mkdir()
    contents = {path.name: path.read_bytes() for path in write_samples(tmp_path / "months").iterdir()}
    with tlc_site(files=contents, cuts=1, cut_after=50_000) as site:
        with lock_file(tmp_path / "home" / "job.lock"):
            first, second = (_job(tmp_path, TLC_SITE_URL=site.url) for _ in range(2))
            one, two = first.__enter__(), second.__enter__()
            for job in (one, two):
                job.wait_for("Another job is at work in")
        try:
            assert (one.end(), two.end()) == (0, 0), "".join([*one.lines, *two.lines])
        finally:
            first.__exit__(None, None, None)
            second.__exit__(None, None, None)
        fetched = [name for name, asked in site.asked if asked != "bytes=0-3"]
    assert len(fetched) == 3, "two months, one of them in two pieces, and nothing twice"
    models = [re.search(r"Model:  (\S+) in", "".join(job.lines)) for job in (one, two)]
    assert [found and found[1] for found in models] == ["models:/nyc-taxi-duration/1"] * 2, "learnt once, not twice"
    assert all(f"The data are the TLC's trip records from {site.url}.\n" in job.lines for job in (one, two))
    assert json.loads((tmp_path / "reports" / "metrics.json").read_text())["data_source"] in {"tlc-site", "generated"}
