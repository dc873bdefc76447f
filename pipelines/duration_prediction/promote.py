"""`python -m pipelines.duration_prediction.promote VERSION`: make a registered version the champion by hand.

`python -m pipelines.duration_prediction.promote rollback` makes the champion before the present one the champion again.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from pipelines.duration_prediction.champions import promote, roll_back
from pipelines.duration_prediction.store import find_store, model_name
from pipelines.duration_prediction.wiring.runs import home
from pipelines.errors import PipelineError
from pipelines.tlc import Colour

ROLL_BACK = "rollback"


def main(arguments: Sequence[str] | None = None) -> int:
    """Change the champion; gives the exit code: 0 done, 1 failed, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="promote", description="Choose the champion by hand.")
    parser.add_argument("version", help=f"the number of a registered version, or {ROLL_BACK} for the champion before")
    parser.add_argument("--colour", type=Colour, choices=list(Colour), default=Colour.GREEN, help="of the taxis")
    options = parser.parse_args(arguments)
    store, name = find_store(os.environ, home()), model_name(options.colour)
    try:
        change = roll_back(store, name) if options.version == ROLL_BACK else promote(store, name, options.version)
    except PipelineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{change.sentence()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
