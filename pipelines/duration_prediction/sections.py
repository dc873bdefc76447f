"""The report's sections: facts in, headings, sentences, tables and figures out."""

from collections.abc import Callable, Iterable

from pipelines.duration_prediction.document import (
    Block,
    Callout,
    Document,
    Figure,
    Heading,
    Paragraph,
    Table,
    Tiles,
    Tone,
)
from pipelines.duration_prediction.drift import Drift
from pipelines.duration_prediction.facts import Findings, ReportFacts
from pipelines.duration_prediction.history import up_to
from pipelines.duration_prediction.metrics import Metrics
from pipelines.duration_prediction.quality import NOTED, REMOVED, quality_table
from pipelines.duration_prediction.slices import Slice
from pipelines.duration_prediction.standing import Fate
from pipelines.tlc import Month

GENERATED_WARNING = (
    "The data of this report are generated, not real: random trips in the TLC's format, made because no real months "
    "were at hand. The figures show that the job works and say nothing about New York's taxis."
)
THIS_MODEL = "This model"
TREND_MONTHS = 12
TREND_COLUMNS = {"RMSE": "rmse", "MAE": "mae", "Best baseline": "baseline_rmse", "Champion before": "champion_rmse"}
PLACES = {"asset": "the TLC's zone centroids", "learnt": "places learnt from the trips' distances"}
ERROR_COLUMNS = ("RMSE", "MAE", "R2", "P50", "P90", "Bias")


def verdict(facts: ReportFacts) -> str:
    """The report in one line: what became of the model, how far off it is, and how that compares."""
    found = facts.found
    best = found.best_baseline
    gain = 1 - found.metrics.rmse / best.metrics.rmse
    fate = facts.outcome.fate.capitalize()
    against = (
        f"{gain:.0%} better than the best baseline ({best.name}: {best.metrics.rmse:.2f})"
        if gain > 0
        else f"no better than the best baseline ({best.name}: {best.metrics.rmse:.2f}), so not worth deploying"
    )
    return f"{fate}: off by an RMSE of {found.metrics.rmse:.2f} minutes on {found.plan.validate}, {against}."


def opening(facts: ReportFacts) -> list[Block]:
    """The title, the verdict with its reason, warnings, and the figures at a glance."""
    found = facts.found
    train = ", ".join(map(str, found.plan.train))
    worthy = found.metrics.rmse < found.best_baseline.metrics.rmse
    tone: Tone = ("good" if facts.outcome.fate is not Fate.KEPT else "note") if worthy else "bad"
    blocks: list[Block] = [
        Heading("Duration model report", 1),
        Paragraph(
            f"{found.colour.capitalize()} taxis, learnt from {train} ({found.n_train:,} trips), judged on "
            f"{found.plan.validate} ({found.n_validate:,} trips), {facts.day.isoformat()}."
        ),
        Callout(verdict(facts), tone),
        Paragraph(facts.outcome.reason),
    ]
    if facts.outcome.reused:
        blocks.append(Paragraph("An earlier run had made and registered this very model, so it was not made again."))
    if found.generated:
        blocks.append(Callout(GENERATED_WARNING, "note"))
    if found.drift.flagged:
        blocks.append(
            Callout(f"{found.plan.validate} differs from the training months. {' '.join(found.drift.flagged)}", "note")
        )
    return [*blocks, _tiles(found)]


def comparison(found: Findings) -> list[Block]:
    """The model against the champion and the baselines, on the same trips."""
    rows: list[tuple[str, Metrics]] = [(THIS_MODEL, found.metrics)]
    if found.rival is not None:
        rival = found.rival
        learnt = ", ".join(map(str, rival.train_months))
        rows.append((f"Champion (version {rival.version}, learnt from {learnt})", rival.metrics))
    rows += [(score.name, score.metrics) for score in found.baselines]
    said = f"Errors on the trips of {found.plan.validate}, in minutes; P50 and P90 are centiles of the absolute error."
    return [
        Heading("Against the baselines and the champion"),
        Table(("Model", *ERROR_COLUMNS), tuple((name, *errors(metrics)) for name, metrics in rows), marked=0),
        Paragraph(" ".join([said, *_difference(found), *found.left_out])),
    ]


