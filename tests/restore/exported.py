"""Exports of a simulator as rows, by plain HTTP: JSON and CSV, in whatever shape it is set to."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import httpx
import msgspec

from armillary.api.envelope import unwrap
from armillary.backup.schemas import read_schemas
from armillary.restore.directory import Directory
from armillary.restore.natural import Natural, Naturals
from armillary.restore.order import RESTORE_ORDER
from armillary.restore.types import TypeNames
from simulator import Simulator
from tests.sync.chain import open_client

Row = dict[str, Any]

PARENTS = RESTORE_ORDER[:3]

_read = msgspec.json.Decoder(float_hook=Decimal).decode


@contextmanager
def calling(sim: Simulator) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {sim.token_for('member')}"}
    with httpx.Client(base_url=sim.workspace_url, headers=headers, timeout=30) as client:
        yield client


def exported(sim: Simulator, resource_type: str, *, of_format: str = "json") -> list[Row]:
    with calling(sim) as client:
        asked = {"object_type": resource_type, "format": of_format, "include_archived": True}
        job = unwrap(client.post("/exports", json=asked).raise_for_status().json())
        while not job["download_url"]:
            assert job["status"] in ("queued", "processing"), job
            job = unwrap(client.get(f"/exports/{job['id']}").raise_for_status().json())
        content = httpx.get(job["download_url"], timeout=30).raise_for_status().content
    if of_format == "csv":
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        return [{name: cell or None for name, cell in row.items()} for row in rows]
    found: list[Row] = unwrap(_read(content))
    return found


def types_of(sim: Simulator) -> TypeNames:
    with open_client(sim) as ptolemy:
        return TypeNames.of(read_schemas(ptolemy))


class Read:
    """A whole workspace in its natural form."""

    def __init__(self, rows: dict[str, list[Row]], types: TypeNames) -> None:
        self.rows = rows
        self.types = types
        self.directory = Directory()
        self.naturals: dict[str, Naturals] = {}
        self.found: dict[str, list[Natural]] = {}
        for kind in RESTORE_ORDER:
            naturals = self.naturals[kind] = Naturals(kind, types, self.directory)
            read = naturals.enrol if kind in PARENTS else naturals.of
            self.found[kind] = [read(row) for row in rows.get(kind, [])]
            if kind in PARENTS:
                self.directory.settle(kind)

    def content(self, resource_type: str) -> list[tuple[Any, ...]]:
        """What is the same in every workspace."""
        found = ((each.key, each.body, each.archived) for each in self.found[resource_type])
        return sorted(found, key=repr)


def read(sim: Simulator, *, of_format: str = "json", types: TypeNames | None = None) -> Read:
    rows = {kind: exported(sim, kind, of_format=of_format) for kind in RESTORE_ORDER}
    return Read(rows, types or types_of(sim))
