"""The second half of the demo: the night's backup, and the proof that it can be restored."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import httpx

from armillary.backup.bucket import Bucket
from armillary.backup.outcome import BackupResult
from armillary.backup.verified import Verified
from armillary.errors import LeaseHeld
from armillary.settings import Settings
from cli.backup import print_backup, run_backup
from cli.parts import Store
from cli.verify import print_verified, run_verify, scratch_block

DAYS = 20
"""Of made-up closing prices, for every instrument."""

SAMPLED = 20
"""Instruments of the proof by restore."""

FIRST_DAY = date(2026, 10, 26)


@dataclass(frozen=True)
class BackupScene:
    """One step of the story."""

    title: str
    told: str
    state: str
    """The state the story needs; anything else means that the demo is broken."""
    play: Callable[[Settings], BackupResult | Verified]
    mode: Literal["apply", "read"]


def scenes(store: Store, delivery: Path, control_url: str) -> Iterator[BackupScene]:
    """The scenes, each to be played before the next one is taken.

    Args:
        store: the embedded S3 service.
        delivery: the file whose instruments lie in the workspace.
        control_url: of the simulator, to fill in what a feed does not bring.
    """
    backups: list[BackupResult] = []

    def back_up(settings: Settings) -> BackupResult:
        result = run_backup(settings)
        if isinstance(result, LeaseHeld):
            raise result
        backups.append(result)
        return result

    store.client.create_bucket(Bucket=store.bucket)
    fill(control_url, delivery)
    yield BackupScene(
        "The night's backup",
        "The workspace has markets, listings and some made-up closing prices by now. All seven "
        "types are exported, streamed into an S3 bucket on this machine, counted, hashed, and "
        "followed from reference to reference; the manifest is written last.",
        "Completed",
        back_up,
        "apply",
    )
    flipped = _flip_a_byte(store, backups[-1])
    yield BackupScene(
        "A byte turns over in the bucket",
        f"One byte of {flipped} was changed behind Armillary's back; its length is the same. A "
        "list of files would show nothing; reading every file back to the last byte does.",
        "Failed",
        run_verify,
        "read",
    )
    _flip_a_byte(store, backups[-1])
    yield BackupScene(
        "The proof: can it be restored?",
        f"The byte is put back. {SAMPLED} instruments, with their markets, listings and prices, "
        "are restored into an empty scratch workspace, exported again, compared row by row, and "
        "removed. What it showed lies beside the manifest.",
        "Completed",
        lambda settings: run_verify(
            settings, depth="restore", sample=SAMPLED, scratch=scratch_block(settings)
        ),
        "read",
    )


def show(result: BackupResult | Verified) -> None:
    """A result for a person."""
    if isinstance(result, BackupResult):
        print_backup(result)
    else:
        print_verified(result)


def _flip_a_byte(store: Store, backup: BackupResult) -> str:
    """Change one byte of the largest file, as a failing disk or a bad copy does."""
    largest = max(backup.files, key=lambda file: file.stored_bytes)
    head = store.client.head_object(Bucket=store.bucket, Key=largest.key)
    content = bytearray(Bucket(store.place).read(largest.key) or b"")
    content[len(content) // 2] ^= 1
    store.client.put_object(
        Bucket=store.bucket, Key=largest.key, Body=bytes(content), Metadata=head["Metadata"]
    )
    return largest.key.rpartition("/")[2]


def fill(control_url: str, delivery: Path) -> None:
    """Give the instruments of a delivery markets, listings, a holiday and made-up prices."""
    with delivery.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    listed = {f"{row['ticker']}.{row['mic']}".lower(): row for row in rows}
    markets = sorted({row["mic"] for row in rows})
    seeded: Mapping[str, list[dict[str, Any]]] = {
        "markets": [
            {
                "identifier": mic.lower(),
                "name": mic,
                "type_id": "exchange",
                "field_values": {"mic": mic},
            }
            for mic in markets
        ],
        "market_listings": [
            {
                "instrument_id": identifier,
                "market_id": row["mic"].lower(),
                "local_code": row["ticker"],
                "currency": row["currency"],
                "lot_size": 1,
            }
            for identifier, row in listed.items()
        ],
        "market_calendars": [
            {
                "market_id": mic.lower(),
                "date": "2026-12-25",
                "is_open": False,
                "description": "Christmas Day",
            }
            for mic in markets
        ],
        "time_series_values": [
            {
                "instrument_id": identifier,
                "type_id": "close-price",
                "timestamp": f"{FIRST_DAY + timedelta(days=day)}T00:00:00Z",
                "value": f"{10 + (7 * number + day) % 90}.{day:02}",
            }
            for day in range(DAYS)
            for number, identifier in enumerate(listed)
        ],
    }
    httpx.post(f"{control_url}/seed", json=seeded, timeout=60).raise_for_status()
