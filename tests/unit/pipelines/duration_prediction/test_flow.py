"""The whole job on small months, against a real bucket, a real mail server and a real MLflow store."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.mail import EmailServerCredentials
from orchestration import get_client, test_harness
from orchestration.sdk.block_model import BlockNotFound
from pipelines.duration_prediction.champions import champion_of, load_kept, promote
from pipelines.duration_prediction.config import DriftLimits, TrainingConfig
from pipelines.duration_prediction.drift import Profile
from pipelines.duration_prediction.flow import duration_prediction
from pipelines.duration_prediction.outcome import TrainingOutcome
from pipelines.duration_prediction.registry import RegisteredModel, opened
from pipelines.duration_prediction.standing import Fate
from pipelines.duration_prediction.store import find_store
from pipelines.duration_prediction.wiring.months import download_months
from pipelines.duration_prediction.wiring.runs import is_over
from pipelines.embedded.months import write_month
from pipelines.errors import DriftError, MonthError, PipelineError
from pipelines.tlc import Month
from tests.support.artifacts import newest_artifact
from tests.support.job import Surroundings, run_job, surroundings_of_tests

TRAIN, VALIDATE, MARCH = Month(2021, 1), Month(2021, 2), Month(2021, 3)
PICTURES = {"<residuals>", "<calibration>", "<error-by-hour>", "<error-map>"}


@pytest.fixture
def surroundings(made_home: Path) -> Iterator[Surroundings]:
    assert made_home.is_dir()
    with surroundings_of_tests() as given:
        yield given


def _check_artifacts(outcome: TrainingOutcome) -> None:
    report, metrics = newest_artifact("duration-model-report"), newest_artifact("duration-model-metrics")
    assert report is not None
    assert metrics is not None
    assert report.data == outcome.report.artifact()
    table = {row["metric"]: row["value"] for row in json.loads(str(metrics.data))}
    assert table["rmse"] == outcome.metrics.rmse
    assert (table["validate_month"], table["colour"]) == ("2021-02", "green")


def _check_mail(surroundings: Surroundings, outcome: TrainingOutcome, pictures: set[str]) -> None:
    mail = surroundings.mails.received[-1]
    parts = {part.get_content_type() for part in mail.message.walk()}
    shown = {str(part["Content-ID"]) for part in mail.message.walk() if part.get_content_type() == "image/png"}
    assert mail.recipients == ["you@localhost"]
    assert mail.message["Subject"] == outcome.report.subject
    assert {"text/plain", "text/html"} < parts
    assert shown == pictures
    assert len(mail.raw) < 1_000_000


def _versions(outcome: TrainingOutcome) -> int:
    store = find_store({"MLFLOW_TRACKING_URI": outcome.registered.tracking_uri}, Path("/unused"))
    with opened(store) as client:
        return len(client.search_model_versions("name = 'nyc-taxi-duration'"))


def _check_registered(registered: RegisteredModel) -> None:
    store = find_store({"MLFLOW_TRACKING_URI": registered.tracking_uri}, Path("/unused"))
    assert champion_of(store, registered.name) == registered
    assert registered.tags["train_months"] == "2021-01"
    profile = load_kept(registered, "profile.json")
    assert profile is not None
    assert Profile.from_json(profile).rows > 3_000
    with opened(store) as client:
        run = client.get_run(registered.run_id)
        assert run.data.params["validate_month"] == "2021-02"
        assert len(run.data.params["sha256_green_tripdata_2021-01.parquet"]) == 64
        assert {"rmse", "coverage", "baseline_rmse"} <= set(run.data.metrics)
        assert run.inputs is not None
        assert {each.dataset.name for each in run.inputs.dataset_inputs} == {TRAIN.file_name, VALIDATE.file_name}
        reports = {file.path for file in client.list_artifacts(registered.run_id, "report")}
    assert {"report/duration-model-report.html", "report/duration-model-report-error-map.png"} <= reports


def test_the_job_learns_judges_registers_publishes_and_mails_and_a_second_time_finds_it_all_done(
    surroundings: Surroundings, sample_folder: Path, quick: TrainingConfig
) -> None:
    surroundings.fill(*sample_folder.iterdir())
    outcome = run_job(quick)
    found = outcome.facts.found
    assert outcome.metrics.rmse < found.best_baseline.metrics.rmse
    assert found.n_train > 3_000
    assert found.geography == "learnt"
    assert outcome.facts.outcome.fate is Fate.PROMOTED
    assert outcome.registered.model_uri == "models:/nyc-taxi-duration/1"
    _check_artifacts(outcome)
    _check_mail(surroundings, outcome, PICTURES)
    _check_registered(outcome.registered)
    again = run_job(quick)
    assert (again.registered, again.metrics) == (outcome.registered, outcome.metrics)
    assert again.facts.found.candidates == found.candidates
    assert (again.facts.outcome.reused, again.facts.outcome.fate) == (True, Fate.STAYS)
    assert _versions(again) == 1


def test_the_next_month_is_judged_beside_the_champion_and_drawn_into_the_trend(
    surroundings: Surroundings, tmp_path: Path, quick: TrainingConfig
) -> None:
    surroundings.fill(*(write_month(month, tmp_path, rows=2_500) for month in (TRAIN, VALIDATE, MARCH)))
    first = run_job(quick)
    second = run_job(quick.model_copy(update={"promotion_margin": 0.9}), "2021-02", "2021-03")
    rival = second.facts.found.rival
    assert rival is not None
    assert (rival.version, rival.train_months) == (first.registered.version, (TRAIN,))
    assert second.facts.outcome.fate is Fate.KEPT
    assert [month.month for month in second.facts.history] == ["2021-02"]
    _check_mail(surroundings, second, PICTURES | {"<trend>"})
    assert "90.0% is asked for" in second.report.mail_text() or "so it is not better" in second.report.mail_text()
    _check_what_other_code_would_have_said(second, quick)


def _check_what_other_code_would_have_said(outcome: TrainingOutcome, quick: TrainingConfig) -> None:
    """A champion that was made by other code predicts the same, in a process of its own."""
    store = find_store({"MLFLOW_TRACKING_URI": outcome.registered.tracking_uri}, Path("/unused"))
    with opened(store) as client:
        client.set_model_version_tag(outcome.registered.name, "1", "code_version", "another")
    again = run_job(quick, "2021-02", "2021-03")
    assert again.facts.found.rival == outcome.facts.found.rival
    promote(store, outcome.registered.name, outcome.registered.version)
    assert run_job(quick, "2021-02", "2021-03").facts.outcome.fate is Fate.STAYS


def test_a_month_that_has_drifted_is_flagged_and_over_the_hard_limit_stops_the_run(
    surroundings: Surroundings, sample_folder: Path, quick: TrainingConfig
) -> None:
    surroundings.fill(*sample_folder.iterdir())
    flagged = run_job(quick.model_copy(update={"drift": DriftLimits(flag_psi=1e-6)}))
    assert flagged.facts.found.drift.flagged
    assert flagged.report.subject.endswith("(drift flagged)")
    assert "2021-02 differs from the training months." in flagged.report.mail_text()
    with pytest.raises(DriftError):
        run_job(quick.model_copy(update={"drift": DriftLimits(flag_psi=1e-6, stop_psi=1e-6)}))
    assert str(surroundings.mails.received[-1].message["Subject"]).endswith("ended as Failed")
    assert _versions(flagged) == 1


def test_a_second_run_fetches_only_what_has_changed(surroundings: Surroundings, sample_folder: Path) -> None:
    centroids = sample_folder.parent / "taxi_zone_centroids.csv"
    centroids.write_text("LocationID,zone,borough,longitude,latitude\n1,Newark Airport,EWR,-74.17,40.69\n")
    bucket = surroundings.fill(*sample_folder.iterdir(), centroids)
    first = download_months("bucket", [TRAIN, VALIDATE])
    marks = {month: path.stat().st_ino for month, path in first.months.items()}
    bucket.write_path(f"data/{VALIDATE.file_name}", b"another version")
    second = download_months("bucket", [VALIDATE, TRAIN])
    assert second.months[TRAIN] == first.months[TRAIN]
    assert second.months[TRAIN].stat().st_ino == marks[TRAIN]
    assert first.months[VALIDATE].read_bytes() == (sample_folder / VALIDATE.file_name).read_bytes()
    assert second.months[VALIDATE].read_bytes() == b"another version"
    assert second.centroids == first.centroids
    assert second.centroids is not None
    assert second.centroids.read_bytes() == centroids.read_bytes()
    assert all(path.is_absolute() for path in second.months.values())


def test_months_that_cannot_be_judged_are_refused_before_anything_is_fetched() -> None:
    with test_harness(), pytest.raises(MonthError, match="2021-01 cannot be both learnt from and judged on"):
        duration_prediction(train_months=["2021-01"], validate_month="2021-01", s3_block="none")


def test_a_report_without_an_addressee_says_what_to_do_before_anything_is_fetched() -> None:
    with test_harness():
        EmailServerCredentials(smtp_server="localhost", smtp_type="INSECURE").save("nobody")
        with pytest.raises(PipelineError, match="mail block 'nobody' has no username: say with mail_to who gets"):
            duration_prediction(mail_block="nobody", s3_block="none")


def test_only_a_run_that_has_ended_is_over() -> None:
    with test_harness(), get_client(sync_client=True) as client:
        with pytest.raises(BlockNotFound):
            duration_prediction(mail_block="none")
        (run,) = client.read_flow_runs()
        assert is_over(str(run.id))
        assert not is_over("018f0000-0000-7000-8000-000000000000")
        assert not is_over("nonsense")
