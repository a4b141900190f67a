"""Rows A01 to A24 and A39 of the fault catalogue, for the writes of a plan: real HTTP, no Prefect.

Rows that concern a whole run (A04, A05, A07, A18, A19, A20, A38): ``tests/flows``. Rows of the
wire and of reading: ``tests/api``, ``test_reading_faults.py``. Jobs (A10, A11): ``tests/api``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from armillary.errors import ConfigurationError, RateLimited, TransientError
from armillary.sync.apply import apply_change
from armillary.sync.ground import survey
from armillary.sync.outcome import Fate, Outcome
from armillary.sync.plan import Change, FieldChange
from simulator import Simulator
from tests.api.clocks import JumpClock
from tests.sync.chain import apply_all, csv_file, judged, open_client, seeded, vendor, vendor_rows

ROWS = vendor_rows(3)
CREATE = {"method": "POST", "path": "/instruments"}
PATCH = {"method": "PATCH", "path": "/instruments/{id}"}
DELETE = {"method": "DELETE", "path": "/instruments/{id}"}
RESTORE = {"method": "POST", "path": "/instruments/{id}/restore"}

Apply = Callable[..., list[Outcome]]


@pytest.fixture
def apply(sim: Simulator, tmp_path: Path) -> Apply:
    """``apply(rows, fault, meanwhile=...)``: plan a delivery; things happen; apply the plan."""

    def run(
        rows: list[dict[str, str]],
        *faults: dict[str, Any],
        meanwhile: Callable[[], object] = list,
        **facts: Any,
    ) -> list[Outcome]:
        feed = vendor(csv_file(tmp_path / "v.csv", rows))
        with open_client(sim, clock=JumpClock(), **facts) as ptolemy:
            plan = judged(ptolemy, feed)
            meanwhile()
            sim.reset_calls()
            sim.faults = list(faults)
            return apply_all(ptolemy, plan)

    return run


@pytest.fixture
def somebody(sim: Simulator) -> Iterator[httpx.Client]:
    """Another person with a token."""
    token = {"Authorization": f"Bearer {sim.token}"}
    with httpx.Client(base_url=sim.workspace_url, headers=token, trust_env=False) as client:
        yield client


def fates(outcomes: list[Outcome]) -> list[str]:
    return [outcome.fate.value for outcome in outcomes]


def lots(sim: Simulator) -> dict[str, str]:
    """The lot sizes of active instruments; one that stands twice is told."""
    found: dict[str, str] = {}
    for row in sim.state()["instruments"]:
        if not row["archived"]:
            assert row["identifier"] not in found, "it stands there twice"
            found[row["identifier"]] = row["field_values"]["lot_size"]
    return found


def changed(number: int = 1) -> list[dict[str, str]]:
    return [row | {"lot": "9"} if at < number else row for at, row in enumerate(ROWS)]


@pytest.mark.parametrize("rule", [CREATE, PATCH], ids=["create", "update"])
@pytest.mark.parametrize("retry_after", [5, "date:5", None, "soon", "-3"])
def test_a01_a02_a03_a_429_is_waited_out_and_no_failure(
    sim: Simulator, apply: Apply, rule: dict[str, Any], retry_after: Any
) -> None:
    sim.seed(seeded(ROWS[1:]))
    rows = [ROWS[0], *[row | {"lot": "9"} for row in ROWS[1:]]]
    fault = rule | {"action": "status", "status": 429, "retry_after": retry_after, "times": 2}
    assert fates(apply(rows, fault)) == ["applied"] * 3
    assert lots(sim) == {"co0000.ax": "0.5", "co0001.ax": "9", "co0002.ax": "9"}
    assert sim.calls()["POST /instruments"] + sim.calls()["PATCH /instruments/{id}"] == 5


def test_a02_a_wait_nobody_waits_for_ends_the_run(sim: Simulator, apply: Apply) -> None:
    sim.seed(seeded(ROWS))
    fault = PATCH | {"action": "status", "status": 429, "retry_after": 86_400}
    with pytest.raises(RateLimited, match="told to wait 86400 seconds"):
        apply(changed(3), fault)
    assert sim.calls()["PATCH /instruments/{id}"] == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a06_a_write_that_is_safe_to_repeat_is_repeated(
    sim: Simulator, apply: Apply, status: int
) -> None:
    sim.seed(seeded(ROWS))
    fault = PATCH | {"action": "status", "status": status, "times": 2}
    assert fates(apply(changed(), fault)) == ["applied"]
    assert sim.calls()["PATCH /instruments/{id}"] == 3


@pytest.mark.parametrize("work", [False, True], ids=["not done", "done"])
def test_a06_a_create_is_looked_up_before_anything_is_sent_again(
    sim: Simulator, apply: Apply, work: bool
) -> None:
    """After a 5xx nobody knows: done, and it counts; not done, and the next attempt makes it."""
    outcomes = apply(ROWS[:1], CREATE | {"action": "status", "status": 502, "work": work})
    assert fates(outcomes) == ["applied" if work else "transient"]
    calls = sim.calls()
    assert (calls["POST /instruments"], calls["GET /instruments/{id}"]) == (1, 1)
    assert len(lots(sim)) == int(work)


def test_a08_a_host_that_refuses_is_a_fault_that_may_pass(sim: Simulator, apply: Apply) -> None:
    """A certificate that cannot be trusted is none: ``tests/api/test_wire_faults.py``."""
    sim.seed(seeded(ROWS))
    with pytest.raises(TransientError, match="no connection to") as caught:
        apply(changed(), meanwhile=sim.stop)
    assert not isinstance(caught.value, ConfigurationError)


@pytest.mark.parametrize("action", ["drop_after", "html", "empty", "truncate"])
def test_a09_a15_a16_a_create_whose_answer_was_lost_counts_if_it_was_done(
    sim: Simulator, apply: Apply, action: str
) -> None:
    work = {"work": True} if action in ("html", "empty") else {}
    assert fates(apply(ROWS[:1], CREATE | {"action": action} | work)) == ["applied"]
    assert lots(sim) == {"co0000.ax": "0.5"}
    assert sim.calls()["POST /instruments"] == 1


def test_a09_a_create_that_stands_otherwise_is_made_equal(sim: Simulator) -> None:
    sim.seed(seeded([ROWS[0] | {"lot": "5"}]))
    with open_client(sim) as ptolemy:
        ground = survey(ptolemy, workspace="demo", instrument_type="equity")
        wanted = (FieldChange("field.lot_size", "", "0.5"),)
        change = Change("create", "co0000.ax", None, 2, wanted)
        assert apply_change(ptolemy, ground, change, look_first=True).fate is Fate.APPLIED
    assert lots(sim) == {"co0000.ax": "0.5"}
    assert "POST /instruments" not in sim.calls()


@pytest.mark.parametrize("action", ["drop_before", "drop_after", "html", "empty", "truncate"])
def test_a12_an_update_without_answer_is_sent_again(
    sim: Simulator, apply: Apply, action: str
) -> None:
    sim.seed(seeded(ROWS))
    assert fates(apply(changed(), PATCH | {"action": action})) == ["applied"]
    assert lots(sim)["co0000.ax"] == "9"


@pytest.mark.parametrize("second", [204, 404, 409])
@pytest.mark.parametrize("action", ["drop_before", "drop_after"])
def test_a12_an_archive_without_answer_is_done_whatever_the_second_one_answers(
    sim: Simulator, apply: Apply, action: str, second: int
) -> None:
    sim.configure(delete_archived=second)
    sim.seed(seeded(ROWS))
    assert fates(apply(ROWS[:2], DELETE | {"action": action})) == ["applied"]
    assert list(lots(sim)) == ["co0000.ax", "co0001.ax"]


@pytest.mark.parametrize("action", ["drop_before", "drop_after"])
def test_a12_a_restore_without_answer_is_done_after_a_look(
    sim: Simulator, somebody: httpx.Client, action: str
) -> None:
    mine = made(somebody)
    somebody.delete(f"/instruments/{mine}")
    sim.faults = [RESTORE | {"action": action}]
    change = Change("restore", "co0000.ax", mine, 2, (FieldChange("field.lot_size", "", "9"),))
    assert carried_out(sim, change).fate is Fate.APPLIED
    assert lots(sim) == {"co0000.ax": "9"}


def test_a13_a_write_that_is_never_answered_ends_and_is_sent_again(
    sim: Simulator, apply: Apply
) -> None:
    sim.seed(seeded(ROWS))
    hole = PATCH | {"action": "blackhole", "seconds": 5}
    assert fates(apply(changed(), hole, read_timeout_seconds=0.3)) == ["applied"]


def test_a14_an_answer_that_drips_ends_at_the_deadline_of_the_request(
    sim: Simulator, apply: Apply
) -> None:
    sim.seed(seeded(ROWS))
    drip = PATCH | {"action": "slow_drip", "bytes": 20}
    assert fates(apply(changed(), drip, total_timeout_seconds=0.6)) == ["applied"]


@pytest.mark.parametrize("status", [400, 422])
def test_a17_a_refused_record_is_rejected_once_and_the_others_go_on(
    sim: Simulator, apply: Apply, status: int
) -> None:
    fault = CREATE | {"contains": "co0001.ax", "action": "status", "status": status, "times": None}
    outcomes = apply(ROWS, fault)
    assert fates(outcomes) == ["applied", "rejected", "applied"]
    assert outcomes[1].status == status
    assert sim.calls()["POST /instruments"] == 3


GONE = (
    "it is gone since the plan was made: somebody archived or deleted it. The next run plans it "
    "anew."
)


@pytest.mark.parametrize("hard", ["", "?hard=true"], ids=["archived", "deleted"])
def test_a21_an_instrument_that_vanished_before_its_update(
    sim: Simulator, apply: Apply, somebody: httpx.Client, hard: str
) -> None:
    """The design rejects it here; what becomes of it is a new plan's affair."""
    sim.configure(patch_archived=404)
    sim.seed(seeded(ROWS))
    outcomes = apply(changed(2), meanwhile=lambda: somebody.delete(f"/instruments/co0000.ax{hard}"))
    assert fates(outcomes) == ["rejected", "applied"]
    assert outcomes[0].reason.startswith(GONE)
    assert sim.calls()["PATCH /instruments/{id}"] == 2
    again = apply(changed(2))
    assert fates(again) == (["applied"] if hard else []), "created anew, or held as archived"


