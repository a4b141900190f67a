"""Made-up instruments, alike on every machine: rows of a vendor's file, and the same as held."""

from __future__ import annotations

import csv
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from armillary.feeds.file_definition import FileDefinition
from armillary.sync.canonical import DataType

Row = dict[str, str]

COLUMNS = (
    "code",
    "name",
    "isin",
    "currency",
    "mic",
    "lot",
    "tick",
    "listed",
    "active",
    "sector",
)
FIELDS = {
    "isin": "{isin}",
    "currency": "{currency}",
    "exchange": "{mic}",
    "lot_size": "{lot}",
    "tick_size": "{tick}",
    "listed_on": "{listed}",
    "active_trading": "{active}",
    "sector": "{sector}",
}
DATA_TYPES = {
    "isin": DataType.TEXT,
    "currency": DataType.TEXT,
    "exchange": DataType.TEXT,
    "lot_size": DataType.NUMBER,
    "tick_size": DataType.NUMBER,
    "listed_on": DataType.DATE,
    "active_trading": DataType.BOOLEAN,
    "sector": DataType.TEXT,
}
_SECTORS = ("Materials", "Energy", "Health Care", "Financials", "Information Technology", "")
_TICKS = ("0.001", "0.005", "0.01", "0.05")
_LOTS = ("1", "10", "100", "1000")


def held(number: int) -> Row:
    """An instrument as the workspace holds it, by field key, with ``id``, identifier and name."""
    return {
        "id": str(uuid.UUID(int=(0x0192 << 112) | (0x7 << 76) | (0x8 << 60) | number)),
        "identifier": f"t{number:07d}.xasx",
        "name": f"Instrument {number} Limited",
        "isin": f"AU{number:010d}",
        "currency": "AUD",
        "exchange": "xasx",
        "lot_size": _LOTS[number % len(_LOTS)],
        "tick_size": _TICKS[number % len(_TICKS)],
        "listed_on": f"{1990 + number % 35}-{number % 12 + 1:02}-{number % 28 + 1:02}",
        "active_trading": "false" if number % 50 == 0 else "true",
        "sector": _SECTORS[number % len(_SECTORS)],
    }


def delivered(number: int, lot: str | None = None) -> Row:
    """The same instrument as the vendor writes it: other numerals, other case, equal meaning.

    Args:
        number: of the instrument.
        lot: another lot size than the workspace holds.
    """
    row = held(number)
    return {
        "code": row["identifier"],
        "name": row["name"],
        "isin": row["isin"],
        "currency": row["currency"],
        "mic": row["exchange"],
        "lot": lot or row["lot_size"] + ".00",
        "tick": row["tick_size"] + "0",
        "listed": row["listed_on"],
        "active": row["active_trading"].upper(),
        "sector": row["sector"],
    }


def seeds(count: int) -> Iterator[dict[str, Any]]:
    """Rows a simulator can be seeded with."""
    for number in range(count):
        row = held(number)
        values = {key: row[key] for key in FIELDS if row[key]}
        yield {
            "id": row["id"],
            "identifier": row["identifier"],
            "name": row["name"],
            "type_id": "equity",
            "field_values": values,
        }


def write_feed(path: Path, count: int, lot: Callable[[int], str | None]) -> Path:
    """A vendor's file of the first ``count`` instruments; ``lot`` may change a lot size."""
    return _write(path, COLUMNS, (delivered(number, lot(number)) for number in range(count)))


def write_export(path: Path, count: int) -> Path:
    """The file an export of those instruments gives (contract section 14, N12)."""
    columns = ("id", "identifier", "name", "type_id", *FIELDS, "extras", "created_at")
    made = {"type_id": "equity", "extras": "", "created_at": "2026-01-02T03:04:05.678Z"}
    rows = ({**held(number), **made, "archived_at": ""} for number in range(count))
    return _write(path, (*columns, "archived_at"), rows)


def feed_of(path: Path, *, by_jobs: bool = False) -> FileDefinition:
    """The definition of such a feed; every limit is out of the way.

    Args:
        path: of the file.
        by_jobs: whether export and import jobs may stand for single requests.
    """
    return FileDefinition.model_validate(
        {
            "name": "bench",
            "url": str(path),
            "instrument_type": "equity",
            "identifier": "{code}",
            "name_template": "{name}",
            "fields": FIELDS,
            "scope": {"exchange": ["xasx"]},
            "missing": "archive",
            "limits": {"max_update_share": 1.0},
            "bulk": {"mode": "auto" if by_jobs else "never"},
        }
    )


def _write(path: Path, columns: Iterable[str], rows: Iterable[Row]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path
