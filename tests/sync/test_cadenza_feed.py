"""A venue of Cadenza brought into Ptolemy: real HTTP to both, no Prefect.

Whatever reading of Cadenza's documents is true, the plan is the same plan; and whatever happens to
the list, no other venue's instruments are touched and none is archived that may still be there.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal, get_args, get_origin

import pytest

from armillary.errors import FeedRefused
from armillary.feeds import CadenzaDefinition
from armillary.feeds.venue_delivery import venue_delivery
from armillary.runs.memory import FeedMemory
from armillary.sync.apply import apply_change
from armillary.sync.conclude import conclude, remembered_after
from armillary.sync.ground import survey
from armillary.sync.judged import JudgedPlan
from armillary.sync.plan import iter_changes
from simulator import Simulator
from simulator.cadenza.config import CadenzaConfig
from simulator.cadenza.switches import EnvelopeSwitches, ListSwitches, SessionSwitches
from tests.conftest import MakeSimulator
from tests.feeds.venues import LATER, closed_during_the_list, listed, opened
from tests.sync.build import planned
from tests.sync.chain import judged, open_client

BINANCE = CadenzaDefinition(venue="BINANCE")
OKX = CadenzaDefinition(venue="OKX")
SYMBOLS = [f"C{number:02}/USDT" for number in range(30)]
YESTERDAY, TODAY = SYMBOLS[:28], SYMBOLS[3:]

Stored = dict[str, tuple[bool, dict[str, Any]]]


def plan_of(
    sim: Simulator, feed: CadenzaDefinition = BINANCE, memory: FeedMemory | None = None
) -> JudgedPlan:
    with opened(sim) as cadenza, open_client(sim) as ptolemy:
        deliver = functools.partial(venue_delivery, cadenza, feed.venue)
        return judged(ptolemy, feed, memory=memory, deliver=deliver)


def synced(
    sim: Simulator, feed: CadenzaDefinition = BINANCE, memory: FeedMemory | None = None
) -> tuple[dict[str, int], FeedMemory]:
    """A run of mode apply: what it changed, and what the next one remembers."""
    memory = memory or FeedMemory()
    made = plan_of(sim, feed, memory)
    assert made.withheld == ()
    with open_client(sim) as ptolemy:
        ground = survey(ptolemy, workspace="demo", instrument_type=feed.instrument_type)
        outcomes = [apply_change(ptolemy, ground, each) for each in iter_changes(made.to_apply)]
    result = conclude(
        made,
        outcomes,
        mode="apply",
        workspace="demo",
        run_id="run",
        breaker=None,
        calls_used=0,
        calls_remaining=None,
        record="",
    )
    now = datetime.now(UTC)
    after = remembered_after(memory, made, outcomes, result, only=False, now=now)
    return {kind: count for kind, count in result.applied.items() if count}, after


def stored(sim: Simulator, venue: str) -> Stored:
    """What Ptolemy holds of a venue: by identifier whether it is archived, and its values."""
    with open_client(sim) as ptolemy:
        return {
            row["identifier"]: (bool(row["archived_at"]), row["extra_fields_snapshot"])
            for archived in ("true", "false")
            for page in ptolemy.instruments.list_pages(archived=archived, limit=100)
            for row in page.rows
            if row["identifier"].startswith(f"{venue}:")
        }


def archived_of(sim: Simulator, venue: str) -> list[str]:
    return [name for name, (is_archived, _) in stored(sim, venue).items() if is_archived]


def test_the_life_of_a_venues_instruments(sim: Simulator) -> None:
    synced(sim, OKX)
    other = stored(sim, "OKX")
    assert len(other) == 12
    listed(sim, *YESTERDAY, pipSize="0.10", lotSize="0.00001", minQuantity="1")
    done, memory = synced(sim)
    assert done == {"create": 28}
    assert stored(sim, "BINANCE")["BINANCE:C05/USDT"] == (
        False,
        {
            "venue": "BINANCE",
            "symbol": "C05/USDT",
            "external_symbol": "C05USDT",
            "kind": "SPOT",
            "status": "ACTIVE",
            "base_asset": "C05",
            "quote_asset": "USDT",
            "tick_size": "0.1",
            "lot_size": "0.00001",
            "min_quantity": "1",
            "max_quantity": "9000",
            "min_notional": "5",
            "base_precision": "8",
            "quote_precision": "8",
        },
    )

    before = sim.cadenza.rows("BINANCE")
    changed = [row | {"pipSize": "0.5"} for row in before[2:4]]
    delisted = before[1] | {"status": "DELISTED"}
    sim.cadenza.set_rows("BINANCE", [delisted, *changed, *before[4:]])
    done, memory = synced(sim, memory=memory)
    assert done == {"update": 2, "archive": 2}
    assert archived_of(sim, "BINANCE") == ["BINANCE:C00/USDT", "BINANCE:C01/USDT"]

    # Listed again, and all else as it was: no old delivery once more, as it were with a file (F05).
    sim.cadenza.set_rows("BINANCE", before)
    done, memory = synced(sim, memory=memory)
    assert done == {"restore": 2, "update": 2}
    assert archived_of(sim, "BINANCE") == []
    assert synced(sim, memory=memory)[0] == {}
    assert stored(sim, "OKX") == other


def test_an_id_that_is_another_venues_is_rejected_and_archives_nothing(sim: Simulator) -> None:
    synced(sim, OKX)
    other = stored(sim, "OKX")
    listed(sim, *SYMBOLS)
    taken = sim.cadenza.instrument("BINANCE", "BTC/USDT", instrumentId="OKX:BTC/USDT")
    sim.cadenza.add_rows("BINANCE", [taken])
    made = plan_of(sim)
    [(identifier, reason)] = made.plan.rejects.select("identifier", "reason").rows()
    assert identifier == "OKX:BTC/USDT"
    assert reason.startswith("owned elsewhere: the identifier belongs to an instrument outside")
    assert made.plan.counts == {"restore": 0, "create": 30, "update": 0, "archive": 0}
    synced(sim)
    assert stored(sim, "OKX") == other


@pytest.fixture
def full(sim: Simulator) -> Simulator:
    """A workspace with yesterday's instruments of BINANCE; today three of them are gone."""
    listed(sim, *YESTERDAY)
    synced(sim)
    listed(sim, *TODAY)
    assert plan_of(sim).plan.count("archive") == 3
    sim.reset_calls()
    return sim