def test_a22_a_create_that_exists_by_now_is_made_equal(
    sim: Simulator, apply: Apply, somebody: httpx.Client
) -> None:
    [other] = seeded([ROWS[0] | {"lot": "5"}])
    outcomes = apply(ROWS[:1], meanwhile=lambda: somebody.post("/instruments", json=other))
    assert fates(outcomes) == ["applied"]
    assert lots(sim) == {"co0000.ax": "0.5"}


def test_a22_a_create_whose_identifier_another_type_has_by_now(
    sim: Simulator, apply: Apply, somebody: httpx.Client
) -> None:
    other = {"identifier": "co0000.ax", "name": "Company 0", "type_id": "bond"}
    [outcome] = apply(ROWS[:1], meanwhile=lambda: somebody.post("/instruments", json=other))
    assert outcome.fate is Fate.REJECTED
    assert outcome.reason.startswith(
        "owned elsewhere: the identifier belongs to an instrument of another type."
    )


def test_a22_a_create_whose_identifier_an_archived_instrument_keeps(
    sim: Simulator, apply: Apply, somebody: httpx.Client
) -> None:
    sim.configure(archived_holds_identifier=True)

    def made_and_archived() -> None:
        somebody.post("/instruments", json=seeded(ROWS[:1])[0])
        somebody.delete("/instruments/co0000.ax")

    [outcome] = apply(ROWS[:1], meanwhile=made_and_archived)
    assert outcome.fate is Fate.REJECTED
    assert outcome.reason.startswith("Ptolemy says that the identifier is taken, and shows nobody")
    assert lots(sim) == {}


