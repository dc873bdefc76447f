"""What is read off the facts of a report."""

from dataclasses import replace

from tests.support.findings import FINDINGS, make_facts


def test_trips_are_counted_by_what_they_were_used_to() -> None:
    assert (FINDINGS.n_train, FINDINGS.n_validate) == (73_906, 61_920)


def test_the_best_baseline_is_the_one_to_beat() -> None:
    assert FINDINGS.best_baseline.name == "Linear model on pair and distance"


def test_the_numbers_leave_out_a_champion_that_is_not_there() -> None:
    numbers = FINDINGS.numbers()
    assert (numbers["rmse"], numbers["champion_rmse"], numbers["drift_psi_max"]) == (5.128, 5.31, 0.012)
    assert "champion_rmse" not in replace(FINDINGS, rival=None).numbers()


def test_the_metrics_artifact_says_which_month_and_model_it_is_about() -> None:
    table = make_facts().table()
    words = {name: value for name, value in table.items() if isinstance(value, str)}
    assert words == {
        "colour": "green",
        "validate_month": "2021-02",
        "train_months": "2021-01",
        "geography": "asset",
        "model_uri": "models:/nyc-taxi-duration/4",
        "fate": "promoted to champion",
    }
    assert table["rmse"] == 5.128
