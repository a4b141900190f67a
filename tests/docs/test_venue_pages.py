"""The pages about venues and the code say the same."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from armillary.api.cadenza.connection import PRODUCTION, UAT
from armillary.api.cadenza.reading import MOST_READINGS, PAGE_ROWS
from armillary.feeds.cadenza_definition import CadenzaDefinition
from armillary.sync import outcome as sync
from armillary.venues import reconciled
from armillary.venues.asking import MOST_ATTEMPTS
from armillary.venues.outcome import (
    EXIT_CODES,
    FAILED_STATES,
    HEADLINES,
    State,
    VenueOutcome,
    VenuesResult,
    VenueState,
)
from armillary.venues.patience import Patience
from armillary.venues.published import PLANNED_ON, Published
from armillary.venues.reconciled import WORDS, Differing, Found, VenueComparison
from blocks import CadenzaAccount
from simulator.config import Config
from tasks.report_venues import EVENTS
from tasks.venues import MAX_AT_ONCE
from tests.docs.pages import ROOT, reference, section, table_rows, text_of

GUIDE = text_of(Path("docs/guides/venues.md"))
AT_NIGHT = text_of(Path("docs/guides/when-a-venue-says.md"))
STATES = section(reference("states-and-exit-codes.md"), "Of venues")

NUMBERS = {2: "two", 3: "three", 4: "Four", 8: "eight"}


def night(heading: str) -> dict[str, list[list[str]]]:
    part = section(AT_NIGHT, "The state").partition(f"### {heading}\n")[2]
    return table_rows(part.partition("###")[0])


# States and results


@pytest.mark.parametrize("state", State)
def test_every_state_is_described_with_type_and_exit_code(state: State) -> None:
    rows = table_rows(STATES.partition("Of one venue")[0])
    [[_, prefect_type, code, _]] = rows[state]
    assert prefect_type == ("failed" if state in FAILED_STATES else "completed")
    assert code == str(EXIT_CODES[state])


@pytest.mark.parametrize("state", State)
def test_every_state_has_its_line_at_three_in_the_morning(state: State) -> None:
    [_, code, what, _] = night("Of a refresh")[state][0]
    assert code == str(EXIT_CODES[state])
    assert HEADLINES[state] in what


def test_every_state_of_a_venue_is_described_and_no_other() -> None:
    part = STATES.partition("Of one venue")[2].partition("`publish-venue` ends")[0]
    assert set(table_rows(part)) == {state.value for state in VenueState}
    at_night = {state.value.replace("_", " ") for state in VenueState}
    assert set(night("Of one venue")) == at_night


def test_every_state_of_a_publish_and_a_comparison_has_its_line_at_three_in_the_morning() -> None:
    published, compared = night("Of a publish"), night("Of a comparison")
    for state in sync.State:
        assert published[state][0][1] == str(sync.EXIT_CODES[state])
    for name, code in reconciled.EXIT_CODES.items():
        assert str(code) in compared[name][0][1].split(", ")


def test_every_key_of_a_refresh_is_described_and_no_other() -> None:
    result, venues = section(reference("result.md"), "Of a refresh of venues").split("Of `venues`:")
    assert set(table_rows(result)) == {field.name for field in fields(VenuesResult)}
    assert set(table_rows(venues)) == {field.name for field in fields(VenueOutcome)}


def test_every_key_of_a_publish_is_described_and_no_other() -> None:
    told = table_rows(section(reference("result.md"), "Of a publish"))
    assert set(told) == {field.name for field in fields(Published)}


def test_every_key_of_a_comparison_is_described_and_no_other() -> None:
    page = section(reference("result.md"), "Of a comparison of a venue")
    made = VenueComparison(
        "UAT", "X", "demo", "instruments", "t", 0, 0, reconciled.Findings(), {}, "id"
    )
    assert set(table_rows(page)) == set(made.as_dict())
    for kind in (Found, Differing):
        assert [field.name for field in fields(kind) if f"`{field.name}`" not in page] == []


def test_every_event_is_described() -> None:
    rows = table_rows(reference("states-and-exit-codes.md"))
    for state, end in EVENTS.items():
        told = " ".join(cells[1] for cells in rows[f"armillary.venues.{end}"])
        assert f"`{state.value}`" in told


# Guide


def test_the_fields_of_the_block_are_described_with_their_defaults() -> None:
    rows = table_rows(section(GUIDE, "8. Schedule it"))
    for name, field in CadenzaAccount.model_fields.items():
        told = f"`{field.default}`" if isinstance(field.default, int | float) else "none"
        assert rows[name][0][2] == ("required" if field.is_required() else told), name


def test_the_fields_a_person_makes_are_those_that_a_feed_and_the_simulator_have() -> None:
    wanted = CadenzaDefinition(venue="X").fields
    types = Config().workspaces[0].instrument_types
    [made] = [each for each in types if each.identifier == "venue-instrument"]
    for kind in ("text", "number"):
        told = re.findall(r"`(\w+)`", section_row(kind))
        assert told == [field.field_key for field in made.fields if field.data_type == kind]
    assert {field.field_key for field in made.fields} == set(wanted)
    page = section(GUIDE, "7. Your own account and workspace")
    assert [host for host in (PRODUCTION, UAT) if f"| `https://{host}` |" not in page] == []


def section_row(kind: str) -> str:
    found = re.search(rf"^ *\| {kind} \| (.*) \|$", GUIDE, re.MULTILINE)
    assert found, kind
    return found[1]


def test_every_finding_is_shown_in_the_words_of_the_command() -> None:
    shown = section(GUIDE, "5. Compare")
    assert [words for words in WORDS.values() if words not in shown] == []
    assert PLANNED_ON in GUIDE


def test_the_figures_that_are_told_are_those_of_the_code() -> None:
    patience = Patience()
    assert f"for {patience.busy_seconds / 60:.0f} minutes" in GUIDE
    assert f"within {patience.busy_seconds:,.0f} seconds" in AT_NIGHT
    assert f"{NUMBERS[patience.tries]} tries, after 2, 4 and 8 seconds" in GUIDE
    assert f"once more after {patience.unknown_wait_seconds:.0f} seconds" in AT_NIGHT
    assert f"pages of {PAGE_ROWS} rows" in GUIDE
    assert f"{NUMBERS[MOST_READINGS]} times at most" in GUIDE
    page = section(reference("flows.md"), "`sync-venues`")
    assert f"{NUMBERS[MAX_AT_ONCE]} at a time" in page
    assert f"{MOST_ATTEMPTS} times at most" in page


def test_the_schedules_that_are_told_are_those_of_the_deployments() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    rows = table_rows(section(GUIDE, "8. Schedule it"))
    for deployment in deployments:
        if "venues" in deployment["tags"]:
            told = rows[deployment["name"]][0][1]
            for schedule in deployment["schedules"]:
                minute, hour, *_ = schedule["cron"].split()
                assert (minute if hour == "*" else f"{hour:0>2}:{minute:0>2}") in _figures(told)
                assert ("past each hour" in told) == (hour == "*")
                given = schedule.get("parameters", {})
                assert all(
                    venue in told for venue in [*given.get("venues", []), given.get("venue", "")]
                )
            assert bool(deployment["schedules"]) != (told == "on request")


def _figures(told: str) -> str:
    return told.replace("ten past", "10 past")
