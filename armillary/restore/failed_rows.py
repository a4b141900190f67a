"""Rows that could not be restored, left where they can be mended and imported again.

For each type a file in the form of an import, and beside it a table with the reasons: a key that
an import does not know might make it refuse the row (contract N12).
"""

from __future__ import annotations

import csv
import io

import msgspec

from armillary.restore.bodies import Bodies
from armillary.restore.natural import Orphan
from armillary.restore.restoring import Restoring
from armillary.restore.side import spoken
from armillary.runs.record import RunRecord, harmless

MOST_ROWS = 100_000
"""Of one type in a file; the reasons are the same by then."""

NO_REASON = "the import did not store it as it is in the backup, and gave no reason."

_encode = msgspec.json.Encoder(decimal_format="number").encode


def write_failed_rows(restoring: Restoring, record: RunRecord) -> None:
    """Leave ``failed/{type}.json`` and ``failed/{type}.reasons.csv`` of types with failures.

    Rows of the file and of the table are in the same order. A row whose parent is missing stands
    in the table alone: it can be imported once its parent is there, by the restore itself.
    """
    for kind in restoring.kinds:
        if kind not in restoring.unreachable:
            _write(restoring, record, kind)


def _write(restoring: Restoring, record: RunRecord, kind: str) -> None:
    looked, brought = restoring.looked[kind], restoring.brought[kind]
    wrong = restoring.wrong(kind, MOST_ROWS)
    if not wrong.any() and not looked.wanted.orphans:
        return
    target = restoring.target
    bodies = Bodies(kind, restoring.source.naturals(kind), target.types, target.directory)
    rows, reasons = list[bytes](), io.StringIO()
    table = csv.writer(reasons)
    table.writerow(["row", "key", "reason"])
    general = next(iter(brought.remarks), NO_REASON)
    for number, row, natural in restoring.source.rows(kind, wrong):
        try:
            body = _encode(bodies.create(row))
        except Orphan as orphan:
            table.writerow(["", harmless(spoken(natural.key)), orphan.reason])
            continue
        rows.append(body)
        reason = brought.reasons.get(number, general)
        table.writerow([len(rows), harmless(spoken(natural.key)), harmless(reason)])
    for name, why in looked.wanted.orphan_examples:
        table.writerow(["", harmless(name), why])
    if rows:
        record.file(f"failed/{kind}.json", b"[" + b",\n".join(rows) + b"]\n")
    record.file(f"failed/{kind}.reasons.csv", reasons.getvalue().encode())
