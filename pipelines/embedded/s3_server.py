"""A real S3 endpoint on a free loopback port; `endpoints.py` starts it as a process of its own.

Served by moto; its buckets live in memory and end with the process.
"""

import logging

from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from pipelines.embedded.lifeline import LOOPBACK, end_with_parent, listen, report


def main() -> None:
    end_with_parent()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    listener = listen()
    port = listener.getsockname()[1]
    # Only S3, not the dispatcher over all of AWS, which would have to look through every service.
    app = create_backend_app("s3")
    server = make_server(LOOPBACK, port, app, threaded=True, request_handler=MotoRequestHandler, fd=listener.fileno())
    report(port)
    server.serve_forever()


if __name__ == "__main__":
    main()