def test_a23_a_restore_whose_identifier_is_taken_names_both(
    sim: Simulator, somebody: httpx.Client
) -> None:
    mine = made(somebody)
    somebody.delete(f"/instruments/{mine}")
    other = made(somebody)
    outcome = carried_out(sim, Change("restore", "co0000.ax", mine, 2, ()))
    assert outcome.fate is Fate.REJECTED
    assert outcome.reason.startswith(
        f"instrument {other} has its identifier now, so {mine} stays archived. Decide "
        "in Ptolemy which of them is the right one."
    )


@pytest.mark.parametrize("status", [409, 412])
def test_a24_a_change_that_collides_is_looked_at_anew(
    sim: Simulator, apply: Apply, status: int
) -> None:
    sim.seed(seeded(ROWS))
    clash = PATCH | {"action": "status", "status": status, "times": 2}
    assert fates(apply(changed(), clash)) == ["applied"]
    calls = sim.calls()
    assert (calls["PATCH /instruments/{id}"], calls["GET /instruments/{id}"]) == (3, 2)


@pytest.mark.parametrize("status", [409, 412])
def test_a24_a_change_that_collides_three_times_is_rejected(
    sim: Simulator, apply: Apply, status: int
) -> None:
    sim.seed(seeded(ROWS))
    clash = PATCH | {"action": "status", "status": status, "times": None}
    [outcome] = apply(changed(), clash)
    assert (outcome.fate, outcome.status) == (Fate.REJECTED, status)
    assert sim.calls()["PATCH /instruments/{id}"] == 3


