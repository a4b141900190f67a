"""The run forms: what they show of every flow, and what they send for what nobody filled in."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError
from prefect.flows import Flow
from prefect.utilities.schema_tools.validation import ValidationError, validate

import flows
from blocks import BackupStore, CadenzaAccount, PtolemyWorkspace
from flows.sync_venues import _in_words

NAMES = [found.name for found in iter_modules(flows.__path__)]
BY_SLUG = {"$ref": {"block_document_slug": "a-kind/a-name"}}
UI_SENDS_DEFAULTS = pytest.mark.parametrize("name", NAMES)

BLOCKS: dict[str, Any] = {
    "workspace": PtolemyWorkspace(workspace="demo", token="t"),
    "target": PtolemyWorkspace(workspace="demo", token="t"),
    "account": CadenzaAccount(url="http://127.0.0.1:1"),
    "store": BackupStore(bucket="b"),
}
TYPED = {"venue": " BINANCE ", "run_id": " 7f ", "into": " demo\n"}


def flow_of(name: str) -> Flow[..., Any]:
    found: Flow[..., Any] = getattr(import_module(f"flows.{name}"), name)
    return found


def schema_of(name: str) -> dict[str, Any]:
    return flow_of(name).parameters.model_dump(mode="json")


def untouched(name: str) -> dict[str, Any]:
    """What both UIs send of a form that only required fields were filled in of."""
    schema = schema_of(name)
    sent = {key: found["default"] for key, found in schema["properties"].items()
            if "default" in found}  # fmt: skip
    for key in schema["required"]:
        sent[key] = "typed" if schema["properties"][key].get("type") == "string" else BY_SLUG
    return sent


# What a form shows


@UI_SENDS_DEFAULTS
def test_every_field_is_explained_and_in_order(name: str) -> None:
    properties = schema_of(name)["properties"]
    assert [found["position"] for found in properties.values()] == list(range(len(properties)))
    for key, found in properties.items():
        assert found["title"] == key, "messages, commands and --param call it so"
        assert found["description"].strip().endswith("."), key
        # The one UI makes code of backticks, the other shows them.
        assert "`" not in found["description"], key
        assert {"type", "$ref", "anyOf"} & set(found), key


@UI_SENDS_DEFAULTS
def test_what_has_to_be_given_comes_first_and_the_mode_right_after_it(name: str) -> None:
    schema = schema_of(name)
    names, required = list(schema["properties"]), schema["required"]
    assert names[: len(required)] == required
    if "mode" in names:
        assert names.index("mode") == len(required)
        assert schema["properties"]["mode"]["default"] == "plan"
        assert schema["properties"]["mode"]["enum"] == ["plan", "apply"]


@UI_SENDS_DEFAULTS
def test_an_optional_field_is_one_plain_field(name: str) -> None:
    """Two tabs, of which one is None, are left to blocks and to Ptolemy's filter."""
    tabs = {key for key, found in schema_of(name)["properties"].items() if "anyOf" in found}
    assert tabs <= {"feed", "filter", "scratch", "sample"}


@UI_SENDS_DEFAULTS
def test_a_reference_to_a_block_is_valid_for_the_server(name: str) -> None:
    """Prefect lets references in by the title of a definition, which so has to be its name."""
    for key, definition in schema_of(name).get("definitions", {}).items():
        if "block_type_slug" in definition:
            assert definition["title"] == key


# What a form sends


@UI_SENDS_DEFAULTS
def test_the_server_takes_an_untouched_form(name: str) -> None:
    validate(untouched(name), schema_of(name), raise_on_error=True)


def test_the_server_refuses_a_form_without_what_has_to_be_given() -> None:
    sent = untouched("restore_workspace")
    del sent["into"]
    with pytest.raises(ValidationError, match="'into' is a required property"):
        validate(sent, schema_of("restore_workspace"), raise_on_error=True)


def received(name: str, **sent: Any) -> dict[str, Any]:
    """What the flow gets, also where the form was told not to validate."""
    flow = flow_of(name)
    given: dict[str, Any] = {key: BLOCKS[key] for key in flow.parameters.required if key in BLOCKS}
    typed = {key: TYPED[key] for key in flow.parameters.required if key in TYPED}
    if name == "sync_instruments":
        given["feed"] = {"name": "x", "url": "/x.csv", "instrument_type": "t",
                         "identifier": "{a}", "scope": "all"}  # fmt: skip
    return flow.validate_parameters(given | typed | sent)