def refusal(sim: Simulator) -> str:
    """Why the feed is refused; and Ptolemy was not written to."""
    before = stored(sim, "BINANCE")
    assert len(before) == len(YESTERDAY)
    with pytest.raises(FeedRefused) as refused:
        plan_of(sim)
    assert stored(sim, "BINANCE") == before
    return str(refused.value)


def test_n03_pages_that_shift_archive_nothing_and_the_run_says_why(full: Simulator) -> None:
    for rows, total in itertools.product((1, -1), ("follows", "stays")):
        shift = {"page_shift": rows, "page_shift_total": total, "list_limit_max": 10}
        full.configure(cadenza=shift)
        said = refusal(full)
        assert said.startswith(
            "Cadenza's list of BINANCE cannot be trusted to be whole. The list was read 3 times: "
        ), shift
        assert "nothing is archived on such a list" in said
    full.configure(cadenza={"page_shift": 0})
    assert plan_of(full).plan.count("archive") == 3


@pytest.mark.parametrize("status", ["MAINTENANCE", "OFFLINE"])
def test_n08_an_empty_list_in_maintenance_archives_nothing(full: Simulator, status: str) -> None:
    full.configure(cadenza={"maintenance_list": "empty"})
    full.cadenza.set_status("BINANCE", status)
    assert refusal(full) == (
        f"Venue BINANCE is {status} in Cadenza, not ONLINE: its list may be empty or short for "
        f"that reason alone, so it proves nothing. {LATER}when the venue is ONLINE again."
    )


def test_n08_a_venue_that_closes_under_the_reading_archives_nothing(full: Simulator) -> None:
    full.configure(cadenza={"maintenance_list": "empty"})
    full.faults = [closed_during_the_list("BINANCE")]
    assert "is MAINTENANCE in Cadenza since its list was read" in refusal(full)


def test_n08_a_sharply_smaller_list_archives_nothing(full: Simulator) -> None:
    listed(full, *TODAY[:10])
    made = plan_of(full, memory=FeedMemory())
    [withheld] = made.withheld
    assert (withheld.kind, withheld.changes) == ("archive", 18)
    assert "limits.max_archive_share" in withheld.reason


# Readings


