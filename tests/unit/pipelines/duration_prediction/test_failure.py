"""The mail that tells of a failed run."""

from pipelines.duration_prediction.document import to_html, to_text
from pipelines.duration_prediction.failure import Failure

FAILURE = Failure("duration-prediction", "light-boar", "Failed", "No <month>.", ["12:00:01 begun", "x" * 3_000])


def test_it_says_what_failed_and_why() -> None:
    text = to_text(FAILURE.document())
    assert FAILURE.subject == "Trip durations: the run light-boar ended as Failed"
    assert text.startswith("duration-prediction: Failed\n===")
    assert "Flow run  light-boar\nState     Failed\nReason    No <month>.\n" in text
    assert "12:00:01 begun\nxxx" in text


def test_a_line_of_any_length_makes_no_mail_of_any_length() -> None:
    assert len(to_text(FAILURE.document())) < 2_500


def test_what_a_run_says_is_text_and_not_markup() -> None:
    assert "No &lt;month&gt;." in to_html(FAILURE.document(), str)


def test_a_run_that_logged_nothing_says_so() -> None:
    silent = Failure("duration-prediction", "light-boar", "Failed", "No month.", [])
    assert "It logged nothing." in to_text(silent.document())
