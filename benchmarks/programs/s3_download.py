"""One download of the folder ``data``: by our block, or by boto3's TransferManager set up by hand."""

import json
import sys
import time
from pathlib import Path

from pydantic import SecretStr

from blocks.aws import AwsClientParameters, AwsCredentials, S3Bucket

url, way, target = sys.argv[1], sys.argv[2], Path(sys.argv[3])
credentials = AwsCredentials(
    aws_access_key_id="benchmark",
    aws_secret_access_key=SecretStr("benchmark"),
    aws_client_parameters=AwsClientParameters(endpoint_url=url),
)
bucket = S3Bucket(bucket_name="benchmark", credentials=credentials)
target.mkdir(parents=True)
objects = bucket.list_objects("data")  # everything is loaded and connected before the clock starts
if way == "by_hand":
    from s3transfer.manager import TransferConfig, TransferManager


def by_hand() -> None:
    """The same objects with the transfer manager that boto3 builds on."""
    with TransferManager(credentials.get_s3_client(), TransferConfig()) as manager:
        names = [each["Key"] for each in objects]
        futures = [manager.download("benchmark", name, str(target / Path(name).name)) for name in names]
        for future in futures:
            future.result()


def by_block() -> None:
    """Ours."""
    bucket.download_folder_to_path("data", target)


def resident(field: str) -> float:
    """Megabytes of memory now (``VmRSS``) or at the peak (``VmHWM``); only Linux tells the peak of one program."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # what the parent once held counts no more
idle = resident("VmRSS")
download = by_block if way == "by_block" else by_hand
began = time.perf_counter()
download()
taken = time.perf_counter() - began
grown = resident("VmHWM") - idle
began = time.perf_counter()
if way == "by_block":
    by_block()
again = time.perf_counter() - began
megabytes = sum(each["Size"] for each in objects) / 1e6
print(json.dumps({"throughput": megabytes / taken, "again": again, "memory": grown}))
