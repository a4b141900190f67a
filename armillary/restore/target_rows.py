"""The rows of one type that a workspace holds, in a packed file that is read as often as needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from armillary.api.envelope import Row
from armillary.api.models import Page
from armillary.errors import ConfigurationError
from armillary.restore.windows import open_windows

CHUNK_BYTES = 1024**2

ZSTD_LEVEL = 1
"""The file lives as long as the run: small enough, and soon written."""

_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True)
class TargetRows:
    """What was read of one type.

    Attributes:
        resource_type: of the rows.
        path: the file they lie in.
        rows: how many.
        tells_ids: whether every row has its UUID; true for none.
        tells_archived: whether every row tells ``archived_at`` (contract N12); true for none.
    """

    resource_type: str
    path: Path
    rows: int
    tells_ids: bool
    tells_archived: bool

    def batches(self) -> Iterator[list[Row]]:
        """The rows in the order they came; as often as it is asked for."""
        windows = open_windows()
        with (
            self.path.open("rb") as file,
            zstandard.ZstdDecompressor().stream_reader(file) as source,
        ):
            while chunk := source.read(CHUNK_BYTES):
                for window in windows.feed(chunk):
                    yield window.rows
            for window in windows.close():
                yield window.rows

    def discard(self) -> None:
        """Remove the file; the rows cannot be read any more."""
        self.path.unlink(missing_ok=True)


class Told:
    """Counts rows, and looks whether all of them tell the same things of themselves."""

    def __init__(self) -> None:
        self.rows = 0
        self.ids = True
        self.archived = True
        self._active = 0

    @property
    def active(self) -> int | None:
        """How many are not archived; None where not every row tells."""
        return self._active if self.archived else None

    def take(self, rows: Sequence[Row]) -> None:
        """Look at some rows."""
        self.rows += len(rows)
        self.ids = self.ids and all(row.get("id") for row in rows)
        self.archived = self.archived and all("archived_at" in row for row in rows)
        self._active += sum(1 for row in rows if not row.get("archived_at"))


class PackedFile:
    """A file of bytes that are packed as they come; ``close`` removes it unless it was ended.

    Raises:
        ConfigurationError: the disk does not take it (``reliability.md`` S21).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ended = False
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise self._refused(error) from None
        self._packing = zstandard.ZstdCompressor(
            level=ZSTD_LEVEL, write_checksum=True
        ).compressobj()

    def write(self, piece: bytes) -> None:
        """Add some bytes."""
        self._put(self._packing.compress(piece))

    def end(self) -> None:
        """That was all; the file stays."""
        self._put(self._packing.flush())
        try:
            self._file.close()  # writes what is still held
        except OSError as error:
            raise self._refused(error) from None
        self._ended = True

    def close(self) -> None:
        """Let go of it."""
        with suppress(OSError):
            self._file.close()
        if not self._ended:
            self.path.unlink(missing_ok=True)

    def _put(self, packed: bytes) -> None:
        try:
            self._file.write(packed)
        except OSError as error:
            raise self._refused(error) from None

    def _refused(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(
            f"What the workspace holds could not be kept in {self.path.parent}: "
            f"{error.strerror or type(error).__name__}.",
            next_step="Make room there, or name another folder in TMPDIR, and start again.",
        )


class PagesFile:
    """Pages of a list as such a file: one JSON list, and no record in it twice."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told = Told()
        self._file = PackedFile(path)
        self._ids: set[str] = set()

    def take(self, page: Page) -> None:
        """Add the records of a page that did not come before."""
        rows = [row for row in page.rows if self._is_new(row.get("id"))]
        if rows:
            self._file.write(b"," if self.told.rows else b"[")
            self._file.write(b",".join(map(_encode, rows)))
            self.told.take(rows)

    def _is_new(self, record_id: Any) -> bool:
        """Whether it did not come before, as far as it tells who it is."""
        if not isinstance(record_id, str):
            return True
        known = len(self._ids)
        self._ids.add(record_id)
        return len(self._ids) > known

    def end(self) -> Told:
        """That was all; the file stays."""
        self._file.write(b"]" if self.told.rows else b"[]")
        self._file.end()
        return self.told

    def close(self) -> None:
        """Let go of it."""
        self._file.close()
