"""A training on some months and its judgement on a later one: errors, seconds, memory, and trips predicted a second."""

import json
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from pipelines.duration_prediction import boosting
from pipelines.duration_prediction.baselines import score_baselines
from pipelines.duration_prediction.config import CENTROIDS_FILE, TrainingConfig
from pipelines.duration_prediction.data import Trips, load_trips
from pipelines.duration_prediction.features import learn_design
from pipelines.duration_prediction.fitting import train_model
from pipelines.duration_prediction.geography import Geography, find_geography
from pipelines.duration_prediction.metrics import evaluate
from pipelines.duration_prediction.model import predict_trips
from pipelines.helpers import helping
from pipelines.tlc import Colour, Month

CORES = 2
RIVALS_TREES, RIVALS_RATE, RIVALS_LEAVES, RIVALS_TRIPS_A_LEAF = 500, 0.05, 63, 30

folder, rivals, judged = Path(sys.argv[1]), sys.argv[2] == "rivals", Month.parse(sys.argv[3])
learnt = [Month.parse(text) for text in sys.argv[4:]]


def load(*months: Month) -> Trips:
    """The trips of some months."""
    return load_trips({month: folder / Colour.GREEN.file_name(month) for month in months})


def rival(train: Trips, validate: Trips, geography: Geography) -> float:
    """The RMSE of a plain gradient boosting on the same trips and columns, with many trees, slowly learnt."""
    minutes = train.minutes.to_numpy()
    design, table = learn_design(train.frame, minutes, geography, use_distance=True, folds=5)
    boosting = HistGradientBoostingRegressor(
        max_iter=RIVALS_TREES,
        learning_rate=RIVALS_RATE,
        max_leaf_nodes=RIVALS_LEAVES,
        min_samples_leaf=RIVALS_TRIPS_A_LEAF,
        early_stopping=False,
        random_state=0,
    ).fit(table.matrix, minutes)
    predicted = boosting.predict(design.table(validate.frame).matrix)
    return evaluate(validate.minutes.to_numpy(), predicted).rmse


def resident(field: str) -> float:
    """Megabytes of memory at the peak (``VmHWM``)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def processor_seconds() -> float:
    """Of this process and its helpers, as soon as they have ended."""
    helped = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + helped.ru_utime + helped.ru_stime


began, began_cpu = time.perf_counter(), processor_seconds()
with helping(CORES, boosting.__name__) as helpers, ThreadPoolExecutor(CORES) as pool:
    train = load(*learnt)
    geography = find_geography(folder / CENTROIDS_FILE, train)
    model = train_model(
        train, geography, TrainingConfig(), lambda call, given: list(pool.map(partial(helpers.call, call), given))
    ).model
    seconds = time.perf_counter() - began
cpu_seconds, memory = processor_seconds() - began_cpu, resident("VmHWM")
helper_memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
validate = load(judged)
actual = validate.minutes.to_numpy()
began = time.perf_counter()
prediction = predict_trips(model, validate.frame)
rate = len(validate) / (time.perf_counter() - began)
found = {
    "rmse": evaluate(actual, prediction.minutes).rmse,
    "coverage": float(np.mean((prediction.low <= actual) & (actual <= prediction.high))),
    "fit_seconds": seconds,
    "fit_cpu_seconds": cpu_seconds,
    "memory": memory,
    "helper_memory": helper_memory,
    "trips": len(train),
    "rate": rate,
}
if rivals:
    scores = score_baselines(train, validate).scores
    found |= {"rival": rival(train, validate, geography), "baseline": min(score.metrics.rmse for score in scores)}
print(json.dumps(found))
