"""Every error that the orchestration layer raises, in one tree.

::

    OrchestrationError
    ├── ConfigurationError            a setting or a file cannot be honoured
    │   └── NewerSchemaError          the store was written by a newer version
    ├── StoreError                    the store cannot be read or written
    │   ├── ObjectNotFound            no such run, block, variable, ...
    │   └── ObjectAlreadyExists       the name is taken and overwrite was not asked for
    ├── UsageError                    the caller's arguments or place are wrong
    │   ├── MissingContextError       called outside a run
    │   ├── ParameterTypeError        a parameter's value does not fit its annotation
    │   ├── ParameterBindError        the arguments do not fit the signature
    │   ├── MappingLengthMismatch     mapped arguments of different lengths
    │   └── MappingMissingIterable    nothing to map over
    ├── ResultError                   a result cannot be had
    │   ├── MissingResult             it was not kept
    │   ├── SerializationError        it cannot be written or read
    │   └── HashError                 an input cannot be turned into a cache key
    ├── UpstreamTaskError             a dependency did not complete
    ├── RunError                      a run did not complete
    │   ├── FailedRun
    │   ├── CrashedRun
    │   ├── CancelledRun
    │   ├── PausedRun
    │   └── UnfinishedRun
    ├── RunTimeoutError               a run took longer than its ``timeout_seconds`` (also a ``TimeoutError``)
    ├── AcquireTimeoutError           no concurrency slot came free in time (also a ``TimeoutError``)
    └── PauseTimeoutError             nobody resumed a paused run in time (also a ``TimeoutError``)

    RunSignal (BaseException)         not errors: they steer the engine
    ├── Abort                         the run must stop; nothing more is recorded
    └── SuspendSignal                 the run stops here and may be resumed
"""


class OrchestrationError(Exception):
    """Base of all errors of this package."""

    # Whether the sentence alone says what to do, so that a flow run logs it without a traceback.
    is_users_mistake = False


class ConfigurationError(OrchestrationError):
    """A setting or a file cannot be honoured."""


class NewerSchemaError(ConfigurationError):
    """The store was written by a newer version of this package."""


class StoreError(OrchestrationError):
    """The store cannot be read or written."""


class ObjectNotFound(StoreError):
    """Nothing of that name or id is in the store."""


class ObjectAlreadyExists(StoreError):
    """Something of that name is in the store, and overwriting was not asked for."""


class UsageError(OrchestrationError):
    """The caller's arguments, or the place of the call, are wrong."""


class MissingContextError(UsageError):
    """A function that speaks of the current run was called outside one."""


class ParameterTypeError(UsageError, TypeError):
    """A parameter's value does not fit its annotation."""


class ParameterBindError(UsageError, TypeError):
    """The arguments do not fit the function's signature."""


class MappingLengthMismatch(UsageError):
    """Mapped arguments differ in length."""


class MappingMissingIterable(UsageError):
    """``map`` was called without anything to map over."""


class ResultError(OrchestrationError):
    """A result cannot be had."""


class MissingResult(ResultError):
    """The result was not kept, or is no longer there."""


class SerializationError(ResultError):
    """A value cannot be written by, or read with, the chosen serializer."""


class HashError(ResultError):
    """A value cannot be turned into a part of a cache key."""


class UpstreamTaskError(OrchestrationError):
    """A task was not run because something that it waits for did not complete."""


class RunError(OrchestrationError):
    """A run did not complete."""


class FailedRun(RunError):
    """A run ended in a Failed state that carries no exception of its own."""


class CrashedRun(RunError):
    """A run ended because its process or its infrastructure did."""


class CancelledRun(RunError):
    """A run was cancelled."""


class PausedRun(RunError):
    """A run is paused, and its result was asked for."""


class UnfinishedRun(RunError):
    """A run is not finished, and its result was asked for."""


class RunTimeoutError(OrchestrationError, TimeoutError):
    """A run took longer than its ``timeout_seconds``."""


class AcquireTimeoutError(OrchestrationError, TimeoutError):
    """No concurrency slot came free in time."""


class PauseTimeoutError(OrchestrationError, TimeoutError):
    """Nobody resumed a paused run in time."""


class RunSignal(BaseException):
    """Base of the signals that steer the engine; user code should let them pass."""


class Abort(RunSignal):
    """The store refused to let this run go on; it stops without recording more."""


class SuspendSignal(RunSignal):
    """The flow run suspends itself; its process ends and a resume starts a new one."""
