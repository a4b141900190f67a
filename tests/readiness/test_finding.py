"""What goes wrong while looking is a line of the check, and never a secret."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from armillary.errors import ConfigurationError
from armillary.readiness import Finding, Level, worst
from armillary.readiness.finding import looked_at, words_of

OK = Finding("first", Level.OK, "is well")


def test_what_was_found_before_an_error_is_kept_and_the_error_is_a_line() -> None:
    def look() -> Iterator[Finding]:
        yield OK
        raise ConfigurationError("The bucket is gone.", next_step="Make it.")

    assert list(looked_at("store", look)) == [
        OK,
        Finding("store", Level.FAILED, "The bucket is gone.", "Make it."),
    ]


def test_an_error_of_somebody_else_shows_where_it_was_and_no_value() -> None:
    def look() -> Iterator[Finding]:
        raise KeyError("ptk_live_secret")

    (found,) = looked_at("block", look)
    assert found.level is Level.FAILED
    assert found.found.startswith("could not be looked at: KeyError (test_finding.py, line ")
    assert "ptk_live" not in str(found)
    assert found.todo == "Look at it by hand; the other lines hold."


def test_a_block_that_does_not_fit_its_form_names_fields_and_no_values() -> None:
    class Form(BaseModel):
        token: SecretStr
        attempts: int

    with pytest.raises(ValidationError) as caught:
        Form.model_validate({"token": ["ptk_live_secret"], "attempts": "ptk_live_secret"})
    words = words_of(caught.value)
    assert words.startswith("token: ")
    assert "attempts: Input should be a valid integer" in words
    assert "ptk_live" not in words


def test_what_a_server_answered_is_told_without_its_address() -> None:
    request = httpx.Request("GET", "http://user:word@127.0.0.1/api")
    refused = httpx.HTTPStatusError("…", request=request, response=httpx.Response(503))
    assert words_of(refused) == "it answered 503"
    assert words_of(httpx.ConnectError("http://user:word@127.0.0.1")) == "ConnectError"


def test_the_worst_line_is_the_level_of_all() -> None:
    assert worst([]) is Level.OK
    assert worst([OK, Finding("b", Level.WARNING, "")]) is Level.WARNING
    assert worst([Finding("c", Level.FAILED, ""), OK]) is Level.FAILED
