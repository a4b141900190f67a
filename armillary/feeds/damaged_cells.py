"""Cells that no longer hold what the vendor wrote: a spreadsheet has been at them (F15)."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from armillary.feeds.mapping import Mapping
from armillary.feeds.table import FAULT_SCHEMA, Table
from armillary.sync.canonical import DataType


@dataclass(frozen=True)
class Damaged:
    """What is wrong with cells that a feed uses.

    Attributes:
        faults: Rows to reject, with the reason (``FAULT_SCHEMA``).
        nameless: Those of them whose identifier cannot be believed.
        doubt: Why identifiers of the other rows may be damaged, too; blank if nothing says so.
    """

    faults: pl.DataFrame
    nameless: list[int]
    doubt: str = ""


def damaged_cells(table: Table, mapping: Mapping) -> Damaged:
    """Look at the cells a workbook has dates or formulas in, as far as the feed uses them.

    A date in a column of texts is only a fault where it makes an identifier: an instrument would
    get another one, or be archived.
    """
    faults = [
        (row, f"{name}: a formula that nobody calculated, so the file does not tell its value")
        for name in mapping.columns
        for row in table.uncalculated.get(name, ())
    ]
    dates = [
        (row, f"{name}: a date, which Excel makes of a code such as MAR1")
        for name in mapping.identifier.columns
        for row in table.dates.get(name, ())
    ]
    mixed = [name for name in mapping.identifier.columns if name in table.mixed]
    known = pl.DataFrame(faults + dates, schema=FAULT_SCHEMA, orient="row")
    known = known.filter(pl.col("row").is_in(table.cells["row"].implode()))
    return Damaged(
        faults=known,
        nameless=[row for row, _ in dates],
        doubt=f"the column '{mixed[0]}' holds numbers among its texts, so leading zeros may be lost"
        if mixed
        else "",
    )


def number_columns(table: Table, mapping: Mapping) -> list[str]:
    """A number that stands for text has lost its leading zeros before it came here."""
    texts = {"the identifier": mapping.identifier.columns}
    texts |= {
        f"the text field {field.key}": field.template.columns
        for field in mapping.fields
        if field.data_type is DataType.TEXT
    }
    return [
        f"The column '{name}' holds numbers, not text, and makes {target}: leading zeros, if it "
        "ever had any, are lost."
        for target, columns in texts.items()
        for name in columns
        if name in table.numbers
    ]
