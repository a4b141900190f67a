"""What a restore leaves while it is under way, so that the next start goes on where it was killed.

A workspace that was empty is not empty any more after half a restore. Which rows were not there at
the beginning is noted before the first import: those are this restore's own, and whatever state
they are found in later, it may finish them. Every other row belongs to somebody.
"""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from hashlib import sha256
from urllib.parse import quote

import msgspec
import polars as pl

from armillary.errors import ConfigurationError
from armillary.restore.outcome import OnExisting
from armillary.restore.selection import Selection
from armillary.runs.store import RunStore

CONTINUE_HOURS = 24
"""After that a restore begins anew: people have worked in the workspace since."""

_MADE = "made"


class Begun(msgspec.Struct, frozen=True):
    """A restore that was started."""

    manifest_sha256: str
    run_id: str
    began_at: datetime
    on_existing: OnExisting | None
    ended: bool = False


_read = msgspec.json.Decoder(Begun).decode


class BegunRestore:
    """Where one restore, of one backup and selection into one workspace, keeps its notes."""

    def __init__(
        self, store: RunStore, workspace_id: str, manifest_sha256: str, selection: Selection
    ) -> None:
        """Nothing is read yet.

        Args:
            store: the run records all workers share.
            workspace_id: restored into.
            manifest_sha256: of the backup.
            selection: what of it is restored.
        """
        self._store = store
        self._manifest_sha256 = manifest_sha256
        asked = sha256(f"{manifest_sha256} {selection.words}".encode()).hexdigest()[:16]
        self._folder = f"{quote(workspace_id, safe='')}/restores/{asked}"

    def unfinished(self, now: datetime) -> Begun | None:
        """The same restore, begun by a run that did not live to end it; None for none."""
        content = self._store.read(f"{self._folder}/begun.json")
        if content is None:
            return None
        try:
            found = _read(content)
        except msgspec.DecodeError:
            return None
        young = now - found.began_at < timedelta(hours=CONTINUE_HOURS)
        return found if young and not found.ended else None

    def begin(self, run_id: str, now: datetime, on_existing: OnExisting | None) -> None:
        """Note that it starts from here; notes of an earlier one are gone."""
        for key in list(self._store.list(f"{self._folder}/{_MADE}/")):
            self._store.delete(key)
        self._write(Begun(self._manifest_sha256, run_id, now, on_existing))

    def end(self, begun: Begun) -> None:
        """It has told what came of it."""
        self._write(msgspec.structs.replace(begun, ended=True))

    def note(self, resource_type: str, absent: pl.Series) -> None:
        """Keep which rows of the backup were not in the workspace at the beginning."""
        page = io.BytesIO()
        pl.DataFrame({_MADE: absent}).write_parquet(page)
        self._store.write(self._key(resource_type), page.getvalue())

    def noted(self, resource_type: str, rows: int) -> pl.Series | None:
        """What ``note`` kept of a type; None when it had not come so far.

        Raises:
            ConfigurationError: the notes are of another number of rows: they are not this backup's.
        """
        content = self._store.read(self._key(resource_type))
        if content is None:
            return None
        found = pl.read_parquet(io.BytesIO(content))[_MADE]
        if found.len() != rows:
            raise ConfigurationError(
                f"The notes of an interrupted restore at {self._store.place}/{self._folder} are "
                f"of {found.len():,} rows of {resource_type}, and the backup has {rows:,}.",
                next_step="Remove that folder and start the restore again.",
            )
        return found

    def _key(self, resource_type: str) -> str:
        return f"{self._folder}/{_MADE}/{resource_type}.parquet"

    def _write(self, begun: Begun) -> None:
        self._store.write(f"{self._folder}/begun.json", msgspec.json.encode(begun))
