"""What the command line runs its flows with: the user's bucket and mail server, or embedded ones that end with it.

The file `.env`, and nothing else, says where the months are and who sends the mails: what it describes is saved as the
tutorial's blocks. For storage or mail of which it says nothing there is an embedded bucket or mailbox, under block
names of its own, so that a user's blocks stay as they are.
"""

import os
import pkgutil
import sys
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from blocks.aws import AwsClientParameters, AwsCredentials, S3Bucket
from blocks.mail import EmailServerCredentials
from blocks.register import Registered, register
from pipelines.duration_prediction.config import BUCKET_NAME, BUCKET_PREFIX
from pipelines.embedded.endpoints import Server, mail_endpoint, s3_endpoint
from pipelines.tlc import Colour, Month

# Looked up by name when they are needed: behind them are pandas and boto3, for whose loading neither the first line nor
# the start of the embedded servers should wait.
CHOOSE_SOURCE = "pipelines.embedded.source:choose_source"
FILL_BUCKET = "pipelines.embedded.source:fill_bucket"

ENV_FILE = Path(".env")
OUTBOX = Path("outbox")
EMBEDDED_MAIL_TO = "you@localhost"

# What the shell says of AWS is for other programs, and boto3 would let it overrule the blocks; only the certificates
# that it names are the machine's.
SHELLS_AWS, MACHINES_AWS = "AWS_", "AWS_CA_BUNDLE"
LOOPBACK = "127.0.0.1,localhost"


@dataclass(frozen=True)
class Needs:
    """The months that the flows will ask the bucket for, and the colour of the taxis."""

    months: Sequence[Month]
    colour: Colour


@dataclass(frozen=True)
class Storage:
    """The bucket's block, where its data come from, for metrics.json, and what puts further months into it."""

    block: str
    data_source: str
    restock: Callable[[Needs], object] = field(default=bool, compare=False)  # nothing to do in one of its user's


@dataclass(frozen=True)
class Mail:
    """The mail server's block, who gets the mails (None: its user), and where they go, in words."""

    block: str
    to: str | None
    place: str


@dataclass(frozen=True)
class Surroundings:
    """What the flows run with."""

    storage: Storage
    mail: Mail


@contextmanager
def surroundings_for(needs: Needs, home: Path) -> Iterator[Surroundings]:
    """Save the blocks to run with, and keep the embedded servers up meanwhile."""
    forget_the_shell(os.environ)
    described = register(ENV_FILE) if ENV_FILE.exists() else Registered(None, None)
    outbox = OUTBOX.absolute()
    # Both servers start at once, and then the months are looked for.
    with ExitStack() as stack:
        s3 = stack.enter_context(s3_endpoint()) if described.s3_block is None else None
        mailbox = stack.enter_context(mail_endpoint(outbox)) if described.mail_block is None else None
        mail = _own_mail(described) if mailbox is None else _embedded_mail(mailbox, outbox)
        storage = _own_storage(described) if s3 is None else _embedded_storage(s3, needs, home)
        yield Surroundings(storage, mail)


def forget_the_shell(environ: MutableMapping[str, str]) -> None:
    """Let no variable of the shell say which bucket to use, nor send what is for this machine through a proxy."""
    for name in [name for name in environ if name.startswith(SHELLS_AWS) and name != MACHINES_AWS]:
        del environ[name]
    for name in ("no_proxy", "NO_PROXY"):
        environ[name] = ",".join(filter(None, [environ.get(name), LOOPBACK]))


def _own_storage(described: Registered) -> Storage:
    _say(f"The data are those of the bucket that {ENV_FILE} describes.")
    return Storage(described.s3_block or "", "s3")


def _own_mail(described: Registered) -> Mail:
    return Mail(described.mail_block or "", described.mail_to, f"sent by the server that {ENV_FILE} describes")


def _embedded_storage(s3: Server, needs: Needs, home: Path) -> Storage:
    """Fill the embedded bucket and save the block of it."""
    restock = partial(_stock, s3, home)
    kind = restock(needs)
    key = "embedded"
    credentials = AwsCredentials(
        aws_access_key_id=key,
        aws_secret_access_key=SecretStr(key),
        region_name="us-east-1",
        aws_client_parameters=AwsClientParameters(endpoint_url=s3.url),
    )
    S3Bucket(bucket_name=BUCKET_NAME, credentials=credentials).save("embedded-s3", overwrite=True)
    return Storage("embedded-s3", kind, restock)


def _stock(s3: Server, home: Path, needs: Needs) -> str:
    """Put months into the embedded bucket; the kind of the source that they come from."""
    source = pkgutil.resolve_name(CHOOSE_SOURCE)(os.environ, home / "cache" / "tlc", needs.months, needs.colour)
    _say(source.sentence)
    for missing in pkgutil.resolve_name(FILL_BUCKET)(s3.url, BUCKET_NAME, BUCKET_PREFIX, source, needs.months):
        sys.stderr.write(f"{missing}\n")
        sys.stderr.flush()
    return str(source.kind)


def _embedded_mail(mailbox: Server, outbox: Path) -> Mail:
    server = EmailServerCredentials(smtp_server=mailbox.host, smtp_type="INSECURE", smtp_port=mailbox.port)
    server.save("embedded-mail", overwrite=True)
    return Mail("embedded-mail", EMBEDDED_MAIL_TO, f"in {outbox}")


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()
