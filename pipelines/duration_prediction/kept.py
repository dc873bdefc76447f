"""What is kept with a registered model besides the model: how its candidates did, and what its months looked like."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from pipelines.duration_prediction.drift import Profile
from pipelines.duration_prediction.fitting import CandidateScore

CANDIDATES_FILE = "candidates.json"
PROFILE_FILE = "profile.json"


def kept_files(candidates: Sequence[CandidateScore], profile: Profile) -> dict[str, bytes]:
    """The files to keep, by name."""
    written = json.dumps([asdict(each) for each in candidates], indent=1)
    return {CANDIDATES_FILE: written.encode(), PROFILE_FILE: profile.to_json().encode()}


def read_candidates(text: str | None) -> tuple[CandidateScore, ...]:
    """The candidates as `kept_files` wrote them, best first; none where nothing was kept."""
    documents: list[Mapping[str, object]] = json.loads(text or "[]")
    return tuple(CandidateScore(**document) for document in documents)  # type: ignore[arg-type]