def readings() -> Iterator[dict[str, Any]]:
    for group in (SessionSwitches, EnvelopeSwitches, ListSwitches):
        for key, field in group.model_fields.items():
            if get_origin(field.annotation) is Literal:
                yield from ({key: value} for value in get_args(field.annotation))
            elif field.annotation is bool:
                yield from ({key: value} for value in (True, False))
    yield {"list_limit_max": 7, "large_limit": "clamp"}
    yield {"list_limit_max": 100, "list_limit_default": 10}
    yield {"list_limit_max": 7, "pagination": "absent"}
    yield {"list_limit_max": 7, "pagination": "no_total", "order": "newest_first"}


def told(made: JudgedPlan) -> dict[str, Any]:
    """All of a plan that must not depend on a reading."""
    return {
        "digest": made.plan.digest,
        "changes": planned(made.plan),
        "unchanged": made.plan.unchanged,
        "held": made.plan.held.rows(),
        "rejects": made.plan.rejects.rows(),
        "withheld": made.withheld,
    }


@pytest.fixture(scope="module")
def venue() -> Iterator[tuple[Simulator, dict[str, Any]]]:
    """Yesterday's instruments in Ptolemy, today's in Cadenza, and the plan between them.

    Plans write nothing, so that one simulator does for every reading.
    """
    with Simulator() as sim:
        listed(sim, *YESTERDAY)
        synced(sim)
        listed(sim, *TODAY, status="ACTIVE")
        rows = sim.cadenza.rows("BINANCE")
        rows[0]["minQuantity"] = "7.50"
        rows[1]["status"] = "DELISTED"
        # At rest, not gone: some readings leave them out of a list unless they are asked for.
        rows[2]["status"], rows[3]["status"] = "INACTIVE", "DISABLED"
        sim.cadenza.set_rows("BINANCE", rows)
        yield sim, told(plan_of(sim))


def under(sim: Simulator, config: CadenzaConfig) -> dict[str, Any]:
    sim.configure(cadenza=config)
    return told(plan_of(sim))


def test_the_plan_is_the_one_a_person_would_make(venue: tuple[Simulator, dict[str, Any]]) -> None:
    _, expected = venue
    assert expected["changes"] == [
        ("create", "BINANCE:C28/USDT"),
        ("create", "BINANCE:C29/USDT"),
        *(("update", f"BINANCE:C{number:02}/USDT") for number in (3, 5, 6)),
        *(("archive", f"BINANCE:C{number:02}/USDT") for number in (0, 1, 2, 4)),
    ]
    assert expected["unchanged"] == 21
    assert (expected["held"], expected["rejects"], expected["withheld"]) == ([], [], ())


@pytest.mark.parametrize("reading", list(readings()), ids=str)
def test_each_reading_alone_gives_the_same_plan(
    venue: tuple[Simulator, dict[str, Any]], reading: dict[str, Any]
) -> None:
    sim, expected = venue
    found = under(sim, CadenzaConfig(**reading))
    if reading.get("instrument_fields") == "docs":
        # That document has no tick size: the same changes, and fewer values in the new ones.
        assert found.pop("digest") != expected["digest"]
        expected = {key: part for key, part in expected.items() if key != "digest"}
    assert found == expected


@pytest.mark.parametrize("preset", ["reference", "hostile"])
def test_each_preset_gives_the_same_plan(
    venue: tuple[Simulator, dict[str, Any]], preset: Literal["reference", "hostile"]
) -> None:
    sim, expected = venue
    assert under(sim, CadenzaConfig.preset(preset)) == expected


def test_another_environment_of_cadenza_changes_nothing_unasked(
    sim: Simulator, make_simulator: MakeSimulator
) -> None:
    """UAT lacks what production has: by the same feed it would all be archived."""
    listed(sim, *YESTERDAY)
    _, memory = synced(sim)
    other = make_simulator()
    listed(other, *YESTERDAY[:27], "NEW/USDT")
    with opened(other) as cadenza, open_client(sim) as ptolemy:
        deliver = functools.partial(venue_delivery, cadenza, "BINANCE")
        made = judged(ptolemy, BINANCE, memory=memory, deliver=deliver)
        first = judged(ptolemy, BINANCE, memory=FeedMemory(), deliver=deliver)
    here, there = (each.cadenza_url.removeprefix("http://") for each in (sim, other))
    assert [(kind.kind, kind.changes) for kind in made.withheld] == [("create", 1), ("archive", 1)]
    assert all(kind.liftable for kind in made.withheld)
    assert (
        f"the instruments come from {there}, and those of the last good run came from {here}: what "
        "the one lacks is not gone from the other"
    ) in made.withheld[1].reason
    assert first.withheld == (), "nothing is known of another environment"
