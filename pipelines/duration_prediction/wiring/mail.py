"""The mails of the job's flows: the report, and the news that a run failed."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from blocks.mail import EmailServerCredentials, email_send_message, send
from blocks.mail_message import Letter
from orchestration.domain.schemas.runs import FlowRun
from orchestration.domain.states import State
from orchestration.sdk.flows import Flow
from orchestration.sdk.logs import FLOW_LOGGER
from pipelines.duration_prediction.document import to_html, to_text
from pipelines.duration_prediction.failure import Failure
from pipelines.duration_prediction.report import Report, figure_file
from pipelines.duration_prediction.wiring.runs import last_log_lines
from pipelines.errors import PipelineError


class Mailbox(NamedTuple):
    """A mail server, who writes, and who gets what is written."""

    server: EmailServerCredentials
    sender: str
    address: str


def open_mailbox(mail_block: str, mail_to: str | None) -> Mailbox:
    """The mail server of a block, and who gets the mails: by default its user.

    Raises PipelineError if nobody does, and BlockNotFound.
    """
    server = EmailServerCredentials.load(mail_block)
    address = mail_to or server.username
    if not address:
        raise PipelineError(f"The mail block {mail_block!r} has no username: say with mail_to who gets the report.")
    return Mailbox(server, server.username or address, address)


def mail_report(report: Report, mailbox: Mailbox) -> None:
    """Send the report with its figures."""
    with tempfile.TemporaryDirectory() as folder:
        figures = {name: Path(folder) / figure_file(name) for name in report.figures}
        for name, path in figures.items():
            path.write_bytes(report.figures[name])
        email_send_message(
            subject=report.subject,
            msg=report.mail_html(),
            email_server_credentials=mailbox.server,
            msg_plain=report.mail_text(),
            email_from=mailbox.sender,
            email_to=mailbox.address,
            inline_images=figures,
        )


def mail_failure(failed: Flow[Any, Any], flow_run: FlowRun, state: State) -> None:
    """Tell people that a run failed; where that fails as well, the log says so and the first failure stands."""
    given = flow_run.parameters
    try:
        mailbox = open_mailbox(given["mail_block"], given["mail_to"])
        failure = Failure(failed.name, flow_run.name, state.name, state.message or "", last_log_lines(flow_run.id))
        html = to_html(failure.document(), str)
        letter = Letter(failure.subject, html, mailbox.sender, to_text(failure.document()), mailbox.address)
        send(mailbox.server, letter)
    except Exception as error:
        fields = {"prefix": f"Flow run {flow_run.name!r} - ", "flow_run_id": flow_run.id, "task_run_id": None}
        FLOW_LOGGER.error("The mail that tells of this failure could not be sent: %s", error, extra=fields)
