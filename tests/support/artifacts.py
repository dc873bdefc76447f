"""Artifacts that a test asks for."""

from orchestration import get_client
from orchestration.domain.schemas.catalog import Artifact
from orchestration.domain.schemas.filters import among


def newest_artifact(key: str) -> Artifact | None:
    """The newest version of the artifact of that key; ``None`` when there is none."""
    found = get_client(sync_client=True).read_artifacts(among("artifacts", key=[key])["artifacts"], sort="ID_DESC")
    return next(iter(found), None)
