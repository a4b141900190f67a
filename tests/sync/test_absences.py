"""What rests on the absence of a record, archives and renames alike, where that proves nothing.

The whole judgement, as a run makes it: each guard alone has its tests beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from armillary.feeds.file_definition import FileDefinition
from armillary.feeds.reading import FeedReading
from armillary.runs.memory import Delivery, FeedMemory
from armillary.sync.existing import Existing
from armillary.sync.judged import JudgedPlan, judge_plan
from armillary.sync.matching import match
from armillary.sync.workspace import WorkspaceReading
from tests.sync.build import (
    definition,
    feed,
    frame,
    ground,
    held,
    instrument,
    plan,
    planned,
    record,
    rejected,
    workspace,
)

NOW = datetime(2026, 11, 25, 6, tzinfo=UTC)
KEYED = definition(stable_keys=["isin"])
TWO = definition(stable_keys=["isin"], scope={"exchange": ["xasx", "xnzx"]})
A_PART = (
    "all 20 active instruments with exchange xnzx are missing from the feed: that part of it was "
    "not delivered"
)


def judged(
    asked: FileDefinition,
    source: FeedReading,
    existing: WorkspaceReading,
    memory: FeedMemory | None = None,
) -> JudgedPlan:
    facts = Existing(existing, frame([], asked), match(source.records, existing.active))
    return judge_plan(
        asked,
        ground(),
        source,
        facts,
        memory or FeedMemory(),
        only=None,
        reading_calls={},
        remaining_calls=None,
        now=NOW,
    )


def listed(*numbers: int, end: str = "", mic: str = "xasx") -> list[dict[str, str | None]]:
    """Records as the vendor has them: their identifiers may change, their ISINs do not."""
    return [record(f"i{n}{end}", isin=f"AU{n}", name="N", exchange=mic) for n in numbers]


def known(*numbers: int, mic: str = "xasx") -> list[dict[str, Any]]:
    return [instrument(f"i{n}", isin=f"AU{n}", name="N", exchange=mic) for n in numbers]


HUNDRED = workspace(*known(*range(100)))


NAMELESS = [(None, "line cut")]
DOUBTFUL = replace(HUNDRED, trusted=False, doubt="pages went round")


@pytest.mark.parametrize(
    ("rejects", "existing", "last", "said"),
    [
        ([], HUNDRED, 100, None),
        (NAMELESS, HUNDRED, 100, "1 rejected row has no readable identifier: any of the missing"),
        ([], HUNDRED, 200, "the feed shrank from 200 records at its last good run to 100; it may"),
        ([], DOUBTFUL, 100, "the workspace could not be read reliably: pages went round"),
    ],
    ids=["sound", "a row without a name", "shrunken", "not read reliably"],
)
def test_renames_are_withheld_where_a_missing_record_proves_nothing(
    rejects: list[tuple[str | None, str]], existing: WorkspaceReading, last: int, said: str | None
) -> None:
    """What seems to be renamed may be there twice: the other one is its listing elsewhere."""
    source = feed(*listed(*range(1, 100)), *listed(0, end=".x"), rejects=rejects)
    memory = FeedMemory(deliveries=[Delivery("yesterday", last, "run-1", NOW)])
    made = judged(KEYED, source, existing, memory)
    assert (made.plan.renames.height, made.to_apply.height) == (1, 0 if said else 1)
    assert made.withheld_because.get("field identifier", "").startswith(said or "")
    assert bool(made.withheld) == bool(said)


BOTH = workspace(*known(*range(400)), *known(*range(400, 420), mic="xnzx"))


@pytest.mark.parametrize(
    ("beside", "archives", "renames"),
    [
        ([], 20, 0),
        (listed(400, end=".x"), 19, 1),
        ([*listed(400, end=".x"), *listed(400, end=".y")], 19, 0),
        (listed(*range(400, 420), end=".x"), 0, 20),
    ],
    ids=["nothing else", "a rename", "a held pair", "renames of them all"],
)
def test_f07_what_is_listed_elsewhere_does_not_hide_that_a_part_is_missing(
    beside: Sequence[Mapping[str, str | None]], archives: int, renames: int
) -> None:
    made = judged(TWO, feed(*listed(*range(400)), *beside), BOTH)
    assert (made.plan.count("archive"), made.plan.renames.height) == (archives, renames)
    assert made.to_apply.is_empty()
    for kind, count in (("archive", archives), ("field identifier", renames)):
        assert made.withheld_because.get(kind) == (A_PART if count else None)


def test_f07_an_exchange_that_is_renamed_within_itself_is_there() -> None:
    source = feed(*listed(*range(400)), *listed(*range(400, 420), end=".x", mic="xnzx"))
    made = judged(TWO, source, BOTH)
    assert (made.to_apply.height, made.withheld_because) == (20, {})


@pytest.mark.parametrize(
    ("owner", "why_not"),
    [
        (instrument("t2", isin="OLD", archived=True), "is archived in the workspace, and not by"),
        (instrument("t2", isin="OLD", exchange="other"), "owned elsewhere: the identifier belongs"),
    ],
    ids=["archived", "of another feed"],
)
def test_f19_an_instrument_whose_new_identifier_is_taken_is_held_and_not_archived(
    owner: Mapping[str, Any], why_not: str
) -> None:
    made = plan(
        feed(*listed(1), record("t2", isin="X")),
        workspace(*known(1), instrument("t1", isin="X")),
        owners=[owner],
        feed_definition=KEYED,
    )
    assert planned(made) == []
    assert (held(made) | rejected(made))["t2"].startswith(why_not)
    assert held(made)["t1"] == (
        "seems to be t2 of the feed by now, which shares a stable key with it and is itself held "
        "or rejected"
    )


def test_f19_several_that_may_have_the_taken_identifier_are_held_all() -> None:
    made = plan(
        feed(*listed(1), record("t2", isin="X")),
        workspace(*known(1), instrument("t0", isin="X"), instrument("t1", isin="X")),
        owners=[instrument("t2", isin="OLD", archived=True)],
        feed_definition=KEYED,
    )
    assert planned(made) == []
    assert (
        held(made)["t0"]
        == held(made)["t1"]
        == (
            "may be t2 of the feed by now: they share isin X, but several records of the workspace "
            "have it"
        )
    )


@pytest.mark.parametrize("archive_after", [1, 3])
def test_f21_patience_with_archives_is_none_with_a_broken_identifier(archive_after: int) -> None:
    """Forty of a hundred have another identifier and no key: they would all be there twice."""
    asked = definition(archive_after=archive_after)
    source = feed(*listed(*range(40), end=".O"), *listed(*range(40, 100)))
    made = judged(asked, replace(source, content_sha256="today"), HUNDRED)
    assert (made.plan.count("create"), made.to_apply.height) == (40, 0)
    assert made.withheld_because["create"] == (
        "40 creates beside withheld archives: it looks as if the identifiers changed, which would "
        "make every instrument twice"
    )
    assert [entry.kind for entry in made.withheld] == (
        ["create", "archive"] if archive_after == 1 else ["create"]
    )


def test_f21_creates_beside_few_that_are_missing_go_on() -> None:
    asked = definition(archive_after=3)
    source = feed(*listed(*range(99)), *listed(*range(200, 240)))
    made = judged(asked, replace(source, content_sha256="today"), HUNDRED)
    assert (made.plan.count("create"), made.to_apply.height) == (40, 40)
