"""What a person reads of a refresh, and what is to be typed next."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from armillary.runs.folder_store import FolderStore
from armillary.venues.memory import VenueMemory, memory_key, recall, remember, shrunk
from armillary.venues.outcome import VenueOutcome, VenuesResult, VenueState, final_state
from armillary.venues.report import again_command, rows, summary

DONE, FAILED = VenueState.COMPLETED, VenueState.FAILED
OUTCOMES = (
    VenueOutcome("BINANCE", DONE, 2200, 3, 9, seconds=12.34, tries=1, status="ONLINE"),
    VenueOutcome("OKX", FAILED, error="4 tries failed.", seconds=14.0, tries=4),
    VenueOutcome("DERIBIT", DONE, None, None, None, notes=("Compare the list.",)),
    VenueOutcome("IBKR", VenueState.SKIPPED, notes=("MAINTENANCE in Cadenza's list.",)),
    VenueOutcome("B2C2", VenueState.UNKNOWN, error="It was asked twice.", tries=2),
    VenueOutcome("MOCK", VenueState.ALREADY_RUNNING, error="Another run: run 7."),
)


def result(*outcomes: VenueOutcome, stopped: str = "") -> VenuesResult:
    return VenuesResult(
        state=final_state(outcomes),
        environment="UAT",
        venues=outcomes,
        calls=12,
        seconds=34.2,
        run_id="run-1",
        stopped=stopped,
        again_command=again_command(outcomes),
    )


def test_the_summary_tells_all_and_ends_with_what_to_type() -> None:
    told = summary(result(*OUTCOMES))
    assert told.startswith("# Venues in UAT: Partial")
    assert (
        "Cadenza: UAT. 2 completed, 1 failed, 1 unknown, 1 already running, 1 skipped. Run `run-1`."
    ) in told
    assert "| BINANCE | completed | 2,200 | 3 | 9 | 12.3 |" in told
    assert "| DERIBIT | completed |  |  |  | 0.0 |" in told
    assert told.index("| OKX |") < told.index("| B2C2 |") < told.index("| BINANCE |")
    wrong = told[told.index("## What went wrong") : told.index("## Notes")]
    assert "- OKX: 4 tries failed." in wrong
    assert "MOCK" not in wrong
    assert "- MOCK: Another run: run 7." in told
    assert "- DERIBIT: Compare the list." in told
    assert "Calls: 12. Time: 34 s." in told
    assert told.endswith("`armillary venues --venue OKX --venue B2C2`")


def test_a_refresh_that_is_done_asks_for_nothing() -> None:
    told = summary(result(OUTCOMES[0]))
    assert "# Venues in UAT: Completed" in told
    assert "missing" not in told
    assert "What went wrong" not in told


def test_a_stopped_run_says_why_once() -> None:
    why = "the account may not do this."
    left = VenueOutcome("OKX", VenueState.NOT_ATTEMPTED, error=why)
    told = summary(result(VenueOutcome("BINANCE", FAILED, error=why), left, stopped=why))
    assert f"**Why it stopped:** {why}" in told
    assert f"OKX: {why}" not in told
    assert told.endswith("`armillary venues --venue BINANCE --venue OKX`")


def test_the_table_has_a_row_for_every_venue() -> None:
    table = rows(result(*OUTCOMES))
    assert [row["venue"] for row in table][:2] == ["OKX", "B2C2"]
    assert {row["venue"] for row in table} == {outcome.venue for outcome in OUTCOMES}
    assert table[0] == {
        "venue": "OKX",
        "state": "failed",
        "synced": "",
        "added": "",
        "updated": "",
        "seconds": 14.0,
        "tries": 4,
        "error": "4 tries failed.",
        "notes": "",
    }


def test_refused_symbols_are_told_and_only_they_are_asked_for_again() -> None:
    refused = {"FOO/USDT": "unknown symbol (errno 18017)"}
    outcome = VenueOutcome(
        "BINANCE", DONE, 1, symbols=("BTC/USDT", "FOO/USDT"), rejected_symbols=refused
    )
    told = summary(result(outcome))
    assert "- BINANCE: FOO/USDT was refused: unknown symbol (errno 18017)." in told
    assert told.endswith("`armillary venues --venue BINANCE --symbol FOO/USDT`")


def test_symbols_of_a_failed_venue_are_asked_for_again() -> None:
    outcome = VenueOutcome("OKX", FAILED, symbols=("BTC/USDT", "ETH/USDT"))
    assert again_command([outcome]) == (
        "armillary venues --venue OKX --symbol BTC/USDT --symbol ETH/USDT"
    )


def test_a_deployment_is_run_again_by_its_parameters() -> None:
    assert again_command(OUTCOMES, "sync-venues/nightly") == (
        'prefect deployment run sync-venues/nightly --param \'venues=["OKX","B2C2"]\''
    )
    one = VenueOutcome("OKX", FAILED, symbols=("BTC/USDT",))
    assert again_command([one], "sync-venues/at night") == (
        "prefect deployment run 'sync-venues/at night' --param 'venues=[\"OKX\"]' "
        "--param 'symbols=[\"BTC/USDT\"]'"
    )


def test_a_name_with_a_blank_is_safe_to_paste() -> None:
    assert again_command([VenueOutcome("OKX $(x)", FAILED)]) == (
        "armillary venues --venue 'OKX $(x)'"
    )


BEFORE = VenueMemory(500, "run-0", datetime(2026, 11, 19, 2, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (BEFORE, 0, True),
        (BEFORE, 249, True),
        (BEFORE, 250, False),
        (BEFORE, None, False),
        (VenueMemory(19, "run-0", BEFORE.refreshed_at), 0, False),
        (None, 0, False),
    ],
)
def test_c09_far_fewer_instruments_than_last_time_are_noted(
    before: VenueMemory | None, now: int | None, told: bool
) -> None:
    note = shrunk(before, now)
    assert bool(note) is told
    if told:
        assert note.startswith(f"Cadenza says that it synced {now} instruments; the last whole")
        assert "2026-11-19 02:00 UTC, brought 500" in note


def test_the_memory_of_a_venue_survives_any_name_and_any_damage(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert recall(store, "127.0.0.1:8080", "A/B") is None
    assert remember(store, "127.0.0.1:8080", "A/B", BEFORE) == ""
    assert recall(store, "127.0.0.1:8080", "A/B") == BEFORE
    store.write(memory_key("127.0.0.1:8080", "A/B"), b"{")
    assert recall(store, "127.0.0.1:8080", "A/B") is None
