"""20 objects of 50 MB from an S3 endpoint on this machine: our block beside boto3's TransferManager, set up by hand.

Needs the extra ``pipeline``, which brings the endpoint.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import BARE, OURS, Contender, Figures, Options, compare, run_program
from benchmarks.report import Measure, main
from blocks.aws import AwsClientParameters, AwsCredentials
from pipelines.embedded.endpoints import s3_endpoint

OBJECTS, MEGABYTES = 20, 50
WAYS = {OURS: "by_block", BARE: "by_hand"}


def measure(options: Options) -> Sequence[Measure]:
    """Throughput as the time that boto3 needs for what we do in one second, memory, and the second call."""
    with s3_endpoint() as server:
        _fill(server.url)
        contenders = [contender for contender in options.contenders() if contender.name in WAYS]
        samples = compare(options, contenders, lambda contender, home: _run(contender, home, server.url), warm_up=False)
    pairs = zip(samples.of(BARE, "throughput"), samples.of(OURS, "throughput"), strict=True)
    return [
        Measure(
            what=f"throughput of boto3's TransferManager over ours, {OBJECTS} objects of {MEGABYTES} MB",
            unit="",
            ours=[by_hand / by_block for by_hand, by_block in pairs],
            at_most=1 / 0.9,
        ),
        Measure(
            what=f"peak memory over idle while {OBJECTS} objects of {MEGABYTES} MB come down",
            unit="MB",
            ours=samples.of(OURS, "memory"),
            bare=samples.of(BARE, "memory"),
            at_most=150,
        ),
        Measure(
            what="the same download again, nothing changed",
            unit="s",
            ours=samples.of(OURS, "again"),
            at_most=0.3,
        ),
    ]


def _fill(url: str) -> None:
    parameters = AwsClientParameters(endpoint_url=url)
    key = "benchmark"
    client = AwsCredentials.model_validate(
        {"aws_access_key_id": key, "aws_secret_access_key": key, "aws_client_parameters": parameters}
    ).get_s3_client()
    client.create_bucket(Bucket="benchmark")
    content = os.urandom(MEGABYTES * 1_000_000)
    for number in range(OBJECTS):
        client.put_object(Bucket="benchmark", Key=f"data/{number:02}.bin", Body=content)


def _run(contender: Contender, home: Path, url: str) -> Figures:
    target = home / "downloaded"
    figures: Figures = run_program(contender, home, "s3_download.py", url, WAYS[contender.name], target)
    shutil.rmtree(target)
    return figures


if __name__ == "__main__":
    main("s3_download", measure)
