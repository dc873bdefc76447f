"""Placeholders: what they stand for, and what is left to the run."""

from typing import Any

import pytest

from orchestration.backend.port import Backend
from orchestration.domain.errors import ConfigurationError
from orchestration.sdk.artifacts import Variable
from orchestration.sdk.logs import redact
from orchestration.sdk.projects.pulling import ALL, BLOCKS, filled
from tests.support.saving import saved_secret


@pytest.fixture(autouse=True)
def _stored(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    Variable.set("limits", {"most": [1, 2]})
    saved_secret("token", "s3cr3t-value")
    monkeypatch.setenv("PLACE", "here")


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("{{ $PLACE }}", "here"), ("in {{$PLACE}} / {{ build.tag }}", "in here / 7"), ("{{ build.tag }}", 7),
        ("{{ prefect.variables.limits }}", {"most": [1, 2]}), (["{{ prefect.variables.limits.most.1 }}"], [2]),
        ({"a": {"b": "{{ orchestration.variables.limits.most }}"}}, {"a": {"b": [1, 2]}}),
        ("{{ prefect.blocks.secret.token }}", "s3cr3t-value"), ("{ plain }", "{ plain }"), (None, None),
    ],
)  # fmt: skip
def test_a_placeholder_becomes_what_it_stands_for(value: Any, meant: Any) -> None:
    assert filled(value, {"build": {"tag": 7}}) == meant


@pytest.mark.parametrize(
    "name", ["$ABSENT_ONE", "prefect.variables.absent", "prefect.blocks.secret.absent", "prefect.blocks.secret", "x.y",
             "prefect.variables.limits.least", "build.absent"],
)  # fmt: skip
def test_a_placeholder_that_stands_for_nothing_is_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match="stands for nothing") as caught:
        filled(f"{{{{ {name} }}}}", {"build": {}})
    assert name in str(caught.value)


def test_what_is_secret_in_a_block_is_redacted_from_then_on() -> None:
    filled("{{ prefect.blocks.secret.token }}", {})
    assert "s3cr3t" not in redact("the token is s3cr3t-value")


def test_some_placeholders_are_left_to_the_run() -> None:
    value = {"a": "{{ build.tag }}", "b": "{{ prefect.blocks.secret.token }}", "c": "x {{ $PLACE }}"}
    assert filled(value, {"build": {"tag": 7}}, ALL) == {**value, "a": 7}
    assert filled(value, {"build": {"tag": 7}}, BLOCKS) == {**value, "a": 7, "c": "x here"}
