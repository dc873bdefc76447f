"""What the property tests draw their examples from, and how many they draw."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import settings, strategies as st

from orchestration.domain.rules import RetryPolicy
from orchestration.domain.states import State, StateDetails, StateType

quick = settings(deadline=None, max_examples=60, database=None)
"""For a shared machine: no time limit an example, and no folder of examples left behind."""

moments = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
texts = st.text("aZ09 _-'\"\\{}[]:,\n\r\t\0\x1c\x85\u2028éßЖ字🚕", max_size=40)
"""Of the characters that quoting, splitting and encoding get wrong."""
delays = st.floats(0, 1e6, allow_nan=False)
shares = st.floats(0, 10, allow_nan=False)
below_one = st.floats(0, 1, exclude_max=True)

policies = st.builds(
    RetryPolicy, st.integers(0, 50), st.lists(delays, max_size=50).map(tuple), st.none() | st.floats(0, 10)
)
details = st.builds(
    StateDetails,
    *(st.none() | st.uuids() for _ in ("flow_run_id", "task_run_id", "child_flow_run_id")),
    scheduled_time=st.none() | moments,
    cache_key=st.none() | texts,
    cache_expiration=st.none() | moments,
    pause_timeout=st.none() | moments,
    pause_reschedule=st.booleans(),
    pause_key=st.none() | texts,
    run_input_keyset=st.none() | st.dictionaries(texts, texts, max_size=3),
    transition_id=st.none() | st.uuids(),
    retriable=st.none() | st.booleans(),
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
states = st.builds(
    State,
    type=st.sampled_from(StateType),
    name=texts,
    message=st.none() | texts,
    data=st.none(),
    details=details,
    timestamp=moments,
    id=st.uuids(),
)
