"""A server on the port that it is told; its store is ORCHESTRATION_HOME's, or that of ORCHESTRATION_DATABASE_URL."""

import os
import socket
import sys
from pathlib import Path

from orchestration.domain.settings import read_settings
from orchestration.services.serve import run_server

run_server(read_settings(os.environ, Path.home()), socket.create_server(("127.0.0.1", int(sys.argv[1]))))
