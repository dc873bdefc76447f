"""The job with a user's own surroundings: another make of S3 server, and a mail server with STARTTLS and login."""

import json
import os
import subprocess
import sys
from pathlib import Path

from pipelines.embedded.months import write_month
from pipelines.tlc import Month
from tests.support.certificates import make_certificate
from tests.support.s3_server import ACCESS_KEY, SECRET_KEY, rclone_server
from tests.support.smtp_server import smtp_server

ROOT = Path(__file__).parents[2]


def test_the_job_runs_on_another_s3_server_and_mails_by_starttls_with_login(tmp_path: Path) -> None:
    (tmp_path / "buckets" / "mine" / "data").mkdir(parents=True)
    for month in (Month(2021, 1), Month(2021, 2)):
        write_month(month, tmp_path / "buckets" / "mine" / "data", rows=3_000)
    context, certificate = make_certificate(tmp_path)
    with rclone_server(tmp_path / "buckets") as url, smtp_server(starttls=context, password="app password") as mails:
        described = {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_ENDPOINT_URL": url,
            "S3_BUCKET": "mine",
            "EMAIL_ADDRESS": "me@example.com",
            "EMAIL_PASSWORD": "app password",
            "SMTP_SERVER": "127.0.0.1",
            "SMTP_PORT": str(mails.port),
            "SMTP_TYPE": "STARTTLS",
            "MAIL_TO": "team@example.com",
        }
        (tmp_path / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in described.items()))
        job = subprocess.run(
            [sys.executable, "-m", "pipelines.duration_prediction.train", "--set", "max_iter=40"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "SSL_CERT_FILE": str(certificate)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert job.returncode == 0, job.stdout + job.stderr
    assert mails.logins == [("me@example.com", "app password")]
    assert [mail.recipients for mail in mails.received] == [["team@example.com"]]
    metrics = json.loads((tmp_path / "reports" / "metrics.json").read_text())
    assert metrics["n_train"] > 1_000
    assert "app password" not in job.stdout + job.stderr
