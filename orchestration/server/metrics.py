"""What the server did and holds, in Prometheus' text form."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestration.backend.port import Backend
from orchestration.domain.schemas.filters import among
from orchestration.domain.states import StateType

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds up to which requests are counted together."""


class Metrics:
    """Counts requests, and how long they took."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.within: Counter[float] = Counter()
        self.seconds = 0.0

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Take note of a request."""
        self.requests[method, route, status] += 1
        self.seconds += seconds
        self.within.update(bound for bound in BOUNDS if seconds <= bound)

    def lines(self, backend: Backend, size: int | None) -> Iterator[str]:
        """All figures, those of the store among them; ``size`` is its bytes on disk where that is known."""
        total = sum(self.requests.values())
        yield from _figures(
            "orchestration_requests_total",
            "counter",
            {
                f'method="{method}",route="{route}",status="{status}"': number
                for (method, route, status), number in sorted(self.requests.items())
            },
        )
        buckets = {f'le="{bound}"': self.within[bound] for bound in BOUNDS} | {'le="+Inf"': total}
        yield from _figures("orchestration_request_seconds", "histogram", buckets, "_bucket")
        yield f"orchestration_request_seconds_sum {self.seconds:.6f}"
        yield f"orchestration_request_seconds_count {total}"
        runs = {
            f'state="{kind.value}"': backend.count("flow_runs", among("flow_runs", state_type=[kind.value]))
            for kind in StateType
        }
        yield from _figures("orchestration_flow_runs", "gauge", runs)
        if size is not None:
            yield from _figures("orchestration_database_bytes", "gauge", {"": size})


def _figures(name: str, kind: str, values: Mapping[str, float], suffix: str = "") -> Iterator[str]:
    yield f"# TYPE {name} {kind}"
    for labels, value in values.items():
        yield f"{name}{suffix}{{{labels}}} {value}" if labels else f"{name}{suffix} {value}"


class Counting:
    """Passes requests on, and tells ``Metrics`` of them by the route that served them."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 500, time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.count(scope["method"], route, status, time.perf_counter() - began)
