"""Looking at the rows of an export while its bytes pass: how many, and what refers to what.

Bytes come in pieces of any size and are never held beyond a few MiB: an export of 3 GB in one line
is as good as a small one (J14). Only the columns that are asked for become Python values.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from armillary.backup.beginning import (
    LONGEST_HEAD_BYTES,
    SNIFFED_BYTES,
    format_of,
    no_list,
    rows_begin,
    without_mark,
)
from armillary.backup.cuts import UNREADABLE, Cuts, end_of_lines
from armillary.backup.resources import CHILDREN, REFERENCES
from armillary.errors import ExportDamaged

if TYPE_CHECKING:
    from pyarrow.csv import ConvertOptions

PIECE_BYTES = 1024**2
"""So much is decoded at a time."""

LONGEST_ROW_BYTES = 64 * 1024**2
"""A piece grows up to this while no end of a row is found in it; then the file is damaged."""

ARCHIVED_AT = "archived_at"

Column = list[str | None]


@dataclass(frozen=True)
class RowBatch:
    """Some rows of an export, by column.

    A column that the export does not have is not there; a cell that is not there is None. A
    reference is the text by which the row names the other, its UUID or its identifier.
    """

    rows: int
    columns: Mapping[str, Column]


def wanted_columns(resource_type: str) -> tuple[str, ...]:
    """The columns that a batch of this type can have.

    Only a type that others refer to tells its names: two million values have two million UUIDs,
    and nobody asks for one of them.
    """
    names = ("id", "identifier") if CHILDREN.get(resource_type) else ()
    return (*names, ARCHIVED_AT, *REFERENCES.get(resource_type, {}))


class _Reader(Protocol):
    def feed(self, chunk: bytes) -> Iterator[RowBatch]: ...

    def close(self) -> Iterator[RowBatch]: ...


class RowReader:
    """Takes the bytes of one export, in order, and tells its rows.

    ``feed`` and ``close`` raise ``ExportDamaged`` for a file that is no export or not all of it.
    """

    def __init__(self, resource_type: str) -> None:
        self.rows = 0
        self._wanted = wanted_columns(resource_type)
        self._start = b""
        self._reader: _Reader | None = None
        self.format: Literal["json", "csv"] = "json"

    def feed(self, chunk: bytes) -> Iterator[RowBatch]:
        """The rows that are whole by now."""
        reader = self._reader
        if reader is None:
            self._start = without_mark(self._start + chunk)
            if len(self._start) < SNIFFED_BYTES:
                return
            reader, chunk = self._begin()
        for batch in reader.feed(chunk):
            yield self._counted(batch)

    def close(self) -> Iterator[RowBatch]:
        """The last rows; at least one batch comes, if an empty one."""
        reader = self._reader
        if reader is None:
            reader, rest = self._begin()
            for batch in reader.feed(rest):
                yield self._counted(batch)
        for batch in reader.close():
            yield self._counted(batch)

    def _counted(self, batch: RowBatch) -> RowBatch:
        self.rows += batch.rows
        return batch

    def _begin(self) -> tuple[_Reader, bytes]:
        start, self._start = self._start, b""
        self.format = format_of(start)
        kind = _JsonRows if self.format == "json" else _CsvRows
        self._reader = kind(self._wanted)
        return self._reader, start


class _JsonRows:
    """A JSON array of objects, or one wrapped in an object under ``data`` (contract N12)."""

    def __init__(self, wanted: Sequence[str]) -> None:
        self._wanted = wanted
        self._objects = {name: name.removesuffix("_id") for name in wanted if name.endswith("_id")}
        names = [*wanted, *self._objects.values()]
        row = msgspec.defstruct("Row", [(name, Any, msgspec.UNSET) for name in names], gc=False)
        whole: Any = msgspec.defstruct("Whole", [("data", list[row])])  # type: ignore[valid-type]
        self._decode_rows = msgspec.json.Decoder(list[row]).decode  # type: ignore[valid-type]
        self._decode_whole = msgspec.json.Decoder(whole).decode
        self._head: bytes | None = None
        self._buffer = bytearray()
        self._cuts = Cuts(self._decode_rows)
        self._try_at = PIECE_BYTES

    def feed(self, chunk: bytes) -> Iterator[RowBatch]:
        self._buffer += chunk
        if self._head is None and not self._found_head():
            return
        while len(self._buffer) >= self._try_at:
            rows = self._cuts.take(self._buffer)
            if rows is None:
                if self._try_at >= LONGEST_ROW_BYTES:
                    raise ExportDamaged(
                        f"In {LONGEST_ROW_BYTES // 1024**2} MiB of the export no end of a row "
                        "could be found: it is no list of records, or damaged."
                    )
                self._try_at *= 2
                continue
            self._try_at = PIECE_BYTES
            yield self._batch(rows)

    def close(self) -> Iterator[RowBatch]:
        if self._head is None and not self._found_head():
            raise no_list(self._buffer)
        assert self._head is not None  # noqa: S101 - found above
        rest = self._head + bytes(self._buffer)
        try:
            wrapped = self._head.lstrip()[:1] == b"{"
            rows = self._decode_whole(rest).data if wrapped else self._decode_rows(rest)
        except UNREADABLE as error:
            raise ExportDamaged(
                f"The export is cut off or damaged: its end cannot be read as JSON ({error})."
            ) from None
        yield self._batch(rows)

    def _found_head(self) -> bool:
        end = rows_begin(self._buffer)
        if end is None:
            if len(self._buffer) >= LONGEST_HEAD_BYTES:
                raise no_list(self._buffer)
            return False
        self._head = bytes(self._buffer[:end])
        del self._buffer[:end]
        return True

    def _batch(self, rows: Sequence[Any]) -> RowBatch:
        columns: dict[str, Column] = {}
        for name in self._wanted:
            cells = list(map(attrgetter(name), rows))
            kinds = set(map(type, cells))
            other = self._objects.get(name)
            if other and msgspec.UnsetType in kinds:
                nested = map(attrgetter(other), rows)
                cells = [
                    cell if cell is not msgspec.UNSET else inner
                    for cell, inner in zip(cells, nested, strict=True)
                ]
                kinds = set(map(type, cells))
            if kinds == {msgspec.UnsetType}:
                continue
            plain = kinds <= {str, NoneType}
            columns[name] = cells if plain else [_named(cell) for cell in cells]
        return RowBatch(len(rows), columns)


class _CsvRows:
    """CSV with a header (contract section 14)."""

    def __init__(self, wanted: Sequence[str]) -> None:
        self._wanted = wanted
        self._buffer = bytearray()
        self._header: list[str] | None = None
        self._options: ConvertOptions | None = None

    def feed(self, chunk: bytes) -> Iterator[RowBatch]:
        self._buffer += chunk
        if len(self._buffer) >= PIECE_BYTES:
            end = end_of_lines(self._buffer)
            if end:
                piece = bytes(self._buffer[:end])
                del self._buffer[:end]
                yield self._batch(piece)
            elif len(self._buffer) >= LONGEST_ROW_BYTES:
                raise ExportDamaged("The export has a quote that is opened and never closed.")

    def close(self) -> Iterator[RowBatch]:
        if self._buffer.count(b'"') % 2:
            raise ExportDamaged("The export is cut off: its last quote is never closed.")
        yield self._batch(bytes(self._buffer))

    def _batch(self, piece: bytes) -> RowBatch:
        import pyarrow as pa  # noqa: PLC0415 - JSON needs none of it, and it takes a while
        from pyarrow import csv  # noqa: PLC0415

        try:
            if self._header is None:
                piece = self._take_header(piece)
            if not piece.strip():
                return RowBatch(0, {name: [] for name in self._wanted if name in self._names})
            table = csv.read_csv(
                io.BytesIO(piece),
                # One block: a row that lies in two of them counts as an error.
                read_options=csv.ReadOptions(
                    column_names=self._header, use_threads=False, block_size=len(piece) + 1
                ),
                parse_options=csv.ParseOptions(newlines_in_values=True),
                convert_options=self._options,
            )
        except pa.ArrowInvalid as error:
            raise ExportDamaged(f"The export cannot be read as CSV: {str(error)[:200]}") from None
        found = {name: table[name].to_pylist() for name in self._wanted if name in self._names}
        return RowBatch(table.num_rows, found)

    def _take_header(self, piece: bytes) -> bytes:
        import pyarrow as pa  # noqa: PLC0415
        from pyarrow import csv  # noqa: PLC0415

        line, _, rest = piece.partition(b"\n")
        header = csv.read_csv(
            io.BytesIO(line + b"\n"), read_options=csv.ReadOptions(autogenerate_column_names=True)
        )
        self._header = [str(name) for name in header.to_pylist()[0].values()]
        read = [name for name in self._wanted if name in self._names] or self._header[:1]
        self._options = csv.ConvertOptions(
            include_columns=read,
            column_types=dict.fromkeys(read, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
        )
        return rest

    @property
    def _names(self) -> Sequence[str]:
        return self._header or ()


def _named(cell: Any) -> str | None:
    """How a cell names a row: a text, or an object with id or identifier (contract D2)."""
    if cell is None or cell is msgspec.UNSET:
        return None
    if isinstance(cell, dict):
        cell = cell.get("id") or cell.get("identifier")
    return None if cell is None else str(cell)
