"""What becomes of the bytes of rows: records, or only as many things as there are rows.

Numbers of JSON with a fraction become ``Decimal``, so that none loses a digit on its way back.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from armillary.errors import ExportDamaged

Row = dict[str, Any]

_LINE = re.compile(rb'(?:[^"\n]++|"[^"]*+"?)*+\n?')


class _Record(msgspec.Struct, gc=False):
    """Any object; its fields are looked at as JSON and not kept."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How rows are decoded."""

    json: Callable[[bytes], list[Any]]
    """Of a JSON list; raises ``msgspec.DecodeError`` for anything else."""
    csv: Callable[[Sequence[str], bytes], list[Any]]
    """Of the names of the columns and lines of a CSV; raises ``ExportDamaged``."""


def csv_lines(content: bytes) -> list[bytes]:
    """The lines of a CSV with their ends, each a row; those with nothing in them are none."""
    if b'"' not in content:
        return [line for line in io.BytesIO(content) if line.strip(b"\r\n")]
    return [line for line in _LINE.findall(content) if line.strip(b"\r\n")]


def csv_names(header: bytes) -> list[str]:
    """The names of the columns.

    Raises:
        ExportDamaged: the first line is no line of a CSV.
    """
    try:
        text = header.decode()
    except UnicodeDecodeError as error:
        raise ExportDamaged(f"The header of the export is no UTF-8: {error}.") from None
    return next(csv.reader(io.StringIO(text, newline="")), [])


def _csv_rows(names: Sequence[str], content: bytes) -> list[Row]:
    if not content.strip(b"\r\n"):
        return []
    import pyarrow as pa  # noqa: PLC0415 - JSON needs none of it, and it takes a while
    from pyarrow import csv as arrow  # noqa: PLC0415

    numbered = [str(number) for number in range(len(names))]  # two columns may have one name
    try:
        table = arrow.read_csv(
            io.BytesIO(content),
            # One block: a row that lies in two of them counts as an error.
            read_options=arrow.ReadOptions(
                column_names=numbered, use_threads=False, block_size=len(content) + 1
            ),
            parse_options=arrow.ParseOptions(newlines_in_values=True),
            convert_options=arrow.ConvertOptions(
                column_types=dict.fromkeys(numbered, pa.string()),
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
    except pa.ArrowInvalid as error:
        raise ExportDamaged(f"The export cannot be read as CSV: {str(error)[:200]}") from None
    columns = (column.to_pylist() for column in table.columns)
    return [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _lines(_: Sequence[str], content: bytes) -> list[bytes]:
    return csv_lines(content)


ROWS = Decoding(msgspec.json.Decoder(list[Row], float_hook=Decimal).decode, _csv_rows)
"""Records by column: of a CSV each cell a text, None where it is blank."""

COUNTED = Decoding(msgspec.json.Decoder(list[_Record]).decode, _lines)
"""As many things as there are rows, and proof that they are rows."""

RAW = Decoding(msgspec.json.Decoder(list[msgspec.Raw]).decode, _lines)
"""The bytes of each row."""
