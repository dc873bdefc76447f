"""What workers ask of a server: claims with leases of ours, and of a Prefect server its own Pending proposals."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import cached_property
from uuid import UUID

from orchestration.backend.clock import DICE, utc_now
from orchestration.backend.http import HttpBackend
from orchestration.domain.rules import Accept
from orchestration.domain.schedules import left_behind
from orchestration.domain.schemas.wire import Document
from orchestration.domain.states import Pending

_log = logging.getLogger("orchestration")


class HttpWork(HttpBackend):
    """On a Prefect server the claim on a run is its Pending state, and the id of the claim that of the run."""

    def claim_runs(
        self, work_pool_id: UUID, queues: Sequence[str], limit: int, holder: str, wait: float = 0.0
    ) -> list[Document]:
        """Take the most urgent runs that may start; waits up to ``wait`` seconds for one."""
        if self._has_leases:
            asked = {"queues": list(queues), "limit": limit, "holder": holder, "wait": wait}
            return list(self.ask("POST", f"/x/work_pools/{work_pool_id}/claim", asked))
        due = [each["flow_run"] for each in self.scheduled_runs(work_pool_id, queues, utc_now(), limit)]
        mine = [run for run in due if isinstance(self.propose_flow_run_state(UUID(run["id"]), Pending()), Accept)]
        time.sleep(0 if mine else wait)
        return [{**run, "claim_id": run["id"]} for run in mine]

    def renew_claims(self, claim_ids: Sequence[UUID]) -> dict[UUID, str]:
        """Keep claims; those that are still held, each with the type of its run's state."""
        if not self._has_leases:
            return {each: str(self.flow_run(each).state_type) for each in claim_ids}
        found = self.ask("POST", "/x/claims/renew", {"claim_ids": list(claim_ids)})
        return {UUID(claim_id): kind for claim_id, kind in found.items()}

    def end_claim(self, claim_id: UUID, message: str | None = None) -> None:
        """Give up a claim; ``message`` tells what went wrong."""
        if self._has_leases:
            self.ask("POST", f"/x/claims/{claim_id}/end", {"message": message})
            return
        for state in left_behind(self.flow_run(claim_id), message, utc_now(), DICE.random()):
            self.propose_flow_run_state(claim_id, state, force=True)

    @cached_property
    def _has_leases(self) -> bool:
        """Whether the server knows leases; told once where it does not."""
        if not self.is_ours:
            lacking = "a run whose worker dies stays there as it is until somebody looks"
            _log.warning("The server at %s knows no leases; %s.", self._transport.url, lacking)
        return self.is_ours
