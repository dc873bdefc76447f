"""Predict how many minutes a New York taxi trip takes, anew each month.

`flow.py` wires the job to the engine and `train.py` is its command line; every other file is pure or, in
`registry.py`'s case, the one door to MLflow.
"""
