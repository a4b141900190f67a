"""What a workspace should hold after a real daily file, and when a request came too early.

Imports nothing of Prefect: the replay starts its server first.
"""

from __future__ import annotations

import csv
import gzip
import time
from collections.abc import Iterable, Mapping
from decimal import Decimal
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from armillary.feeds.definition import FeedDefinition
from simulator import Simulator

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "us-other-listed.yaml"

UNDER_WAY_SECONDS = 0.5
"""Requests sent before an answer of 429 was heard may still arrive for so long."""

Record = dict[str, str]


def wanted(path: Path, definition: FeedDefinition) -> dict[str, Record]:
    """What a person with a dictionary would expect in the workspace after this file."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        return {
            row["ACT Symbol"].strip(): expected(row, definition) for row in csv.DictReader(lines)
        }


def expected(row: Record, definition: FeedDefinition) -> Record:
    found = {"name": row["Security Name"].strip()}
    for key, rule in definition.fields.items():
        text = rule if isinstance(rule, str) else rule.template
        for column, value in row.items():
            text = text.replace("{" + column + "}", value.strip())
        translation = None if isinstance(rule, str) else rule.map
        text = translation[text] if translation else text
        if key == "lot_size" and text:
            text = format(Decimal(text).normalize(), "f")
        if text:
            found[key] = text
    return found


def held_by(sim: Simulator) -> dict[str, Record]:
    """What the workspace really holds, by identifier."""
    return {
        row["identifier"]: {"name": row["name"]}
        | {key: value for key, value in row["field_values"].items() if value}
        for row in sim.state()["instruments"]
        if not row["archived"]
    }


def starts_too_early(log: Iterable[Mapping[str, Any]]) -> list[str]:
    """Requests that came before the time an earlier 429 named, in seconds or as a date."""
    entries = list(log)
    wall = time.time() - time.monotonic()
    found = []
    for entry in entries:
        seconds = _asked_wait(entry, wall)
        if entry["status"] != 429 or seconds is None:
            continue
        later = [
            e["at"] - entry["at"] for e in entries if e["at"] - entry["at"] > UNDER_WAY_SECONDS
        ]
        if later and min(later) < seconds - UNDER_WAY_SECONDS:
            found.append(f"{min(later):.2f} s after a 429 that asked for {seconds:.2f} s")
    return found


def _asked_wait(entry: Mapping[str, Any], wall: float) -> float | None:
    asked = str(entry["retry_after"] or "")
    if asked.isdigit():
        return float(asked)
    try:
        # A date has whole seconds: up to one second less than was meant.
        return parsedate_to_datetime(asked).timestamp() - (float(entry["at"]) + wall)
    except ValueError:
        return None