def trend(facts: ReportFacts, figures: Iterable[str]) -> list[Block]:
    """RMSE by validation month, from earlier reports."""
    found = facts.found
    months = up_to(facts.history, found.judged())[-TREND_MONTHS:]
    known = {metric for month in months for metric in month.numbers}
    columns = {name: metric for name, metric in TREND_COLUMNS.items() if metric in known}
    rows = tuple(
        (each.month, *(_number(each.get(metric)) for metric in columns.values()), _count(each.get("n_validate")))
        for each in months
    )
    drawn = [Figure("trend", "RMSE in minutes by validation month.")] if "trend" in figures else []
    alone = [] if len(months) > 1 else [Paragraph("The trend begins with this month: there is no earlier report.")]
    return [
        Heading("Trend"),
        *drawn,
        Table(("Month", *columns, "Trips"), rows, marked=len(rows) - 1),
        *alone,
    ]


def changes(facts: ReportFacts) -> list[Block]:
    """This month beside the last one that was judged."""
    found = facts.found
    now = found.judged()
    earlier = [month for month in facts.history if month.month < now.month]
    if not earlier:
        return [Heading("What changed since last month"), Paragraph("There is no earlier month to compare with.")]
    before = earlier[-1]
    shown: dict[str, tuple[str, Callable[[float | None], str]]] = {
        "RMSE, minutes": ("rmse", _number),
        "Mean absolute error, minutes": ("mae", _number),
        "Bias, minutes": ("bias", _number),
        "Best baseline's RMSE": ("baseline_rmse", _number),
        "Share of trips within their interval": ("coverage", _share),
        "Width of the interval, minutes": ("interval_width", _number),
        "Trips judged on": ("n_validate", _count),
        "Trips learnt from": ("n_train", _count),
        "Largest stability index": ("drift_psi_max", _number),
    }
    rows = tuple(
        (name, tell(before.get(metric)), tell(now.get(metric)), _change(before.get(metric), now.get(metric), tell))
        for name, (metric, tell) in shown.items()
    )
    return [
        Heading("What changed since last month"),
        Table(("", before.month, now.month, "Change"), rows),
    ]


def errors_by_slice(found: Findings, figures: Iterable[str]) -> list[Block]:
    """Where and when the model errs, in figures and by slice."""
    captions = {
        "residuals": Figure("residuals", "How far off the predictions are.", wide=False),
        "calibration": Figure("calibration", "Trips predicted alike: how long they took.", wide=False),
        "error-by-hour": Figure("error-by-hour", "Errors in minutes by the hour of pick-up."),
        "error-map": Figure("error-map", _map_caption(found)),
    }
    known = set(figures)
    coverage = found.evaluation.coverage
    return [
        Heading("Where it errs"),
        Paragraph(
            f"Of the trips, {coverage.measured:.1%} took as long as their prediction interval allows, which promises "
            f"{coverage.promised:.0%} and is {coverage.mean_width:.1f} minutes wide on average."
        ),
        *(figure for name, figure in captions.items() if name in known),
        *_slice_table("Distance", found.evaluation.by_distance),
        *_slice_table("Borough of pick-up", found.evaluation.by_borough),
    ]


def worst_trips(facts: ReportFacts) -> list[Block]:
    """The trips that the model was most wrong about."""
    found = facts.found
    rows = tuple(
        (
            f"{trip.pickup:%a %d %H:%M}",
            _zone(facts, trip.pickup_zone),
            _zone(facts, trip.dropoff_zone),
            _number(trip.miles, 1),
            _number(trip.actual, 1),
            _number(trip.predicted, 1),
        )
        for trip in found.evaluation.worst
    )
    return [
        Heading("The worst trips"),
        Table(("Pick-up", "From", "To", "Miles", "Actual minutes", "Predicted"), rows),
    ]


def data_quality(found: Findings) -> list[Block]:
    """What the months' files held, and how the judged month differs from those learnt from."""
    table = quality_table(found.counts, found.plan.validate)
    words = [*REMOVED.values()]
    rows = tuple(
        (
            f"{row.month} ({'judged' if row.judged else 'learnt'})",
            f"{row.rows:,}",
            *(f"{row.removed[rule]:,}" for rule in words),
            f"{row.kept:,}",
        )
        for row in table
    )
    noted = tuple((str(row.month), *(f"{row.noted[rule]:,}" for rule in NOTED.values())) for row in table)
    return [
        Heading("Data"),
        Paragraph("Rows that each rule took away, a row counted for the first that it breaks:"),
        Table(("Month", "Rows", *(word.capitalize() for word in words), "Kept"), rows),
        Paragraph("Rows that were kept, but are odd:"),
        Table(("Month", *(word.capitalize() for word in NOTED.values())), noted),
        *_drift(str(found.plan.validate), found.drift),
    ]


