"""Rows that are in both and not the same: all of them in the run record, some in the report."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from armillary.restore.looking import EXAMPLES
from armillary.restore.outcome import Difference
from armillary.restore.restoring import Restoring
from armillary.runs.record import RunRecord, harmless

SHOWN_OF_CHOSEN = 1000
"""Differences of a type that are shown when a person named the instruments: all, as a rule."""


def write_differing_rows(restoring: Restoring, record: RunRecord) -> None:
    """Leave ``differing/{type}.csv``: a line for each field, as it was before the first import."""
    for kind, found in restoring.differing.items():
        lines = io.StringIO()
        table = csv.writer(lines)
        table.writerow(["row", "field", "backup", "workspace"])
        for it in found:
            cells = (it.row, it.field, it.backup or "", it.workspace or "")
            table.writerow(map(harmless, cells))
        record.file(f"differing/{kind}.csv", lines.getvalue().encode())


def shown_differences(restoring: Restoring) -> Iterator[Difference]:
    """Those that the result tells: of the first rows of each type, or of all that were named."""
    named = restoring.asked.selection.instruments is not None
    for found in restoring.differing.values():
        if named:
            yield from found[:SHOWN_OF_CHOSEN]
            continue
        rows: set[str] = set()
        for difference in found:
            rows.add(difference.row)
            if len(rows) > EXAMPLES:
                break
            yield difference
