"""Blocks of every kind that both sides have: ``save`` or ``load``; SIDE names the package that they come from."""

import os
import sys

if os.environ["SIDE"] == "peer":
    from prefect.blocks.system import Secret
    from prefect_aws import AwsCredentials, MinIOCredentials, S3Bucket
    from prefect_email import EmailServerCredentials
else:
    from blocks.aws import AwsCredentials, MinIOCredentials, S3Bucket
    from blocks.mail import EmailServerCredentials
    from orchestration import Secret

NAME = sys.argv[2]
ENDPOINT = "http://127.0.0.1:9000"


def save() -> None:
    aws = AwsCredentials(
        aws_access_key_id="key",
        aws_secret_access_key="hush-aws",
        region_name="us-east-1",
        aws_client_parameters={"endpoint_url": ENDPOINT},
    )
    aws.save(f"{NAME}-aws", overwrite=True)
    minio = MinIOCredentials(minio_root_user="root", minio_root_password="hush-minio")
    minio.save(f"{NAME}-minio", overwrite=True)
    nested = S3Bucket(bucket_name="trips", credentials=AwsCredentials.load(f"{NAME}-aws"), bucket_folder="data")
    nested.save(f"{NAME}-bucket", overwrite=True)
    mail = EmailServerCredentials(username="me@x.test", password="hush-mail", smtp_server="smtp.x.test", smtp_port=25)
    mail.save(f"{NAME}-mail", overwrite=True)
    Secret(value={"token": "hush-secret"}).save(f"{NAME}-secret", overwrite=True)


def load() -> None:
    aws = AwsCredentials.load(f"{NAME}-aws")
    assert aws.aws_secret_access_key.get_secret_value() == "hush-aws"
    assert (aws.region_name, str(aws.aws_client_parameters.endpoint_url).rstrip("/")) == ("us-east-1", ENDPOINT)
    minio = MinIOCredentials.load(f"{NAME}-minio")
    assert minio.minio_root_password.get_secret_value() == "hush-minio"
    bucket = S3Bucket.load(f"{NAME}-bucket")
    assert (bucket.bucket_name, bucket.bucket_folder) == ("trips", "data")
    assert bucket.credentials.aws_secret_access_key.get_secret_value() == "hush-aws"
    mail = EmailServerCredentials.load(f"{NAME}-mail")
    assert (mail.password.get_secret_value(), mail.smtp_port) == ("hush-mail", 25)
    assert Secret.load(f"{NAME}-secret").get() == {"token": "hush-secret"}


{"save": save, "load": load}[sys.argv[1]]()
print(f"{sys.argv[1]} {NAME}")
