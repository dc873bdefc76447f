"""Real S3 endpoints for tests, on free loopback ports: moto's server in this process, and rclone's."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from pydantic import SecretStr

from blocks.aws import AwsClientParameters, AwsCredentials, S3Bucket

ACCESS_KEY, SECRET_KEY = "AKIDOFTESTS", "secret-key-of-tests"


@contextmanager
def s3_server() -> Iterator[str]:
    """Run an empty S3 server; its URL."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request helps nobody
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        forget_buckets(url)
        yield url
    finally:
        server.stop()


def forget_buckets(url: str) -> None:
    """Empty moto's server, which keeps its buckets in the process, from one server and test to the next."""
    urlopen(Request(f"{url}/moto-api/reset", method="POST")).close()  # noqa: S310 - our own server


def bucket_at(url: str, name: str = "months", folder: str = "", **config: Any) -> S3Bucket:
    """The block of a bucket at an endpoint; waits between retries are not worth a test's time."""
    credentials = AwsCredentials(
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SecretStr(SECRET_KEY),
        aws_client_parameters=AwsClientParameters(endpoint_url=url, config=config),
    )
    return S3Bucket(bucket_name=name, credentials=credentials, bucket_folder=folder)


def make_bucket(url: str, objects: Mapping[str, bytes], name: str = "months") -> S3Bucket:
    """A bucket at an endpoint that holds these objects, and its block."""
    block = bucket_at(url, name)
    client = block.credentials.get_s3_client()
    client.create_bucket(Bucket=name)
    for key, content in objects.items():
        client.put_object(Bucket=name, Key=key, Body=content)
    return block


@contextmanager
def rclone_server(folder: Path) -> Iterator[str]:
    """Run another make of S3 server than moto, rclone's, which checks credentials; its URL.

    Buckets are the folders in ``folder``. Without rclone the test is skipped, or fails in CI.
    """
    program = shutil.which("rclone", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("rclone is not installed")
    keys = f"{ACCESS_KEY},{SECRET_KEY}"
    command = [program, "serve", "s3", "--auth-key", keys, "--addr", "127.0.0.1:0", "--config", os.devnull, str(folder)]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        found = next((match for line in server.stderr if (match := re.search(r"http://[\d.:]+", line))), None)
        assert found is not None, "rclone did not say where it listens"
        yield found.group()
    finally:
        server.terminate()
        server.wait()
        assert server.stderr is not None
        server.stderr.close()