def test_a24_a_change_somebody_else_made_meanwhile_needs_no_second_write(
    sim: Simulator, apply: Apply, somebody: httpx.Client
) -> None:
    sim.seed(seeded(ROWS))
    same = {"field_values": {"lot_size": "9.00"}}
    outcomes = apply(
        changed(),
        PATCH | {"action": "status", "status": 412},
        meanwhile=lambda: somebody.patch("/instruments/co0000.ax", json=same),
    )
    assert fates(outcomes) == ["applied"]
    assert sim.calls()["PATCH /instruments/{id}"] == 1


def test_a39_an_archive_that_listings_forbid_is_rejected_once(
    sim: Simulator, apply: Apply, somebody: httpx.Client
) -> None:
    sim.configure(archive_with_listings="refused")
    market = {"name": "ASX", "identifier": "asx", "type_id": "exchange"}
    sim.seed_all({"instruments": seeded(ROWS), "markets": [market]})
    listing = {
        "instrument_id": "co0002.ax",
        "market_id": "asx",
        "local_code": "C",
        "currency": "AUD",
    }
    assert somebody.post("/market-listings", json={**listing, "lot_size": 1}).status_code == 201
    [outcome] = apply(ROWS[:2])
    assert (outcome.kind, outcome.fate, outcome.status) == ("archive", Fate.REJECTED, 409)
    assert "active listings" in outcome.reason
    assert sim.calls()["DELETE /instruments/{id}"] == 1
    assert len(lots(sim)) == 3


def made(somebody: httpx.Client) -> str:
    """Make the first instrument; its UUID."""
    answer = somebody.post("/instruments", json=seeded(ROWS[:1])[0]).raise_for_status()
    return str(answer.json()["data"]["id"])


def carried_out(sim: Simulator, change: Change) -> Outcome:
    with open_client(sim, clock=JumpClock()) as ptolemy:
        ground = survey(ptolemy, workspace="demo", instrument_type="equity")
        return apply_change(ptolemy, ground, change)
