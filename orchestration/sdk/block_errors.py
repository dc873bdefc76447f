"""What goes wrong with blocks; each is a ``ValueError`` too, as in Prefect."""

from orchestration.domain.errors import ConfigurationError, ObjectAlreadyExists, ObjectNotFound, UsageError


class BlockNotFound(ObjectNotFound, ValueError):
    """There is no saved block of that type and name."""

    is_users_mistake = True


class BlockExists(ObjectAlreadyExists, ValueError):
    """A block of that type and name is saved, and overwriting was not asked for."""

    is_users_mistake = True


class InvalidBlock(ConfigurationError, ValueError, RuntimeError):
    """A saved block does not fit the class that it is loaded into."""

    is_users_mistake = True


class BlockUsageError(UsageError, ValueError):
    """A block is used in a way that cannot work: without a name, before it is saved, ..."""


class UnknownBlockType(UsageError, ValueError):
    """No class of that slug can be found here."""
