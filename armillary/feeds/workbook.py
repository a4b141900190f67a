"""Reading an Excel workbook: typed cells become the one text each value has, as in parquet."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from io import BytesIO
from typing import TYPE_CHECKING, TypeAlias

import polars as pl

from armillary.errors import FeedRefused
from armillary.feeds.packing import MAX_RATIO, too_large
from armillary.feeds.remote import place
from armillary.feeds.table import (
    FAULT_SCHEMA,
    ROW,
    Table,
    broken_rows,
    cell,
    without_blank_rows,
)
from armillary.feeds.workbook_formulas import errors_of_formulas, number_of, uncalculated

if TYPE_CHECKING:
    import python_calamine

_EXACT = 10**15
"""Beyond this a number of Excel has lost digits, and beyond twice as many its text an exponent."""
_HARMLESS_BYTES = 64 * 1024**2
_CHUNK_BYTES = 1024**2
_NOBODY = "holds nothing but formulas that nobody calculated"
_PLACE = re.compile(rb"""<(?:\w+:)?c\s[^>]*?\br=["']([A-Z]{1,3})(\d{1,7})["']""")
_PLACE_BYTES = 256
_MOST_PLACES = 50_000_000
"""Of a sheet, empty ones included; each takes 40 bytes."""

_Value: TypeAlias = str | float | bool | date | datetime | time | timedelta


def read_workbook(content: bytes, sheet: str | None, skip_lines: int, name: str) -> Table:
    """Read one sheet; ``row`` is the number that Excel shows beside it.

    Numbers lose needless zeros, midnight is a date, any other time is ISO 8601. The first row that
    is not blank is the header.

    Args:
        content: Of the file.
        sheet: Name of the sheet; None: the only one that is not hidden.
        skip_lines: Rows above the header that are no data.
        name: What messages call the file.

    Raises:
        FeedRefused: Cut off, damaged or protected, which sheet is meant cannot be told, no header,
            or no row.
    """
    _refuse_bomb(content, name)
    rows, sheet = _rows(content, sheet, name)
    start = next(
        (n for n, row in enumerate(rows) if n >= skip_lines and any(map(_worded, row))), None
    )
    if start is None:
        raise FeedRefused(f"{name} is empty: the sheet holds nothing but blanks.")
    header = _header(rows[start], name)
    columns = [_Column(each) for each in header]
    beyond = _cut(rows[start + 1 :], columns, start + 2)
    if not columns[0].texts:
        raise FeedRefused(f"{name} has a header ({', '.join(header)}) and not a single row.")
    numbers = pl.int_range(
        start + 2, start + 2 + len(columns[0].texts), dtype=pl.UInt32, eager=True
    )
    frame = pl.DataFrame(
        {cell(each.name): each.texts for each in columns},
        schema={cell(each.name): pl.String for each in columns},
    )
    last = start + 1 + len(frame)
    cells, blank = without_blank_rows(frame.insert_column(0, numbers.alias(ROW)))
    formulas, nothing_else = _formulas(content, sheet, header, cells)
    return Table(
        cells=cells,
        columns=tuple(header),
        faults=beyond,
        broken=broken_rows([(row, "", _NOBODY) for row in nothing_else if row > start + 1]),
        blank_rows=blank - sum(start + 1 < row <= last for row in nothing_else),
        numbers=frozenset(each.name for each in columns if each.has_numbers),
        mixed=frozenset(each.name for each in columns if each.has_numbers and each.texts_seen),
        dates={each.name: each.dates for each in columns if 0 < len(each.dates) <= each.texts_seen},
        uncalculated=formulas,
        warnings=(*errors_of_formulas(content), *filter(None, map(_dates_among_texts, columns))),
    )


@dataclass
class _Column:
    name: str
    texts: list[str] = field(default_factory=list)
    has_numbers: bool = False
    texts_seen: int = 0
    """Cells of text that are not blank."""
    dates: list[int] = field(default_factory=list)
    """Numbers of the rows that hold one."""

    def add(self, value: _Value, row: int) -> None:
        if isinstance(value, str):
            self.texts.append(value)
            self.texts_seen += bool(value.strip())
            return
        if isinstance(value, date):
            self.dates.append(row)
        elif not isinstance(value, (bool, time, timedelta)):
            self.has_numbers = True
        self.texts.append(_text(value))


def _refuse_bomb(content: bytes, name: str) -> None:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            whole = sum(member.file_size for member in archive.infolist())
            most = max(_HARMLESS_BYTES, MAX_RATIO * len(content))
            if whole > min(most, place.MAX_BYTES):
                raise too_large(name, beyond_ratio=most < place.MAX_BYTES)
            _refuse_far_cells(archive, name)
    except zipfile.BadZipFile:
        raise FeedRefused(
            f"{name} is cut off or damaged: a workbook is a zip archive, and this one has no end."
        ) from None


def _refuse_far_cells(archive: zipfile.ZipFile, name: str) -> None:
    """A sheet is read as a rectangle up to its last cell: one far away takes all memory (F24)."""
    for member in archive.namelist():
        if not (member.startswith("xl/worksheets/") and member.endswith(".xml")):
            continue
        try:
            rows, columns = _extent(archive, member)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError):
            raise FeedRefused(
                f"{name} is a damaged workbook: its part {member} cannot be unpacked."
            ) from None
        if rows * columns > _MOST_PLACES:
            raise FeedRefused(
                f"{name} has cells as far as row {rows:,} and column {columns:,}: a stray one, far "
                "from the table. Have the vendor delete it."
            )


