"""Pairs by hashes are the pairs by text, in the same order; and a plan of parts is one plan."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armillary.sync import compare, matching
from armillary.sync.matching import match
from armillary.sync.plan import CHANGES, sort_changes
from tests.sync.build import feed, instrument, plan, record, workspace

few = st.lists(st.sampled_from(["a", "b", "c", "aa", "é", ""]), max_size=12)


@settings(max_examples=50, deadline=None)
@given(few, few)
def test_pairs_are_those_of_a_join_in_its_order(left: list[str], right: list[str]) -> None:
    records = pl.DataFrame({"identifier": left}, schema={"identifier": pl.String})
    existing = pl.DataFrame({"identifier": right}, schema={"identifier": pl.String})
    found = match(records, existing)
    assert list(zip(found.left, found.right, strict=True)) == [
        (i, j) for i, one in enumerate(left) for j, other in enumerate(right) if one == other
    ]


def test_two_texts_of_one_hash_are_no_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl.Expr, "hash", lambda expr: expr.str.len_bytes())
    records, existing = (
        pl.DataFrame({"identifier": each}) for each in (["aa", "bb", "c"], ["bb", "dd", "c"])
    )
    found = match(records, existing)
    assert (found.left.to_list(), found.right.to_list()) == ([1, 2], [0, 2])


def test_a_plan_made_in_parts_is_the_plan_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    records = [record(f"i{n}", lot_size=str(n % 3)) for n in (7, 3, 9, 1, 12, 5, 0, 2, 11)]
    there = workspace(*(instrument(f"i{n}", lot_size="1") for n in (5, 9, 7, 2, 0, 40)))
    whole = plan(feed(*records), there)
    assert whole.digest == "82fdcafec5d8eb6d3f52ce3ebf2e05944ab78634f14de536ee6bf56b1f0748bc"
    for module in (matching, compare):
        monkeypatch.setattr(module, "PART_ROWS", 2)
    parts = plan(feed(*records), there)
    assert parts.changes.equals(whole.changes)
    assert (parts.digest, parts.unchanged) == (whole.digest, whole.unchanged)


@pytest.mark.parametrize(
    "identifiers", [["a", "b", None], ["b", "a", None], [None, "a", "b"], ["a", None, "b"]]
)
def test_changes_without_an_identifier_come_last(identifiers: list[str | None]) -> None:
    changes = pl.DataFrame(
        [("archive", each, f"uuid-{each}", None, ()) for each in identifiers],
        schema=CHANGES,
        orient="row",
    )
    assert sort_changes(changes)["identifier"].to_list() == ["a", "b", None]