def training(found: Findings) -> list[Block]:
    """The candidates that were tried, best first."""
    if not found.candidates:
        return []
    rows = tuple(
        (each.name, _number(each.rmse), _count(each.trips), _count(each.trees), "yes" if each.chosen else "no")
        for each in found.candidates
    )
    return [
        Heading("How it was trained"),
        Paragraph(
            "The candidates on the last days of the training months, which decided: RMSE in minutes, the trips that "
            f"each learnt from, its trees. Where the zones lie: {PLACES[found.geography]}."
        ),
        Table(("Candidate", "RMSE", "Trips", "Trees", "Chosen"), rows, marked=0),
    ]


def provenance(facts: ReportFacts) -> list[Block]:
    """Where everything came from."""
    return [Heading("Provenance"), Table(("What", "Value"), tuple(facts.provenance.items()))]


def predicted_month(month: Month, path: str, rows: int, model_uri: str, drift: Drift | None) -> Document:
    """What is told of a month's predictions: where they are, whose they are, and how the month has drifted."""
    flagged = () if drift is None or not drift.flagged else (Callout(" ".join(drift.flagged), "note"),)
    figures = () if drift is None else tuple(_drift(str(month), drift))
    facts = (("Rows", f"{rows:,}"), ("File in the bucket", path), ("Model", model_uri))
    return (
        Heading(f"Predicted durations of {month}", 1),
        *flagged,
        Table(("What", "Value"), facts),
        *figures,
    )


def errors(metrics: Metrics) -> tuple[str, ...]:
    """The errors of a model as the cells of a table."""
    return (
        *(_number(value) for value in (metrics.rmse, metrics.mae, metrics.r2, metrics.p50, metrics.p90)),
        f"{metrics.bias:+.2f}",
    )


def _tiles(found: Findings) -> Tiles:
    metrics, coverage = found.metrics, found.evaluation.coverage
    rival = found.rival
    versus = [] if rival is None else [("Champion", _number(rival.metrics.rmse), f"version {rival.version}")]
    return Tiles(
        (
            ("RMSE", _number(metrics.rmse), "minutes"),
            ("Best baseline", _number(found.best_baseline.metrics.rmse), "minutes"),
            *versus,
            ("Median error", _number(metrics.p50), "minutes"),
            ("R2", _number(metrics.r2), "explained"),
            ("In interval", f"{coverage.measured:.1%}", f"promised {coverage.promised:.0%}"),
        )
    )


def _difference(found: Findings) -> list[str]:
    if found.rival is None:
        return []
    difference = found.rival.difference
    return [
        f"This model's RMSE minus the champion's is {difference.estimate:+.2f} minutes "
        f"({difference.confidence:.0%} bootstrap interval {difference.low:+.2f} to {difference.high:+.2f})."
    ]


def _slice_table(name: str, slices: tuple[Slice, ...]) -> list[Block]:
    if not slices:
        return []
    rows = tuple((each.name, f"{each.trips:,}", *errors(each.metrics)) for each in slices)
    return [Table((name, "Trips", *ERROR_COLUMNS), rows)]


def _drift(month: str, drift: Drift) -> list[Block]:
    rows = tuple(
        (
            column.name,
            _number(column.psi, 3),
            f"{column.reference_missing:.1%}",
            f"{column.missing:.1%}",
            str(column.level),
        )
        for column in sorted(drift.columns, key=lambda column: -column.psi)
    )
    return [
        Heading("Drift", 3),
        Paragraph(
            f"{month} has {drift.rows:,} rows, {drift.row_ratio:.2f} times those of a training month. "
            "The population stability index tells how far a column has moved: 0.1 is little, 0.25 much."
        ),
        Table(("Column", "Stability index", "Missing in training", "Missing now", "Flag"), rows),
    ]


def _map_caption(found: Findings) -> str:
    return f"Mean absolute error by zone, on {PLACES[found.geography]}; the larger the dot, the more trips."


def _zone(facts: ReportFacts, zone: int) -> str:
    return facts.zone_names.get(zone, f"zone {zone}")


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _count(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _change(before: float | None, now: float | None, tell: Callable[[float | None], str]) -> str:
    if before is None or now is None:
        return ""
    return f"{'+' if now >= before else '-'}{tell(abs(now - before))}"