def _extent(archive: zipfile.ZipFile, member: str) -> tuple[int, int]:
    """The last row and the last column of a sheet that have a cell."""
    rows, columns, rest = 0, 0, b""
    with archive.open(member) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            for letters, number in _PLACE.findall(rest + chunk):
                rows, columns = max(rows, int(number)), max(columns, number_of(letters))
            rest = chunk[-_PLACE_BYTES:]
    return rows, columns


def _rows(content: bytes, sheet: str | None, name: str) -> tuple[list[list[_Value]], str]:
    """The rows of the sheet that is meant, and its name."""
    import python_calamine  # noqa: PLC0415 -- which no other format needs

    try:
        book = python_calamine.CalamineWorkbook.from_filelike(BytesIO(content))
        chosen = _chosen(book, sheet, name)
        return list(book.get_sheet_by_name(chosen).iter_rows()), chosen
    except python_calamine.PasswordError:
        raise FeedRefused(
            f"{name} is protected by a password, which no feed definition carries."
        ) from None
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        raise FeedRefused(f"{name} is a damaged workbook: {error}.") from None


def _chosen(book: python_calamine.CalamineWorkbook, sheet: str | None, name: str) -> str:
    import python_calamine  # noqa: PLC0415

    found = [
        each.name
        for each in book.sheets_metadata
        if sheet is not None or each.visible == python_calamine.SheetVisibleEnum.Visible
    ]
    named = ", ".join(found) or "none"
    if sheet is not None and sheet not in found:
        raise FeedRefused(
            f"{name} has no sheet '{sheet}', which the feed definition names. Its sheets: {named}."
        )
    if sheet is None and len(found) != 1:
        raise FeedRefused(
            f"{name} has {len(found)} sheets ({named}): which one is meant, the feed definition "
            "has to say, as in `sheet: Sheet1`."
        )
    return sheet or found[0]


def _header(row: Sequence[_Value], name: str) -> list[str]:
    names = [_text(value).strip() for value in row]
    while len(names) > 1 and not names[-1]:
        names.pop()
    for number, each in enumerate(names, 1):
        if not each:
            raise FeedRefused(
                f"{name} has no name for column {number} in its header ({', '.join(names)})."
            )
        if each in names[: number - 1]:
            raise FeedRefused(
                f"{name} has the column '{each}' twice in its header, as columns "
                f"{names.index(each) + 1} and {number}: which one is meant cannot be told."
            )
    return names


def _cut(rows: Iterable[Sequence[_Value]], columns: list[_Column], first: int) -> pl.DataFrame:
    """Fill the columns; the rows with something beyond the last of them."""
    width = len(columns)
    beyond = []
    for number, row in enumerate(rows, first):
        for column, value in zip(columns, row, strict=False):
            column.add(value, number)
        if any(map(_worded, row[width:])):
            beyond.append((number, f"text beyond the last of the {width} columns the header names"))
    return pl.DataFrame(beyond, schema=FAULT_SCHEMA, orient="row")


def _worded(value: _Value) -> bool:
    return not isinstance(value, str) or bool(value.strip())


def _text(value: _Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        whole = abs(value) < _EXACT and value == int(value)
        return str(int(value)) if whole else format(Decimal(repr(value)), "f")
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    return str(value) if isinstance(value, timedelta) else value.isoformat()


def _formulas(
    content: bytes, sheet: str, header: Sequence[str], cells: pl.DataFrame
) -> tuple[dict[str, list[int]], list[int]]:
    """Rows of formulas that nobody calculated, by column; and those that have nothing else."""
    found: dict[str, list[int]] = {}
    places = uncalculated(content, sheet)
    for row, number in places:
        if number <= len(header):
            found.setdefault(header[number - 1], []).append(row)
    kept = set(cells[ROW]) if found else set()
    return found, sorted({row for rows in found.values() for row in rows} - kept)


def _dates_among_texts(column: _Column) -> str:
    """Excel makes a date of MAR1 and of 2-Mar, and shows it as before (F15)."""
    if not column.dates or not column.texts_seen:
        return ""
    rows = ", ".join(str(row) for row in column.dates[:3])
    more = f" and {len(column.dates) - 3} more" if len(column.dates) > 3 else ""  # noqa: PLR2004
    return (
        f"The column '{column.name}' holds dates among its texts (rows {rows}{more}): Excel makes "
        "a date of a code such as MAR1."
    )
