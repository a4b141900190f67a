"""Reading delimited text (csv): every cell as written, every bad row by its number."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, replace
from io import StringIO

import polars as pl
import pyarrow as pa
import pyarrow.csv

from armillary.errors import FeedRefused
from armillary.feeds.content import samples
from armillary.feeds.quotes import broken_quotes
from armillary.feeds.table import (
    FAULT_SCHEMA,
    ROW,
    Table,
    broken_rows,
    cell,
    no_faults,
    without_blank_rows,
)
from armillary.repeated import REPEATS, rows_where

BLOCK_BYTES = 16 * 1024**2
"""Read at a time, and thereby the longest row: a longer one is a damaged file."""

_BLANK_LINES = re.compile(rb"(?:[ \t]*(?:\r\n|\n|\r))*+")
_HEADER = re.compile(rb'(?:[^"\r\n]|"[^"]*")*+(\r\n|\n|\r|\Z)')
_SOMETHING = re.compile(rb"\S")
_OTHER_DELIMITERS = {";": '";"', "\t": '"\\t"', "|": '"|"', ",": '","'}


@dataclass(frozen=True)
class _Header:
    """Attributes: the column names, the row it stands in, and the byte where the data begins."""

    names: tuple[str, ...]
    row: int
    end: int
    trailing: int
    """Delimiters that end the line: so many unnamed last columns, which must stay blank."""

    @property
    def width(self) -> int:
        return len(self.names) + self.trailing


def read_delimited(content: bytes, delimiter: str, name: str) -> Table:
    """Cut UTF-8 content into columns.

    ``row`` numbers are those of the records: the header is 1, blank rows count, a line break
    inside quotes does not.

    Raises:
        FeedRefused: No header, no rows, a column name twice or missing, a quote never closed, or
            a file that ends in the middle of a row.
    """
    header = _header(content, delimiter, name)
    if _SOMETHING.search(content, header.end) is None:
        raise FeedRefused(f"{name} has a header ({_listed(header.names)}) and not a single row.")
    faults = _quote_faults(content, header, delimiter, name)
    cells, invalid = _cut(content, header, delimiter, name)
    if cells.is_empty() and header.trailing and _all_without_trailing(invalid, header):
        header = replace(header, trailing=0)
        cells, invalid = _cut(content, header, delimiter, name)
    total = cells.height + len(invalid)
    if not _ended(content):
        _refuse_cut_off(total, invalid, header, name)
    cells, overlong = _without_trailing(cells, header)
    cells, blank = without_blank_rows(cells)
    worded = [row for row in invalid if (row.text or "").replace(delimiter, "").strip(' \t\r\n"')]
    broken = [
        (row.number + header.row, row.text or "", _width_reason(row, header)) for row in worded
    ]
    return Table(
        cells=cells,
        columns=header.names,
        broken=broken_rows(broken),
        faults=pl.concat([faults, overlong, _repeated_headers(cells, header)]),
        blank_rows=blank + len(invalid) - len(worded),
        hint=_delimiter_hint(header, delimiter),
        warnings=_unended(content, total + header.row),
    )


def _header(content: bytes, delimiter: str, name: str) -> _Header:
    blank = _BLANK_LINES.match(content)
    start = blank.end() if blank else 0
    if _SOMETHING.search(content, start) is None:
        raise FeedRefused(f"{name} is empty: it holds nothing but blanks.")
    found = _HEADER.match(content, start)
    if found is None:
        raise FeedRefused(f"{name} has a quote in its header that is never closed.")
    try:
        written = next(
            csv.reader(StringIO(found.group().decode(), newline=""), delimiter=delimiter)
        )
    except csv.Error as error:
        raise FeedRefused(f"{name} has a header that cannot be read: {error}.") from None
    names = [each.strip() for each in written]
    trailing = len(names)
    while len(names) > 1 and not names[-1]:
        names.pop()
    trailing -= len(names)
    _check_names(names, name)
    row = 1 + len(re.findall(rb"\r\n|\n|\r", content[:start]))
    return _Header(tuple(names), row, found.end(), trailing)


def _check_names(names: list[str], name: str) -> None:
    for number, each in enumerate(names, 1):
        if not each:
            raise FeedRefused(
                f"{name} has no name for column {number} in its header ({_listed(names)})."
            )
        if each in names[: number - 1]:
            raise FeedRefused(
                f"{name} has the column '{each}' twice in its header, as columns "
                f"{names.index(each) + 1} and {number}: which one is meant cannot be told."
            )


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)


def _quote_faults(content: bytes, header: _Header, delimiter: str, name: str) -> pl.DataFrame:
    rows = []
    for quote in broken_quotes(content, header.end, delimiter):
        row = header.row + 1 + quote.row
        if not quote.closed:
            raise FeedRefused(
                f"{name} has a quote that opens in row {row} and is never closed, so the rows "
                "behind it cannot be told apart: a quote is missing there, or the file is cut off."
            )
        rows.append((row, "text follows a closing quote; a quote inside a quoted cell is doubled"))
    return pl.DataFrame(rows, schema=FAULT_SCHEMA, orient="row").unique(maintain_order=True)


def _cut(
    content: bytes, header: _Header, delimiter: str, name: str
) -> tuple[pl.DataFrame, list[pyarrow.csv.InvalidRow]]:
    """The rows of the right width, numbered, and the others as the reader hands them over."""
    columns = [*(cell(each) for each in header.names), *_unnamed(header)]
    data = pa.py_buffer(content).slice(header.end)
    quoted = content.find(b'"', header.end) >= 0
    kinds = _kinds(content, header, columns, delimiter)
    try:
        table, invalid = _read(data, kinds, delimiter, quoted=quoted, use_threads=True)
        if invalid:
            # Several threads do not know the numbers of the rows they hand over; one does.
            table, invalid = _read(data, kinds, delimiter, quoted=quoted, use_threads=False)
    except pa.ArrowInvalid as error:
        if "straddl" not in str(error):
            raise FeedRefused(f"{name} cannot be read as csv: {error}.") from None
        raise FeedRefused(
            f"{name} has a row of more than {BLOCK_BYTES // 1024**2} MiB, which no instrument "
            "needs: the file is damaged."
        ) from None
    frame = pl.DataFrame(pl.from_arrow(table))
    del table
    # What parsing took besides is as much as the cells, and would be kept for the next parsing.
    pa.default_memory_pool().release_unused()
    return _numbered(frame, [row.number for row in invalid], header.row), invalid


def _kinds(
    content: bytes, header: _Header, columns: list[str], delimiter: str
) -> dict[str, pa.DataType]:
    """Text, or by distinct values where samples show that a few repeat: a guess, for speed."""
    kinds = dict.fromkeys(columns, pa.string())
    sample = b"".join(samples(content, header.end))
    try:
        rows, _ = _read(pa.py_buffer(sample), kinds, delimiter, quoted=False, use_threads=False)
    except pa.ArrowInvalid:  # empty, or begun in the midst of a quoted cell
        return kinds
    for name, values in zip(columns, rows.columns, strict=True):
        if len(values.unique()) * REPEATS <= rows.num_rows:
            kinds[name] = pa.dictionary(pa.int32(), pa.string())
    return kinds


def _read(
    data: pa.Buffer,
    kinds: dict[str, pa.DataType],
    delimiter: str,
    *,
    quoted: bool,
    use_threads: bool,
) -> tuple[pa.Table, list[pyarrow.csv.InvalidRow]]:
    invalid: list[pyarrow.csv.InvalidRow] = []

    def keep_invalid(row: pyarrow.csv.InvalidRow) -> str:
        invalid.append(row)
        return "skip"

    table = pyarrow.csv.read_csv(
        pa.BufferReader(data),
        read_options=pyarrow.csv.ReadOptions(
            use_threads=use_threads, block_size=BLOCK_BYTES, column_names=list(kinds)
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=delimiter,
            # Rows are found several times as fast where no cell can hold a line end.
            newlines_in_values=quoted,
            ignore_empty_lines=False,
            invalid_row_handler=keep_invalid,
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            check_utf8=False,  # proven while decoding, where the line can be named
            strings_can_be_null=False,
            column_types=kinds,
        ),
    )
    return table, invalid


def _numbered(frame: pl.DataFrame, skipped: list[int], header_row: int) -> pl.DataFrame:
    numbers = pl.int_range(1, frame.height + len(skipped) + 1, dtype=pl.UInt32, eager=True)
    good = numbers.filter(~numbers.is_in(pl.Series(skipped, dtype=pl.UInt32).implode()))
    return frame.insert_column(0, (good + header_row).alias(ROW))


def _all_without_trailing(invalid: list[pyarrow.csv.InvalidRow], header: _Header) -> bool:
    return all(row.actual_columns == len(header.names) for row in invalid)


def _ended(content: bytes) -> bool:
    return content.endswith((b"\n", b"\r"))


def _unended(content: bytes, last_row: int) -> tuple[str, ...]:
    if _ended(content):
        return ()
    return (
        f"The last row ({last_row}) has no line end: if the vendor usually writes one, the file is "
        "cut off within its last cell.",
    )


def _refuse_cut_off(
    total: int, invalid: list[pyarrow.csv.InvalidRow], header: _Header, name: str
) -> None:
    last = invalid[-1] if invalid else None
    if last and last.number == total and last.actual_columns < header.width:
        raise FeedRefused(
            f"{name} ends in the middle of row {last.number + header.row}: it is cut off there, "
            f"after {_cells(last.actual_columns)} of {header.width}, without a line end."
        )


def _unnamed(header: _Header) -> list[str]:
    return [f"unnamed.{number}" for number in range(header.trailing)]


def _without_trailing(cells: pl.DataFrame, header: _Header) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Drop the unnamed last columns; rows with text in one are too long."""
    unnamed = _unnamed(header)
    if not unnamed:
        return cells, no_faults()
    filled = cells.filter(
        pl.any_horizontal(pl.col(unnamed).cast(pl.String).str.strip_chars() != "")
    )
    fault = f"text beyond the last of the {len(header.names)} columns the header names"
    return cells.drop(unnamed), filled.select(ROW, pl.lit(fault).alias("fault"))


def _repeated_headers(cells: pl.DataFrame, header: _Header) -> pl.DataFrame:
    titles = {cell(each): each for each in header.names}
    same = rows_where(cells, titles, lambda text, name: text.str.strip_chars() == titles[name])
    return same.select(ROW, pl.lit("the row repeats the header").alias("fault"))


def _width_reason(row: pyarrow.csv.InvalidRow, header: _Header) -> str:
    return f"{_cells(row.actual_columns)} where the header has {header.width}"


def _cells(number: int) -> str:
    return f"{number} cell" if number == 1 else f"{number} cells"


def _delimiter_hint(header: _Header, delimiter: str) -> str:
    if len(header.names) > 1:
        return ""
    for other, written in _OTHER_DELIMITERS.items():
        if other != delimiter and other in header.names[0]:
            return f"The header looks separated by another character: try `delimiter: {written}`."
    return ""
