"""Known secrets leave no text; unknown ones cost nothing."""

from collections.abc import Iterator

import pytest
from pydantic import SecretBytes, SecretStr

from orchestration.sdk.block_model import SecretDict
from orchestration.sdk.blocks import Block
from orchestration.sdk.logs import redact, remember_secret
from tests.support.forgetting import forget_secrets


@pytest.fixture(autouse=True)
def _no_secrets() -> Iterator[None]:
    forget_secrets()
    yield
    forget_secrets()


def test_without_secrets_the_text_itself_comes_back() -> None:
    text = "nothing to hide"
    assert redact(text) is text


def test_a_secret_is_masked_wherever_it_stands() -> None:
    remember_secret("s3cr3t-value")
    assert redact("a=s3cr3t-value; b=s3cr3t-value.") == "a=********; b=********."


def test_the_longer_secret_goes_first() -> None:
    remember_secret("alpha")
    remember_secret("alpha-beta")
    assert redact("alpha-beta alpha") == "******** ********"


def test_a_secret_is_masked_as_json_and_urls_spell_it() -> None:
    remember_secret('pa"ss/wörd')
    for spelled in ('pa\\"ss/w\\u00f6rd', "pa%22ss%2Fw%C3%B6rd", "pa%22ss/w%C3%B6rd", 'pa"ss/wörd'):
        assert redact(f"<{spelled}>") == "<********>"


def test_a_secret_is_masked_without_the_line_break_that_a_file_gave_it() -> None:
    remember_secret("from-a-file\n")
    assert redact("key from-a-file.") == "key ********."


@pytest.mark.parametrize("short", ["", "abc", "   ", " ab "])
def test_what_is_too_short_blots_out_nothing(short: str) -> None:
    remember_secret(short)
    text = "abc ab a"
    assert redact(text) is text


def test_characters_of_patterns_are_plain_characters() -> None:
    remember_secret("a.*b+(c")
    assert redact("axxb+(c a.*b+(c") == "axxb+(c ********"


def test_making_a_block_teaches_all_of_its_secrets() -> None:
    class Inner(Block):
        key: SecretStr

    class Outer(Block):
        inner: Inner
        raw: SecretBytes
        table: SecretDict
        listed: list[SecretStr]

    Outer(
        inner=Inner(key=SecretStr("inner-key")),
        raw=SecretBytes(b"raw-bytes"),
        table=SecretDict({"a": {"b": "deep-value"}, "n": 123456}),
        listed=[SecretStr("listed-one")],
    )
    assert redact("inner-key raw-bytes deep-value 123456 listed-one") == " ".join(["********"] * 5)
