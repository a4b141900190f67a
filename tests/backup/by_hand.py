"""A backup step by step without Prefect, and without waiting: what it decides, in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from armillary.backup.bucket import Bucket
from armillary.backup.job_runner import Patience
from armillary.backup.journal import Coverage
from armillary.backup.making import BackupInMaking
from armillary.backup.manifest import Manifest
from armillary.backup.opening import folder_of, open_backup
from armillary.backup.resources import chosen_types
from armillary.errors import ArmillaryError
from armillary.runs.lease import held
from armillary.runs.store import open_store
from armillary.settings import Settings
from simulator import Simulator
from tasks.make_backup import ROUNDS
from tests.api.clocks import TodaysClock
from tests.sync.chain import open_client

SCHEDULED = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


@dataclass(frozen=True)
class ByHand:
    """What came of it."""

    manifest: Manifest | None
    continued: bool
    error: ArmillaryError | None

    @property
    def state(self) -> str:
        return self.manifest.state if self.manifest else "none"

    @property
    def problems(self) -> list[str]:
        assert self.manifest is not None, self.error
        return list(self.manifest.problems)

    @property
    def rows(self) -> dict[str, int]:
        assert self.manifest is not None, self.error
        return {entry.resource_type: entry.rows for entry in self.manifest.files}


def back_up(
    sim: Simulator,
    bucket: Bucket,
    *,
    resource_types: list[str] | None = None,
    include_archived: bool = True,
    filter: dict[str, Any] | None = None,  # noqa: A002
    format: Any = "json",  # noqa: A002
    compression: Any = "zstd",
    accept_shrink: bool = False,
    job_seconds: float = 7200.0,
) -> ByHand:
    """The steps of ``flows/backup_workspace.py``, one after another."""
    clock = TodaysClock()
    coverage = Coverage(
        chosen_types(resource_types), include_archived, filter or None, format, compression
    )
    with open_client(sim, clock=clock) as ptolemy:
        workspace = ptolemy.workspace()
        bucket.prove(folder_of(workspace))
        runs = open_store(Settings().runs, endpoint_url=None)
        with held(runs, workspace.id, "backup", owner="test") as lease:
            opened = open_backup(
                bucket,
                workspace,
                coverage,
                scheduled=SCHEDULED,
                run_id="run",
                now=datetime.now(UTC),
            )
            making = BackupInMaking(
                ptolemy,
                bucket,
                workspace,
                opened.keeper,
                lease=lease,
                patience=Patience(deadline_seconds=job_seconds),
                accept_shrink=accept_shrink,
                clock=clock,
            )
            manifest = opened.manifest or _make(making)
            if manifest is not None:
                opened.keeper.end()
    return ByHand(manifest, opened.continued, making.ended)


def _make(making: BackupInMaking) -> Manifest | None:
    kinds = list(making.resource_types)
    for rounds_left in reversed(range(ROUNDS + 1)):
        for kind in kinds:
            exported = making.export(kind)
            if exported is not None:
                making.store(exported)
        if making.ended:
            return None
        kinds = making.dangling() if rounds_left else []
        for kind in kinds:
            making.export_anew(kind)
        if not kinds:
            break
    return making.finish()
