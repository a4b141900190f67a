"""What one run leaves behind: enough to tell its story, approve its plan, and undo it.

    <workspace>/runs/<run>/plan.json           what was planned, withheld and forecast, in short
    <workspace>/runs/<run>/changes.ndjson.gz   every planned change, one JSON object a line
    <workspace>/runs/<run>/batches/00007.json  outcomes with the values that stood there before
    <workspace>/runs/<run>/rejects.csv         rejected rows in the source's own columns
    <workspace>/runs/<run>/summary.json        the result
    <workspace>/plans/<digest>.json            which run made the plan of this digest, and when

Written as the run goes: what a killed run leaves tells how far it came.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec
import polars as pl

from armillary.errors import ConfigurationError
from armillary.runs.store import RunStore

APPROVAL_HOURS = 24
"""How long a plan can be approved; after that the world has moved on."""

_NUMBER = re.compile(r"[+-]?[0-9]*\.?[0-9]+([eE][+-]?[0-9]+)?$")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Head(msgspec.Struct, frozen=True):
    """The head of a run's plan."""

    run_id: str
    made_at: datetime
    mode: str
    feed: str
    workspace_id: str
    instrument_type: str
    scope: dict[str, list[str]] | str | None
    fields: list[str]
    limits: dict[str, Any]
    digest: str
    planned: dict[str, int]
    withheld: dict[str, str]
    forecast: int
    approved: str | None = None
    """Digest of the plan a person approved for this run."""
    reverts: str | None = None
    """The run that this one undoes."""


class Done(msgspec.Struct, frozen=True):
    """What became of one change, with what stood there before."""

    kind: str
    identifier: str
    fate: str
    id: str | None = None
    status: int | None = None
    reason: str = ""
    before: dict[str, str] = {}
    after: dict[str, str] = {}


_read_plan = msgspec.json.Decoder(Head).decode
_read_batch = msgspec.json.Decoder(list[Done]).decode


class RunRecord:
    """The record of one run, while it is written."""

    def __init__(self, store: RunStore, workspace_id: str, run_id: str) -> None:
        self._store = store
        self._workspace = quote(workspace_id, safe="")
        self._folder = run_folder(workspace_id, run_id)
        self.place = f"{store.place}/{self._folder}"

    def plan(self, head: Head, changes: pl.DataFrame) -> None:
        """Leave the plan, and by its digest the way to it."""
        lines = io.BytesIO()
        changes.write_ndjson(lines)
        self._write("changes.ndjson.gz", gzip.compress(lines.getvalue(), mtime=0))
        self._write("plan.json", _pretty(head))
        pointer = {"run_id": head.run_id, "made_at": head.made_at.isoformat()}
        self._store.write(_plan_key(self._workspace, head.digest), _pretty(pointer))

    def batch(self, number: int, done: Sequence[Done]) -> None:
        """Leave the outcomes of one batch."""
        self._write(f"batches/{number:05}.json", msgspec.json.encode(done))

    def rejects(self, rejects: pl.DataFrame) -> None:
        """Leave rejected rows, to be mended and fed again."""
        if not rejects.is_empty():
            self._write("rejects.csv", rejects_csv(rejects))

    def file(self, name: str, content: bytes) -> None:
        """Leave a file that a person works with."""
        self._write(name, content)

    def summary(self, result: Mapping[str, Any]) -> None:
        """Leave the result."""
        self._write("summary.json", _pretty(result))

    def _write(self, name: str, content: bytes) -> None:
        self._store.write(f"{self._folder}/{name}", content)


def run_folder(workspace_id: str, run_id: str) -> str:
    """The key below which a run's record lies."""
    return f"{quote(workspace_id, safe='')}/runs/{quote(run_id, safe='')}"


def read_head(store: RunStore, workspace_id: str, run_id: str) -> Head:
    """The head of an earlier run.

    Raises:
        ConfigurationError: there is no such run in this workspace.
    """
    content = store.read(f"{run_folder(workspace_id, run_id)}/plan.json")
    if content is None:
        raise ConfigurationError(
            f"No run {run_id} is recorded for this workspace at {store.place}.",
            next_step="Take the run id from the run's report, and check ARMILLARY_RUNS.",
        )
    return _read_plan(content)


def read_changes(store: RunStore, workspace_id: str, run_id: str, schema: Any) -> pl.DataFrame:
    """Every planned change of an earlier run, in the given shape."""
    content = store.read(f"{run_folder(workspace_id, run_id)}/changes.ndjson.gz")
    if not content:
        return pl.DataFrame(schema=schema)
    lines = gzip.decompress(content)
    return (
        pl.read_ndjson(io.BytesIO(lines), schema=schema) if lines else pl.DataFrame(schema=schema)
    )


def has_summary(store: RunStore, workspace_id: str, run_id: str) -> bool:
    """Whether a run lived to record its end."""
    return store.read(f"{run_folder(workspace_id, run_id)}/summary.json") is not None


def read_done(store: RunStore, workspace_id: str, run_id: str) -> Iterator[Done]:
    """What became of each change of an earlier run, as far as it came."""
    for key in store.list(f"{run_folder(workspace_id, run_id)}/batches/"):
        content = store.read(key)
        if content is not None:
            yield from _read_batch(content)


def approved_run(store: RunStore, workspace_id: str, digest: str, now: datetime) -> str:
    """The run that made the plan of a digest.

    Raises:
        ConfigurationError: no run made such a plan, or it is older than ``APPROVAL_HOURS``.
    """
    content = store.read(_plan_key(quote(workspace_id, safe=""), digest))
    if content is None:
        raise ConfigurationError(
            f"No plan with the digest {digest} is recorded for this workspace at {store.place}.",
            next_step="Take the whole digest from the report of the run that withheld the changes.",
        )
    pointer = msgspec.json.decode(content)
    made_at = datetime.fromisoformat(pointer["made_at"])
    if now - made_at > timedelta(hours=APPROVAL_HOURS):
        raise ConfigurationError(
            f"The plan {digest[:12]} was made at {made_at:%Y-%m-%d %H:%M} UTC; a plan can be "
            f"approved for {APPROVAL_HOURS} hours.",
            next_step="Plan again, look at the new plan, and approve that one.",
        )
    return str(pointer["run_id"])


def rejects_csv(rejects: pl.DataFrame) -> bytes:
    """Rejects as a CSV file in the source's own columns, with row number and reason behind them.

    A cell that a spreadsheet would run as a formula is quoted with an apostrophe (F23).
    """
    rows = [json.loads(cells) for cells in rejects["cells"]]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*columns, "armillary_row", "armillary_reason"])
    for row, number, reason in zip(rows, rejects["row"], rejects["reason"], strict=True):
        cells = [harmless(str(row.get(column) or "")) for column in columns]
        writer.writerow([*cells, number, reason])
    return text.getvalue().encode()


def harmless(cell: str) -> str:
    """A cell of a CSV that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) and not _NUMBER.match(cell) else cell


def _plan_key(quoted_workspace: str, digest: str) -> str:
    return f"{quoted_workspace}/plans/{quote(digest, safe='')}.json"


def _pretty(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2)
