"""A sync without Prefect: the same functions in the same order as the flow's tasks."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from armillary.api.connection import Connection
from armillary.api.ptolemy import Ptolemy, connect
from armillary.clock import Clock
from armillary.feeds.definition import FeedDefinition
from armillary.feeds.delivery import Delivery
from armillary.feeds.file_definition import FileDefinition
from armillary.feeds.reading import read_feed
from armillary.runs.memory import FeedMemory
from armillary.sync.apply import apply_change
from armillary.sync.existing import read_existing
from armillary.sync.ground import survey
from armillary.sync.judged import JudgedPlan, judge_plan
from armillary.sync.outcome import Outcome
from armillary.sync.plan import iter_changes
from simulator import Simulator

Row = Mapping[str, str]


def open_client(sim: Simulator, clock: Clock | None = None, **changed: Any) -> Ptolemy:
    facts: dict[str, Any] = {
        "url": f"{sim.url}/v1",
        "workspace": "demo",
        "token": sim.token_for("member"),
    }
    facts |= changed
    facts["token"] = SecretStr(facts["token"])
    return connect(Connection(**facts), clock=clock)


def judged(
    ptolemy: Ptolemy,
    definition: FeedDefinition,
    *,
    memory: FeedMemory | None = None,
    only: Sequence[str] | None = None,
    deliver: Callable[[], Delivery] | None = None,
) -> JudgedPlan:
    """Everything up to the point where the flow would apply."""
    before = ptolemy.meter.used
    ground = survey(ptolemy, workspace="demo", instrument_type=definition.instrument_type)
    source = read_feed(definition, ground.data_types, deliver)
    existing = read_existing(ptolemy, definition, ground, source.records)
    return judge_plan(
        definition,
        ground,
        source,
        existing,
        memory or FeedMemory(),
        only=only,
        reading_calls={"reading": ptolemy.meter.used - before},
        remaining_calls=ptolemy.meter.remaining,
    )


def apply_all(ptolemy: Ptolemy, made: JudgedPlan) -> list[Outcome]:
    """Apply every change of a plan, whatever the guards say."""
    ground = survey(ptolemy, workspace="demo", instrument_type=made.plan.instrument_type)
    return [apply_change(ptolemy, ground, change) for change in iter_changes(made.plan.changes)]


def csv_file(path: Path, rows: Iterable[Row]) -> Path:
    """A vendor's file of these rows."""
    listed = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(listed[0]))
    writer.writeheader()
    writer.writerows(listed)
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def vendor(path: Path, **changed: Any) -> FileDefinition:
    """A feed over the columns ``id,name,isin,mic,lot,listed``."""
    facts: dict[str, Any] = {
        "name": "vendor",
        "url": str(path),
        "instrument_type": "equity",
        "identifier": "{id}",
        "name_template": "{name}",
        "fields": {
            "isin": "{isin}",
            "exchange": "{mic}",
            "lot_size": "{lot}",
            "listed_on": "{listed}",
        },
        "scope": {"exchange": ["xasx"]},
        "missing": "archive",
    }
    # Tests change one field of many records, which is what the guard of fields withholds.
    limits = {"max_field_change_share": 1.0, "max_field_collapse_share": 1.0}
    changed["limits"] = limits | changed.get("limits", {})
    # Its ISINs are made up.
    changed["sanity"] = {"check_digits": "off"} | changed.get("sanity", {})
    return FileDefinition.model_validate(facts | changed)


def vendor_rows(count: int, **changed: str) -> list[dict[str, str]]:
    """Rows of such a file; ``changed`` replaces a column's value in all of them."""
    return [
        {
            "id": f"co{number:04}.ax",
            "name": f"Company {number}",
            "isin": f"AU{number:010}",
            "mic": "xasx",
            "lot": f"{number}.50",
            "listed": f"2020-01-{number % 28 + 1:02}",
        }
        | changed
        for number in range(count)
    ]


def seeded(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The same rows as instruments a simulator can be seeded with."""
    return [
        {
            "identifier": row["id"],
            "name": row["name"],
            "type_id": "equity",
            "field_values": {
                "isin": row["isin"],
                "exchange": row["mic"],
                "lot_size": row["lot"],
                "listed_on": row["listed"],
            },
        }
        for row in rows
    ]
