"""The champion chosen by hand: what the command prints, and how it ends."""

from pathlib import Path

import pytest

from pipelines.duration_prediction.data import Trips
from pipelines.duration_prediction.model import DurationModel
from pipelines.duration_prediction.promote import main
from pipelines.duration_prediction.registry import TrainingRecord, register_model
from pipelines.duration_prediction.store import find_store
from pipelines.tlc import Colour


def test_a_version_is_promoted_and_the_promotion_taken_back(
    made_home: Path, train: Trips, fitted: DurationModel, capsys: pytest.CaptureFixture[str]
) -> None:
    store = find_store({}, made_home)
    for fingerprint in ("one", "two"):
        record = TrainingRecord(Colour.GREEN, fingerprint, {}, {}, {}, train.frame.head(3))
        register_model(fitted, record, store, lambda _: False)
    assert [main(["1"]), main(["2"]), main(["rollback"])] == [0, 0, 0]
    assert capsys.readouterr().out.splitlines() == [
        "Version 1 of nyc-taxi-duration is now the champion.",
        "Version 2 of nyc-taxi-duration is now the champion, in place of version 1.",
        "Version 1 of nyc-taxi-duration is now the champion, in place of version 2.",
    ]


@pytest.mark.usefixtures("made_home")
@pytest.mark.parametrize("arguments", [["7"], ["rollback"], ["1", "--colour", "yellow"]])
def test_what_cannot_be_done_is_said_in_one_sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("No version of nyc-taxi-duration")
    assert printed.err.endswith("is registered yet: train one first.\n")
    assert printed.err.count("\n") == 1


def test_an_unknown_colour_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["1", "--colour", "blue"])
    assert ended.value.code == 2
    assert "blue" in capsys.readouterr().err
