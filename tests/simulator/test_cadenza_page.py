"""The reference page and the switches of the simulated Cadenza say the same."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from simulator.cadenza.config import AccountConfig, CadenzaConfig, VenueConfig
from simulator.cadenza.control import OVER_HTTP
from simulator.cadenza.presets import CADENZA_PRESETS
from simulator.cadenza.syncing import SyncScript
from tests.docs.pages import reference, section, table_rows

LISTED = ("accounts", "venues")
SWITCHES = [
    (name, field) for name, field in CadenzaConfig.model_fields.items() if name not in LISTED
]


def page() -> str:
    return section(reference("simulator.md"), "Cadenza")


def written(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def rows_of(field: Any) -> list[str]:
    """The rows of the contract a switch is about."""
    rows: list[str] = field.description.partition(":")[0].split(", ")
    return rows


@pytest.mark.parametrize(("name", "field"), SWITCHES)
def test_every_switch_is_described(name: str, field: Any) -> None:
    [[_, row, values, default, _]] = [
        cells for cells in table_rows(page())[f"cadenza.{name}"] if len(cells) == 5
    ]
    assert default == written(field.default)
    for value in get_args(field.annotation):
        if isinstance(value, str | int):
            assert f"`{value}`" in values
    assert row == ", ".join(rows_of(field))
    assert re.fullmatch(r"[DN]\d+(, [DN]\d+)*|Section \d+|Not stated", row)


def test_no_switch_is_described_that_is_not_there() -> None:
    told = {name for name in table_rows(page()) if name.startswith("cadenza.")}
    assert told == {f"cadenza.{name}" for name, _ in SWITCHES}


def test_every_preset_is_described_as_it_is() -> None:
    rows = table_rows(page())
    for place, preset in enumerate(CADENZA_PRESETS.values(), start=1):
        told = {
            name: cells[place]
            for name, found in rows.items()
            for cells in found
            if name.startswith("cadenza.") and len(cells) == 4 and cells[place]
        }
        assert told == {f"cadenza.{key}": written(value) for key, value in preset.items()}


@pytest.mark.parametrize("model", [AccountConfig, VenueConfig, SyncScript])
def test_every_key_of_an_account_a_venue_and_a_script_is_described(model: type[BaseModel]) -> None:
    assert [name for name in model.model_fields if f"`{name}`" not in page()] == []


def test_every_way_of_steering_is_described() -> None:
    assert [name for name in OVER_HTTP if f"`{name}(" not in page()] == []


@pytest.mark.parametrize("row", [f"D{number}" for number in range(1, 16) if number != 9])
def test_every_point_of_disagreement_has_a_switch(row: str) -> None:
    """D9, open names of venues, is a matter of ``venues``."""
    assert any(row in rows_of(field) for _, field in SWITCHES)


@pytest.mark.parametrize("row", [f"N{number}" for number in range(1, 12)])
def test_every_point_nobody_states_has_a_switch(row: str) -> None:
    assert any(row in rows_of(field) for _, field in SWITCHES)
