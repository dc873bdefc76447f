"""A real SMTP server on a free loopback port that keeps each mail in a maildir; `endpoints.py` starts it.

Any login is accepted: the server is reachable from this machine only and ends with the job.
"""

import asyncio
import sys
from pathlib import Path

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from pipelines.embedded.lifeline import end_with_parent, listen, report


def accept_login(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, _data: object) -> AuthResult:
    """Let everybody in."""
    return AuthResult(success=True)


async def serve(outbox: Path) -> None:
    """Keep every mail that arrives in the maildir, until the process ends."""
    handler = Mailbox(outbox)
    loop = asyncio.get_running_loop()
    listener = listen()

    def connection() -> SMTP:
        return SMTP(handler, hostname="localhost", loop=loop, authenticator=accept_login, auth_require_tls=False)

    server = await loop.create_server(connection, sock=listener)
    report(listener.getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    end_with_parent()
    asyncio.run(serve(Path(sys.argv[1])))
