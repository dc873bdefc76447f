"""A claimer, or a scheduler, as a process of its own: ``python -m tests.support.working_apart claim|schedule POOL``.

A claimer takes runs and ends them until none is left, and prints the id of each; a scheduler ticks until it is killed.
"""

from __future__ import annotations

import sys
import threading
from uuid import UUID

from orchestration.backend.connect import open_backend
from orchestration.backend.local import LocalBackend
from orchestration.backend.surroundings import current_settings
from orchestration.domain.states import Completed, Running, StateDetails, StoredResult
from orchestration.services import loop
from orchestration.services.loop import Scheduler


def main(what: str, pool_id: str) -> None:
    """Do what the command line says."""
    backend = open_backend(current_settings(), StoredResult)
    assert isinstance(backend, LocalBackend)
    if what == "schedule":
        loop.run(Scheduler(backend).tick, threading.Event())
    while found := backend.claim_runs(UUID(pool_id), (), 5, "claimer", 2.0):
        for run in found:
            run_id, claim_id = UUID(run["id"]), UUID(run["claim_id"])
            for state in (Running(), Completed()):
                backend.propose_flow_run_state(run_id, state.evolve(details=StateDetails(claim_id=claim_id)))
            backend.end_claim(claim_id)
            sys.stdout.write(f"{run_id}\n")
    backend.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
