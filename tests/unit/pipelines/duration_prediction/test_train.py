"""The command line: what it prints, what it files, and how it ends."""

import json
import mailbox
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copyfile

import pytest

from blocks.aws import S3Bucket
from blocks.mail import EmailServerCredentials
from orchestration import test_harness
from orchestration.sdk.block_model import BlockNotFound
from pipelines.duration_prediction import train
from pipelines.duration_prediction.config import plan_months
from pipelines.duration_prediction.wiring import surroundings
from pipelines.duration_prediction.wiring.surroundings import Needs, Storage
from pipelines.tlc import Colour
from tests.support.months import VALIDATE
from tests.support.s3_server import make_bucket, s3_server
from tests.support.smtp_server import MailServer, smtp_server

QUICK = ("--set", "max_iter=40", "--set", "leaves=[15]", "--set", "screening_trees=10")
ROOT = Path(__file__).parents[4]
KEYS = {
    "rmse", "mae", "r2", "p50", "p90", "bias", "coverage", "interval_width", "baseline_rmse", "n_train", "n_validate",
    "drift_psi_max", "colour", "train_months", "validate_month", "geography", "fate", "reused", "drift", "model_uri",
    "tracking_uri", "data_source", "seconds",
}  # fmt: skip
SHELL = {"AWS_PROFILE": "no-such-profile", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_SECRET_ACCESS_KEY": "shell"}
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
        (["--from", "2022-06", "--to", "2022-02"], "The backfill ends in 2022-02, before it begins in 2022-06: "),
        (["--set", "tree=3"], "--set tree: Extra inputs are not permitted; the settings are colour, n_months, "),
        (["--set", "leaves=[1]", "--set", "max_iter=0"], "--set max_iter: Input should be greater than or equal to 1;"),
        (["--from", "2022-06"], "'' is not a month: "),
        (["--from", "2022-02", "--to", "2022-06", "--train", "2022-01"], "A backfill learns from the month before"),
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


def test_a_month_that_is_not_published_yet_fails_the_run_with_a_sentence_and_a_mail(
    folder: Path, sample_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TLC_DATA_DIR", str(sample_folder))
    assert train.main(["--train", "2099-01", "--validate", "2021-02"]) == 1
    printed = capsys.readouterr().err
    first, *_, last = printed.splitlines()
    assert first.endswith(
        "has no green_tripdata_2099-01.parquet (it has 2021-01, 2021-02): choose another month or add it."
    )
    assert last == (
        "The bucket nyc-taxi-trips-data has no data/green_tripdata_2099-01.parquet yet (it holds 2021-02): the TLC "
        "publishes a month about two months after its end, so expect 2099-01 around 2099-04-01 and run again then."
    )
    assert "Traceback" not in printed
    assert not (folder / "reports").exists()
    (mail,) = mailbox.Maildir(str(folder / "outbox"), create=False)
    assert mail["Subject"].endswith(" ended as Failed")


def test_a_place_that_cannot_be_written_to_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "home").touch()
    monkeypatch.setenv("ORCHESTRATION_HOME", str(folder / "home"))
    assert train.main([]) == 1
    assert capsys.readouterr().err == (
        f"A file could not be read or written: [Errno 17] File exists: '{folder}/home'.\n"
    )


def test_an_unknown_option_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        train.main(["--month", "2021-01"])
    assert ended.value.code == 2
    assert "--month" in capsys.readouterr().err


@pytest.mark.usefixtures("made_home")
def test_the_job_files_report_metrics_and_mail_whatever_the_shell_says_of_aws(
    folder: Path, sample_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in SHELL.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TLC_DATA_DIR", str(sample_folder))
    assert train.main(["--train", "2021-01", "--validate", "2021-02", *QUICK]) == 0
    printed = capsys.readouterr().out
    metrics = json.loads((folder / "reports" / "metrics.json").read_text())
    assert set(metrics) == KEYS
    assert metrics["train_months"] == ["2021-01"]
    assert metrics["validate_month"] == "2021-02"
    assert metrics["tracking_uri"].startswith("sqlite:////")
    assert metrics["model_uri"] == "models:/nyc-taxi-duration/1"
    assert metrics["data_source"] in {"tlc-dir", "generated"}
    assert printed.startswith("Learning from 2021-01, judging on 2021-02.\nThe data are")
    assert f"Promoted to champion: off by an RMSE of {metrics['rmse']:.2f} minutes on 2021-02" in printed
    assert re.search(rf"This model +{metrics['rmse']:.2f} ", printed)
    assert f"Report: {folder}/reports/duration-model-report.md" in printed
    assert f"Mail:   in {folder}/outbox" in printed
    assert (folder / "reports" / "duration-model-report.md").read_text().startswith("# Duration model report\n")
    assert len(mailbox.Maildir(str(folder / "outbox"), create=False)) == 1


@pytest.fixture
def servers() -> Iterator[tuple[str, MailServer]]:
    """A bucket with months and a mail server of the user's own."""
    with s3_server() as url, smtp_server(password="app password") as mails:
        yield url, mails


def _storage(url: str) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b1c2d3", "AWS_ENDPOINT_URL": url, "S3_BUCKET": "mine"}


def _mail(mails: MailServer) -> dict[str, str]:
    login = {"EMAIL_ADDRESS": "me@example.com", "EMAIL_PASSWORD": "app password"}
    return {**login, "SMTP_SERVER": "127.0.0.1", "SMTP_PORT": str(mails.port), "SMTP_TYPE": "INSECURE"}


def _write(env: Path, values: dict[str, str]) -> None:
    env.write_text("".join(f"{name}='{value}'\n" for name, value in values.items()))


@pytest.mark.usefixtures("made_home")
def test_with_an_env_file_the_users_bucket_and_mail_server_are_used(
    folder: Path, sample_folder: Path, servers: tuple[str, MailServer], capsys: pytest.CaptureFixture[str]
) -> None:
    url, mails = servers
    _write(folder / ".env", {**_storage(url), **_mail(mails), "MAIL_TO": "team@example.com"})
    make_bucket(url, {f"data/{path.name}": path.read_bytes() for path in sample_folder.iterdir()}, "mine")
    assert train.main([*QUICK]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Learning from 2021-01, judging on 2021-02.\nThe data are those of the bucket that .env")
    assert "Mail:   sent by the server that .env describes\n" in printed
    summary = json.loads((folder / "reports" / "metrics.json").read_text())
    assert summary["data_source"] in {"s3", "generated"}
    assert [mail.recipients for mail in mails.received] == [["team@example.com"]]
    assert not (folder / "outbox").exists()
    for block, name in ((S3Bucket, "embedded-s3"), (EmailServerCredentials, "embedded-mail")):
        with pytest.raises(BlockNotFound):
            block.load(name)


@pytest.mark.parametrize("described", ["nothing", "storage", "mail"])
def test_storage_and_mail_are_decided_separately(
    described: str, folder: Path, sample_folder: Path, servers: tuple[str, MailServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TLC_DATA_DIR", str(sample_folder))
    url, mails = servers
    values = {"nothing": {}, "storage": _storage(url), "mail": _mail(mails)}[described]
    _write(folder / ".env", values)
    needs = Needs(plan_months(["2021-01"], None).months, Colour.GREEN)
    with surroundings.surroundings_for(needs, folder / "home") as given:
        storage, mail = given.storage, given.mail
        assert storage == (Storage("aws-s3", "s3") if described == "storage" else Storage("embedded-s3", "tlc-dir"))
        assert (mail.block, mail.to) == (
            ("email-server-credentials-block", None) if described == "mail" else ("embedded-mail", "you@localhost")
        )
        with EmailServerCredentials.load(mail.block).get_server() as server:
            assert server.noop()[0] == 250
        if described != "storage":
            bucket = S3Bucket.load(storage.block)
            assert len(bucket.list_objects("data/")) == 2
            newest = sample_folder / VALIDATE.file_name
            monkeypatch.setenv("TLC_DATA_DIR", str(folder / "later"))
            (folder / "later").mkdir()
            copyfile(newest, folder / "later" / VALIDATE.next().file_name)
            storage.restock(Needs([VALIDATE, VALIDATE.next()], Colour.GREEN))  # of which one is there no more
            assert len(bucket.list_objects("data/")) == 3


def test_half_a_pair_is_refused_in_a_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(folder / ".env", {"AWS_ACCESS_KEY_ID": "a", "S3_BUCKET": "mine"})
    assert train.main([]) == 1
    assert capsys.readouterr().err == (
        "AWS_SECRET_ACCESS_KEY is missing in .env, so no block was saved; fill in what .env_example names.\n"
    )
    assert [path.name for path in folder.iterdir()] in ([".env", "home"], ["home", ".env"])


def test_the_shells_word_on_aws_is_forgotten_and_loopback_needs_no_proxy() -> None:
    environ = {**SHELL, "AWS_CA_BUNDLE": "/certificates", "NO_PROXY": "example.com", "HOME": "/home/me"}
    surroundings.forget_the_shell(environ)
    assert environ == {
        "AWS_CA_BUNDLE": "/certificates",
        "HOME": "/home/me",
        "NO_PROXY": "example.com,127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


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
