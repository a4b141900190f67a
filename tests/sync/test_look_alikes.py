"""What looks like a rename, and has no stable key that tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from armillary.sync.look_alikes import look_alikes
from tests.sync.build import (
    definition,
    feed,
    instrument,
    plan,
    record,
    workspace,
)

NOW = datetime(2026, 11, 25, 6, tzinfo=UTC)
KEYED = definition(stable_keys=["isin"])


def notes(records: Sequence[str], instruments: Sequence[str], **names: str) -> tuple[str, ...]:
    keeping = [f"k{number}" for number in range(20)]
    return plan(
        feed(*(record(each, isin="AU1") for each in keeping), *_called(record, records, names)),
        workspace(
            *(instrument(each, isin="AU1") for each in keeping),
            *_called(instrument, instruments, names),
        ),
        feed_definition=KEYED,
    ).notes


def _called(make: Any, identifiers: Sequence[str], names: Mapping[str, str]) -> list[Any]:
    return [
        make(each, name=names.get(each, f"Name of {each}"), isin=names.get(f"{each}_isin", ""))
        for each in identifiers
    ]


def test_equal_names_are_pointed_out() -> None:
    """BK became BNY in 2026, and kept the name."""
    [note] = notes(["BNY", "X"], ["BK"], BNY="BNY Mellon", BK="BNY MELLON", X="Other")
    assert note == (
        "Perhaps renamed, and no stable key tells: BK is gone and BNY is new, both called "
        "'BNY MELLON'. If two are one instrument, change its identifier in Ptolemy before this "
        "plan is applied: then its history stays whole. If it is applied already, undo that run "
        "first."
    )


def called(**names: str) -> pl.DataFrame:
    """Instruments by identifier, with their names; all of one exchange and one currency."""
    rows = [
        {"identifier": key, "name": name, "field.exchange": "xasx", "field.currency": "AUD"}
        for key, name in names.items()
    ]
    return pl.DataFrame(rows)


OTHERS = called(**{f"k{number}": f"Name {number}" for number in range(40)}).with_columns(
    pl.when(pl.col("identifier") < "k2")
    .then(pl.lit("xnzx"))
    .otherwise("field.exchange")
    .alias("field.exchange")
)


def test_records_alike_in_all_that_groups_them_are_pointed_out() -> None:
    [note] = look_alikes(called(OPTU="Optimum"), called(ATUS="Altice"), OTHERS, [])
    assert "ATUS (Altice) is gone and OPTU (Optimum) is new, with the same exchange. " in note


def test_what_all_records_share_is_no_evidence() -> None:
    same = OTHERS.with_columns(pl.lit("xasx").alias("field.exchange"))
    assert not list(look_alikes(called(OPTU="Optimum"), called(ATUS="Altice"), same, []))


def test_whoever_is_found_by_its_name_is_nobody_elses_double() -> None:
    gone = called(ATUS="Altice", BK="BNY Mellon")
    [note] = look_alikes(called(BNY="BNY MELLON"), gone, OTHERS, [])
    assert "BK is gone and BNY is new, both called 'BNY Mellon'" in note
    assert "ATUS" not in note


def test_nothing_is_pointed_out_where_a_key_says_that_they_are_two() -> None:
    assert notes(["b"], ["a"], a="N", b="N", a_isin="AU8", b_isin="AU9") == ()


def test_a_night_with_many_changes_is_the_guards_affair() -> None:
    assert notes([f"n{number}" for number in range(51)], ["a"]) == ()
    assert notes([], ["a"]) == notes(["a"], []) == ()
