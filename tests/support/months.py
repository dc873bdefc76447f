"""Small months to train on: every so manieth row of the real ones where TLC_DATA_DIR is set, else made-up ones."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq

from pipelines.embedded.months import write_month
from pipelines.tlc import Month

ROWS = 4_000
TRAIN, VALIDATE = Month(2021, 1), Month(2021, 2)


def write_samples(target: Path) -> Path:
    """Write a small training month and a small validation month under the TLC's names; the folder."""
    source = os.environ.get("TLC_DATA_DIR", "")
    for month in (TRAIN, VALIDATE):
        if source:
            table = pq.read_table(Path(source) / month.file_name)
            pq.write_table(table.take(list(range(0, table.num_rows, table.num_rows // ROWS))), target / month.file_name)
        else:
            write_month(month, target, ROWS)
    return target
