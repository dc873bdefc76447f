"""What each section of the report says of its facts."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from pipelines.duration_prediction import sections
from pipelines.duration_prediction.document import Block, Callout, Figure, to_text
from pipelines.duration_prediction.metrics import Metrics
from pipelines.duration_prediction.standing import Fate, Outcome
from pipelines.tlc import Month
from tests.support.findings import CALM, EARLIER, EVALUATION, FINDINGS, SHIFTED, make_facts

KEPT = Outcome("models:/nyc-taxi-duration/4", True, Fate.KEPT, "Kept as challenger: not better.")


def _text(blocks: Sequence[Block]) -> str:
    return to_text(tuple(blocks))


def _tones(blocks: Sequence[Block]) -> list[str]:
    return [block.tone for block in blocks if isinstance(block, Callout)]


def test_the_verdict_says_what_became_of_the_model() -> None:
    assert sections.verdict(make_facts()).startswith("Promoted to champion: off by an RMSE of 5.13 minutes on 2021-02")
    assert sections.verdict(make_facts(outcome=KEPT)).startswith("Kept as challenger: off by")


def test_good_news_bad_news_and_neither_look_different() -> None:
    worse = replace(FINDINGS, evaluation=replace(EVALUATION, metrics=Metrics(8.0, 6.0, 0.4, 3.0, 9.0, 0.0)))
    assert _tones(sections.opening(make_facts())) == ["good"]
    assert _tones(sections.opening(make_facts(outcome=KEPT))) == ["note"]
    assert _tones(sections.opening(make_facts(worse))) == ["bad"]
    assert "no better than the best baseline" in _text(sections.opening(make_facts(worse)))
    assert "so not worth deploying" in _text(sections.opening(make_facts(worse)))


def test_a_model_that_was_there_already_and_a_month_that_has_drifted_are_mentioned() -> None:
    opening = sections.opening(make_facts(replace(FINDINGS, drift=SHIFTED), outcome=KEPT))
    assert "An earlier run had made and registered this very model" in _text(opening)
    assert "2021-02 differs from the training months. VendorID has shifted" in _text(opening)


def test_the_champion_stands_beside_the_model_with_how_sure_one_may_be() -> None:
    text = _text(sections.comparison(FINDINGS))
    assert "Champion (version 3, learnt from 2020-12)  5.31" in text
    assert "is -0.18 minutes (95% bootstrap interval -0.21 to -0.15)" in text
    alone = _text(sections.comparison(replace(FINDINGS, rival=None, left_out=("XGBoost is not installed.",))))
    assert "Champion (" not in alone
    assert "XGBoost is not installed." in alone


def test_the_trend_ends_with_this_month_and_leaves_gaps_where_nothing_is_known() -> None:
    text = _text(sections.trend(make_facts(), {"trend": b""}))
    assert "[Figure: RMSE in minutes by validation month.]" in text
    assert [line.split() for line in text.splitlines() if line.startswith("2021")] == [
        ["2021-01", "5.30", "3.60", "7.90", "70,000"],
        ["2021-02", "5.13", "3.40", "7.76", "5.31", "61,920"],
    ]
    assert "there is no earlier report" in _text(sections.trend(make_facts(history=()), {}))


def test_a_trend_shows_a_year_at_most() -> None:
    month, history = Month(2015, 1), []
    for _ in range(30):
        history.append(replace(EARLIER[0], month=str(month)))
        month = month.next()
    text = _text(sections.trend(make_facts(history=tuple(history)), {}))
    assert len([line for line in text.splitlines() if line[:2] == "20"]) == 12


def test_what_changed_is_told_against_the_last_month_before() -> None:
    later = replace(EARLIER[0], month="2021-03")
    text = _text(sections.changes(make_facts(history=(*EARLIER, later))))
    assert "2021-01  2021-02  Change" in text
    assert "RMSE, minutes" in text
    assert "5.30     5.13   -0.17" in text
    assert "70,000   61,920  -8,080" in text
    assert "no earlier month" in _text(sections.changes(make_facts(history=(later,))))


def test_where_it_errs_is_shown_in_figures_and_slices() -> None:
    blocks = sections.errors_by_slice(FINDINGS, {"residuals": b"", "error-map": b""})
    assert [block.name for block in blocks if isinstance(block, Figure)] == ["residuals", "error-map"]
    text = _text(blocks)
    assert "89.7% took as long as their prediction interval allows, which promises 90% and is 14.2 minutes" in text
    assert "0 to 1 miles  1,200" in text
    assert "Queens" in text
    assert "on the TLC's zone centroids" in text
    learnt = replace(FINDINGS, geography="learnt", evaluation=replace(EVALUATION, by_borough=()))
    text = _text(sections.errors_by_slice(learnt, {"error-map": b""}))
    assert "places learnt from the trips' distances" in text
    assert "Borough" not in text


def test_the_worst_trips_name_their_zones() -> None:
    (line,) = [line for line in _text(sections.worst_trips(make_facts())).splitlines() if "17:30" in line]
    assert re.split("  +", line) == ["Fri 05 17:30", "East Harlem North", "zone 132", "12.3", "9.1", "55.2"]


def test_the_data_are_counted_rule_by_rule_and_their_drift_column_by_column() -> None:
    text = _text(sections.data_quality(FINDINGS))
    assert "2021-01 (learnt)" in text
    assert "2021-02 (judged)" in text
    assert "73,906" in text
    assert "2021-02 has 64,572 rows, 0.84 times those of a training month." in text
    assert "trip_distance            0.012" in text


def test_the_candidates_are_listed_if_they_are_known() -> None:
    assert "Boosting, 31 leaves  5.30" in _text(sections.training(FINDINGS))
    assert sections.training(replace(FINDINGS, candidates=())) == []


@pytest.mark.parametrize(("drift", "flagged"), [(None, False), (CALM, False), (SHIFTED, True)])
def test_a_predicted_month_says_where_its_predictions_are(drift: object, flagged: bool) -> None:
    document = sections.predicted_month(Month(2021, 3), "predictions/x.parquet", 83_827, "models:/m/4", drift)  # type: ignore[arg-type]
    text = to_text(document)
    assert "Rows                83,827" in text
    assert "predictions/x.parquet" in text
    assert ("Stability index" in text) is (drift is not None)
    assert bool(_tones(document)) is flagged
