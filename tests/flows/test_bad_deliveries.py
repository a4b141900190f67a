"""A workspace in order, and a delivery that is not: whatever comes, nothing is written.

The words a person reads are asserted one by one in ``tests/feeds/test_bad_feeds.py``; here the
same kinds of damage go through the whole flow, in mode ``apply``.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator import Simulator
from tests.flows.conftest import RunSync
from tests.sync.chain import csv_file, seeded, vendor, vendor_rows

pytestmark = pytest.mark.flow

ROWS = vendor_rows(60)
Spoil = Callable[[str], bytes]


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def every_row(text: str, spoil: Callable[[list[str]], list[str]]) -> bytes:
    header, *rows = csv.reader(io.StringIO(text))
    out = io.StringIO()
    csv.writer(out).writerows([header, *(spoil(row) for row in rows)])
    return out.getvalue().encode()


def half_in_a_row(text: str) -> bytes:
    return text[: text.index("co0030.ax") + 12].encode()


DELIVERIES: dict[str, tuple[Spoil, str, str]] = {
    "empty": (lambda text: b"", "Failed", "is empty: it has not a single byte"),
    "header-only": (
        lambda text: lines(text)[0].encode(),
        "Failed",
        "has a header (id, name, isin, mic, lot, listed) and not a single row",
    ),
    "half-the-file": (half_in_a_row, "Failed", "ends in the middle of row 32"),
    "half-a-gzip": (
        lambda text: gzip.compress(text.encode())[:300],
        "Failed",
        "its content looks like a gzip archive",
    ),
    "shifted-in-every-row": (
        lambda text: every_row(text, lambda row: [*row[:2], "", *row[2:]]),
        "Failed",
        "7 cells where the header has 6",
    ),
    "shifted-within-the-width": (
        lambda text: every_row(text, lambda row: [row[0], *row[2:], row[1]]),
        "Failed",
        "is outside the scope (xasx)",
    ),
    "identifier-column-blank": (
        lambda text: every_row(text, lambda row: ["", *row[1:]]),
        "Failed",
        "the identifier cannot be made: {id} is blank",
    ),
    "field-column-blank": (
        lambda text: every_row(text, lambda row: [*row[:2], "", *row[3:]]),
        "Completed",
        "every planned change is applied",
    ),
    "duplicates-that-differ": (
        lambda text: (text + "co0001.ax,Another,AU1,xasx,1,2020-01-01\n").encode(),
        "CompletedWithRejects",
        "rejected",
    ),
    "differing-only-in-case": (
        lambda text: (text + "CO0001.AX,Company 1,AU1,xasx,1,2020-01-01\n").encode(),
        "CompletedWithRejects",
        "rejected",
    ),
    "wrong-encoding": (
        lambda text: text.replace("Company 7", "Société").encode("latin-1"),
        "Failed",
        "is not utf-8 text: line 9 has the byte E9",
    ),
    "too-few-and-too-many-cells": (
        lambda text: (text + "co0061.ax,a\n" * 3 + "co0062.ax,a,b,c,d,e,f\n" * 3).encode(),
        "TooManyRejects",
        "6 of 66 rows of the source were rejected; the feed allows 5%",
    ),
    "quote-never-closed": (
        lambda text: text.replace("Company 30", '"Company 30').encode(),
        "Failed",
        "has a quote that opens in row 32 and is never closed",
    ),
    "another-format": (
        lambda text: b"<!DOCTYPE html><html><body>Please log in</body></html>",
        "Failed",
        "its content looks like an HTML page",
    ),
}


@pytest.mark.parametrize("name", DELIVERIES)
def test_a_bad_delivery_writes_nothing(
    sim: Simulator, run_sync: RunSync, tmp_path: Path, name: str
) -> None:
    spoil, state_name, words = DELIVERIES[name]
    sim.seed(seeded(ROWS))
    before = sim.digest()
    path = csv_file(tmp_path / "vendor.csv", ROWS)
    path.write_bytes(spoil(path.read_text()))
    state = run_sync(sim, vendor(path))
    assert (state.name, words in state.message) == (state_name, True), state.message
    assert sim.digest() == before
    writes = [call for call in sim.calls() if call.startswith(("PATCH", "DELETE", "PUT"))]
    assert writes == []
    assert "POST /instruments" not in sim.calls()


def test_a_refused_delivery_costs_no_call_that_reads_the_workspace(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    feed = vendor(csv_file(tmp_path / "vendor.csv", ROWS), sanity={"same_delivery": "refuse"})
    assert run_sync(sim, feed).name == "Completed"
    for refused, words in (
        (feed, "it is the last good delivery once more"),
        (vendor(Path(feed.url), limits={"min_records": 61}), "(limits.min_records)"),
    ):
        before = sim.calls()
        state = run_sync(sim, refused)
        assert (state.name, words in state.message) == ("Failed", True), state.message
        calls = {call: count - before.get(call, 0) for call, count in sim.calls().items()}
        assert {call for call, count in calls.items() if count} == SURVEYED


SURVEYED = {
    "GET /",
    "GET /instrument-types/{id}",
    "GET /instrument-type-fields",
    "GET /webhooks",
}
"""Whether the token, the type and its fields are there: four calls."""