ANY_OF_NOTHING = ("", "  ", None)
"""A text that was typed and emptied; a blank; what an older form or a program sends."""

OPTIONAL_TEXTS = [
    (name, key, found["default"])
    for name in NAMES
    for key, found in schema_of(name)["properties"].items()
    if found.get("type") == "string" and "default" in found and key not in BLOCKS
    if key not in {"mode", "depth", "format", "compression", "against"}
]
SLUGS = [(name, "workspace", "") for name in NAMES
         if schema_of(name)["properties"].get("workspace", {}).get("type") == "string"]  # fmt: skip
LISTS = [
    (name, key)
    for name in NAMES
    for key, found in schema_of(name)["properties"].items()
    if found.get("type") == "array"
]


def test_all_that_is_optional_is_known_here() -> None:
    assert len(OPTIONAL_TEXTS) == 12
    assert len(SLUGS) == 4
    assert len(LISTS) == 7


@pytest.mark.parametrize(("name", "key", "default"), OPTIONAL_TEXTS + SLUGS)
def test_a_blank_text_is_not_given(name: str, key: str, default: str) -> None:
    for blank in ANY_OF_NOTHING:
        assert received(name, **{key: blank})[key] == default, repr(blank)


@pytest.mark.parametrize(("name", "key"), LISTS)
def test_items_that_nobody_filled_in_are_not_given(name: str, key: str) -> None:
    """V1 sends null for such an item; the server says so beside it, unless told not to look."""
    for empty in ([], None, [""], [None], ["  ", None]):
        assert received(name, **{key: empty})[key] == [], repr(empty)
    assert schema_of(name)["properties"][key]["default"] == []
    sent = untouched(name) | {key: [None]}
    with pytest.raises(ValidationError, match=rf"field '{key}\[0\]'"):
        validate(sent, schema_of(name), raise_on_error=True)


@pytest.mark.parametrize(
    ("name", "key", "told"),
    [
        ("publish_venue", "venue", "BINANCE"),
        ("compare_venue", "venue", "BINANCE"),
        ("revert_run", "run_id", "7f"),
        ("restore_workspace", "into", "demo"),
    ],
)
def test_what_was_copied_with_blanks_around_it_is_taken_without(
    name: str, key: str, told: str
) -> None:
    assert received(name)[key] == told


def test_values_arrive_as_they_were_meant() -> None:
    found = received("restore_workspace", resource_types=["markets", ""], identifiers=[" a.ax "],
                     on_existing="skip", backup=" 2026-11-19T00-30-00Z ")  # fmt: skip
    assert found["resource_types"] == ["markets"]
    assert found["identifiers"] == ["a.ax"]
    assert found["on_existing"] == "skip"
    assert found["backup"] == "2026-11-19T00-30-00Z"
    assert received("sync_instruments", approve=f" {'ab' * 32}\n")["approve"] == "ab" * 32


def test_a_number_may_come_as_its_text() -> None:
    assert received("prune_backups", keep_daily="14")["keep_daily"] == 14
    assert received("verify_backup", sample="50")["sample"] == 50
    assert received("verify_backup", sample="all")["sample"] == "all"


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("sync_instruments", {"mode": "do it"}),
        ("sync_instruments", {"only": "a.ax"}),
        ("restore_workspace", {"on_existing": "overwrite"}),
        ("backup_workspace", {"resource_types": ["instrument"]}),
        ("prune_backups", {"keep_daily": -1}),
        ("verify_backup", {"sample": 0}),
    ],
)
def test_anything_else_is_refused(name: str, sent: dict[str, Any]) -> None:
    with pytest.raises(ParameterTypeError):
        received(name, **sent)


def test_a_run_is_named_after_what_was_filled_in() -> None:
    assert _in_words(["BINANCE", None, " "], "venues") == "BINANCE"  # type: ignore[list-item]
    assert _in_words([""], "venues") == ""
