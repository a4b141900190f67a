"""Reading JSON: an array of objects, or one object per line. Numbers keep their decimal text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec
import polars as pl

from armillary.errors import FeedRefused
from armillary.feeds.table import ROW, Table, broken_rows, cell, without_blank_rows

_BATCH = 20_000
_BYTE = re.compile(r" \(byte (\d+)\)")

_decode = msgspec.json.Decoder(float_hook=str).decode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode

Record = dict[str, Any]


def read_array(content: bytes, used: Collection[str], name: str) -> Table:
    """Read an array of objects; ``row`` 1 is the first object.

    Objects inside an object become columns ``outer.inner``, one level deep.

    Raises:
        FeedRefused: No array, malformed or cut off (with the line), or a list where one of the
            ``used`` columns has to be text.
    """
    try:
        raws = _split(content)
    except msgspec.ValidationError as error:
        said = str(error).rstrip(".").replace("`", "")
        raise FeedRefused(
            f"{name} holds no JSON array of objects: {said[0].lower()}{said[1:]}.{_hint(content)}"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(error, content, name) from None
    gathered = _Columns(used, name)
    for number, raw in enumerate(raws, 1):
        try:
            value = _decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise FeedRefused(f"{name} has a broken object {number}: {error}.") from None
        gathered.add(number, value, raw)
    return gathered.table()


def read_lines(content: bytes, used: Collection[str], name: str) -> Table:
    """Read one object per line; ``row`` is the number of the line. A broken line is one reject.

    Raises:
        FeedRefused: The last line is cut off, or a list stands where one of the ``used`` columns
            has to be text.
    """
    gathered = _Columns(used, name)
    for number, (line, ended) in enumerate(_lines(content), 1):
        text = line.strip()
        if not text:
            gathered.blank += 1
            continue
        try:
            value = _decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if not ended:
                raise FeedRefused(
                    f"{name} ends in the middle of line {number}: it is cut off there."
                ) from None
            gathered.reject(number, text, f"the line is not JSON: {_said(error)}")
        else:
            gathered.add(number, value, text)
    return gathered.table()


def _lines(content: bytes) -> Iterator[tuple[bytes, bool]]:
    """Each line, and whether a line end follows it."""
    start = 0
    while start < len(content):
        found = content.find(b"\n", start)
        end = len(content) if found < 0 else found
        yield content[start:end], found >= 0
        start = end + 1


@dataclass
class _Columns:
    """Gathers records; a batch at a time becomes columns, so that few objects are alive."""

    used: Collection[str]
    name: str
    blank: int = 0
    numbers: list[int] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    frames: list[pl.DataFrame] = field(default_factory=list)
    broken: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, number: int, value: Any, raw: bytes | msgspec.Raw) -> None:
        if not isinstance(value, dict):
            self.reject(number, bytes(raw), "not an object but a single value or a list")
            return
        self.numbers.append(number)
        self.records.append(value)
        if len(self.records) == _BATCH:
            self._to_columns()

    def reject(self, number: int, raw: bytes, reason: str) -> None:
        self.broken.append((number, raw.decode("utf-8", "replace"), reason))

    def table(self) -> Table:
        self._to_columns()
        empty = pl.DataFrame(schema={ROW: pl.UInt32})
        whole = pl.concat([empty, *self.frames], how="diagonal", rechunk=True)
        cells, blank = without_blank_rows(whole.with_columns(pl.exclude(ROW).fill_null("")))
        prefix = len(cell(""))
        return Table(
            cells=cells,
            columns=tuple(column[prefix:] for column in cells.columns if column != ROW),
            broken=broken_rows(self.broken),
            blank_rows=self.blank + blank,
        )

    def _to_columns(self) -> None:
        if any(type(value) is dict for record in self.records for value in record.values()):
            self.records = [_flat(record) for record in self.records]
        keys = dict.fromkeys(key for record in self.records for key in record)
        columns = {
            key: self._texts(key, [record.get(key) for record in self.records]) for key in keys
        }
        data: dict[str, Sequence[Any]] = {ROW: self.numbers}
        for key, texts in columns.items():
            data[cell(key.strip())] = texts
        schema = {column: pl.UInt32 if column == ROW else pl.String for column in data}
        self.frames.append(pl.DataFrame(data, schema=schema))
        self.numbers, self.records = [], []

    def _texts(self, key: str, values: Sequence[Any]) -> list[str | None]:
        if key.strip() in self.used:
            for number, value in zip(self.numbers, values, strict=True):
                if isinstance(value, (list, dict)):
                    kind = "a list" if isinstance(value, list) else "an object two levels deep"
                    raise FeedRefused(
                        f"{self.name} has {kind} in '{key}' of object {number}, where the feed "
                        "definition needs a single value."
                    )
        return [value if type(value) is str else _text(value) for value in values]


def _flat(record: Record) -> Record:
    flat: Record = {}
    for key, value in record.items():
        if type(value) is dict:
            flat.update((f"{key}.{inner}", nested) for inner, nested in value.items())
        else:
            flat[key] = value
    return flat


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, (bool, list, dict)):
        return msgspec.json.encode(value).decode()
    return str(value)


def _malformed(error: Exception, content: bytes, name: str) -> FeedRefused:
    if "truncated" in str(error):
        return FeedRefused(f"{name} is cut off: the JSON ends before its last bracket is closed.")
    found = _BYTE.search(str(error))
    place = int(found.group(1)) if found else 0
    line = content.count(b"\n", 0, place) + 1
    column = place - content.rfind(b"\n", 0, place)
    hint = _hint(content) if "trailing" in str(error) else ""
    return FeedRefused(
        f"{name} is not valid JSON at line {line}, column {column}: {_said(error)}.{hint}"
    )


def _hint(content: bytes) -> str:
    starts = [line.lstrip()[:1] for line, _ in islice(_lines(content), 2)]
    if starts != [b"{", b"{"]:
        return ""
    return " It looks like one object per line: try `format: ndjson`."


def _said(error: Exception) -> str:
    said = _BYTE.sub("", str(error)).removeprefix("JSON is malformed: ")
    return "it is cut off" if "truncated" in said else said
