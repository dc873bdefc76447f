"""Everything that a user of the pipelines can do wrong or run into, each as one sentence.

PipelineError
├── MonthError            a month that is not one, or a choice of months that cannot be judged
├── SettingError          a setting that there is not, or that cannot be
├── SourceError           the place that should provide the months cannot
│   └── NotPublishedError     the TLC has no such month
├── EndpointError         an embedded server did not start
├── RegistryError         MLflow's store cannot be used
└── DataError             a month's file that cannot be trained on
    ├── MissingMonthError     there is no such file
    │   ├── LateMonthError        nor need there be one yet
    │   └── OverdueMonthError     though there should be one by now; none after it is there either
    ├── UnreadableFileError   empty, truncated, or not parquet
    ├── ContractError         a column is missing or holds something else
    ├── WrongMonthError       the file holds the trips of another month
    ├── NoValidTripsError     nothing is left after cleaning
    └── DriftError            the month differs too much from those that the model learns from
"""


class PipelineError(Exception):
    """Something that its reader can put right; the message says what, where and how."""

    # The engine then logs the sentence alone: a traceback would bury it.
    is_users_mistake = True


class MonthError(PipelineError):
    """A month that is not one, or a choice of months that cannot be judged."""


class SettingError(PipelineError):
    """A setting that there is not, or that cannot have the value given."""


class SourceError(PipelineError):
    """The place that should provide the months cannot."""


class NotPublishedError(SourceError):
    """The TLC has no such month."""


class EndpointError(PipelineError):
    """An embedded server did not start."""


class RegistryError(PipelineError):
    """MLflow's store cannot be used."""


class DataError(PipelineError):
    """A month's file that cannot be trained on."""


class MissingMonthError(DataError):
    """There is no file for the month."""


class LateMonthError(MissingMonthError):
    """There is no file for the month, nor need there be one yet."""


class OverdueMonthError(MissingMonthError):
    """There is no file for the month, though there should be one by now; the months after it are not there either."""


class UnreadableFileError(DataError):
    """The file is empty, truncated, or not parquet."""


class ContractError(DataError):
    """A column is missing or holds something else than the contract says."""


class WrongMonthError(DataError):
    """The file holds the trips of another month."""


class NoValidTripsError(DataError):
    """Nothing is left of the month after cleaning."""


class DriftError(DataError):
    """The month differs too much from those that the model learns from."""
