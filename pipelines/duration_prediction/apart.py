"""A registered model at work with the code that it carries, in a process of its own.

Where the code has changed since a model was registered, the same names may mean something else, and the model loaded
here would not be the one that is in use.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.duration_prediction.metrics import Minutes
from pipelines.duration_prediction.registry import ENVIRONMENT, RegisteredModel
from pipelines.errors import RegistryError

PROGRAM = """
import sys, mlflow, numpy, pandas
store, model, rows, minutes = sys.argv[1:]
mlflow.set_tracking_uri(store)
numpy.save(minutes, mlflow.pyfunc.load_model(model).predict(pandas.read_parquet(rows)))
"""


def predict_apart(registered: RegisteredModel, rows: pd.DataFrame) -> Minutes:
    """The minutes of raw rows, one a row, in order. Raises RegistryError if the model cannot be used."""
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder) / "rows.parquet", Path(folder) / "minutes.npy"
        rows.to_parquet(given)
        places = [registered.tracking_uri, registered.model_uri, str(given), str(answer)]
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", PROGRAM, *places],
            cwd=folder,
            env={**os.environ, **ENVIRONMENT, "PYTHONPATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1].rstrip(".")
            raise RegistryError(
                f"{registered.model_uri} cannot be used with the code that it carries ({reason}): promote another "
                "version."
            )
        return np.asarray(np.load(answer), dtype="float64")
