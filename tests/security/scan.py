"""Looking for secrets in whatever somebody left: files, databases, archives, objects of Python."""

from __future__ import annotations

import base64
import gzip
import pickle
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import zstandard

LEAST_CHARS = 8
"""A shorter secret would be found by chance."""


@dataclass
class Left:
    """What was left, by the place where it lies."""

    places: dict[str, bytes] = field(default_factory=dict)

    def text(self, place: str, content: str | bytes) -> None:
        """Something that can be read as it is, or once it is unpacked."""
        raw = content.encode() if isinstance(content, str) else content
        self.places[place] = raw
        for name, unpacked in _unpacked(raw):
            self.places[f"{place} ({name})"] = unpacked

    def thing(self, place: str, value: Any) -> None:
        """An object: as a log, a debugger, a result store or a crash report would show it."""
        told = {
            "repr": repr(value),
            "str": str(value),
            "vars": repr(getattr(value, "__dict__", "")),
        }
        for name, text in told.items():
            self.text(f"{place} {name}", text)
        with suppress(pickle.PicklingError, TypeError, AttributeError):
            self.text(f"{place} pickle", cloudpickle.dumps(value))

    def error(self, place: str, error: BaseException) -> None:
        """An error with all that hangs on it."""
        seen: BaseException | None = error
        while seen is not None:
            self.thing(f"{place} {type(seen).__name__}", seen)
            seen = seen.__cause__ or seen.__context__

    def folder(self, place: str, folder: Path) -> int:
        """Every file below a folder, its name included; tells how many."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        for path in files:
            name = f"{place}/{path.relative_to(folder)}"
            self.text(f"{name} name", str(path))
            self.text(name, path.read_bytes())
        return len(files)

    def database(self, place: str, path: Path) -> set[str]:
        """Every value of every table, and the raw bytes with those of its log; tells the tables."""
        tables = set()
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in names.fetchall():
                rows = database.execute(f'SELECT * FROM "{table}"').fetchall()
                if rows:
                    tables.add(table)
                    self.text(f"{place} table {table}", repr(rows))
        for file in sorted(path.parent.glob(f"{path.name}*")):
            self.text(f"{place} bytes of {file.name}", file.read_bytes())
        return tables

    def found(self, secrets: Mapping[str, str]) -> list[str]:
        """Where which secret is, by its name: the secret itself must not get into the report."""
        assert all(len(secret) >= LEAST_CHARS for secret in secrets.values())
        forms = {name: list(_forms(secret)) for name, secret in secrets.items()}
        return sorted(
            f"{name} in {place}"
            for place, content in self.places.items()
            for name, written in forms.items()
            if any(form in content for form in written)
        )


def _forms(secret: str) -> Iterator[bytes]:
    """As it is, and inside any base64, whatever stands in front of it."""
    raw = secret.encode()
    yield raw
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw)
        # Its first and last characters depend on the neighbours.
        yield encoded[4 if shift else 0 : -4]


def _unpacked(raw: bytes) -> Iterable[tuple[str, bytes]]:
    with suppress(OSError, EOFError, zlib.error):
        yield "gzip", gzip.decompress(raw)
    with suppress(zstandard.ZstdError):
        yield "zstd", zstandard.ZstdDecompressor().decompressobj().decompress(raw)
