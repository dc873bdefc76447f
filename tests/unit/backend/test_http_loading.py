"""httpx is loaded without its command line."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_a_run_on_a_server_loads_no_command_line() -> None:
    program = "import orchestration.backend.http, httpx, sys; print({'click', 'rich', 'typer'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "set()"


def test_whoever_wants_its_command_line_still_finds_it() -> None:
    program = "import orchestration.backend.http, httpx._main; print(httpx._main.main)"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "main" in loaded.stdout
