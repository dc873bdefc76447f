"""What the server did and holds, in Prometheus' text form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from orchestration.backend.port import Backend
from orchestration.domain.schemas.filters import among
from orchestration.domain.states import StateType


class Metrics:
    """Counts requests, and how long they took."""

    def __init__(self) -> None:
        self._requests: Counter[str] = Counter()
        self._seconds = 0.0

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Take note of a request."""
        self._requests[f'method="{method}",route="{route}",status="{status}"'] += 1
        self._seconds += seconds

    def lines(self, backend: Backend, size: int | None) -> Iterator[str]:
        """All figures, those of the store among them; ``size`` is its bytes on disk where that is known."""
        yield from _figures("orchestration_requests_total", "counter", self._requests)
        yield "# TYPE orchestration_request_seconds summary"
        yield f"orchestration_request_seconds_sum {self._seconds:.6f}"
        yield f"orchestration_request_seconds_count {self._requests.total()}"
        states = {kind.value: among("flow_runs", state_type=[kind.value]) for kind in StateType}
        runs = {f'state="{kind}"': backend.count("flow_runs", where) for kind, where in states.items()}
        yield from _figures("orchestration_flow_runs", "gauge", runs)
        if size is not None:
            yield from _figures("orchestration_database_bytes", "gauge", {"": size})


def _figures(name: str, kind: str, values: Mapping[str, float]) -> Iterator[str]:
    yield f"# TYPE {name} {kind}"
    for labels, value in sorted(values.items()):
        yield f"{name}{{{labels}}} {value}" if labels else f"{name} {value}"
