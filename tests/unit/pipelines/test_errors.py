"""The tree of errors."""

import pytest

from pipelines import errors

DATA_ERRORS = [
    errors.MissingMonthError,
    errors.LateMonthError,
    errors.OverdueMonthError,
    errors.UnreadableFileError,
    errors.ContractError,
    errors.WrongMonthError,
    errors.NoValidTripsError,
]


@pytest.mark.parametrize("error", DATA_ERRORS)
def test_an_error_in_a_months_file_is_a_data_error(error: type[Exception]) -> None:
    assert issubclass(error, errors.DataError)


@pytest.mark.parametrize("error", [errors.MonthError, errors.SourceError, errors.EndpointError, errors.DataError])
def test_one_name_catches_whatever_a_user_can_put_right(error: type[Exception]) -> None:
    assert issubclass(error, errors.PipelineError)
