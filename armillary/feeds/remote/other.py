"""Any other address that fsspec has a package for, such as ``abfs://`` or ``gs://``."""

from __future__ import annotations

import logging
import re
from datetime import datetime
from typing import Any

import fsspec

from armillary.feeds.location import shown
from armillary.feeds.remote.place import Entry, Unusable
from armillary.feeds.remote.stream import limited

# fsspec's own SFTP takes whatever key a server shows, also inside another address.
_UNCHECKED = re.compile(r"^ssh://|^[^/]*::|::[\w+.-]+://", re.IGNORECASE)
_TIMES_OF_CHANGE = ("mtime", "LastModified", "last_modified", "updated")
_MARKS_OF_CHANGE = ("ETag", "etag", *_TIMES_OF_CHANGE)


class OtherPlace:
    """Names in the folder of an address."""

    settle_seconds = 0.0

    def __init__(self, url: str) -> None:
        if _UNCHECKED.search(url):
            raise Unusable(
                "an address inside another one, or ssh://, checks no key of a server; write "
                "sftp://, s3:// or https://"
            )
        try:
            self._files, path = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise Unusable(str(error)) from None
        self._folder = path.rpartition("/")[0]

    def entries(self, prefix: str) -> list[Entry]:
        """Files whose name starts so."""
        found = self._files.ls(self._folder or "/", detail=True)
        entries = [_entry(each["name"].rstrip("/").rpartition("/")[2], each) for each in found]
        return [entry for entry in entries if entry.name.startswith(prefix)]

    def describe(self, name: str) -> Entry:
        """The file as it is now."""
        self._files.invalidate_cache()
        return _entry(name, self._files.info(f"{self._folder}/{name}"))

    def read(self, name: str, expected_bytes: int | None) -> bytes:
        """The whole content."""
        with self._files.open(f"{self._folder}/{name}", "rb") as stream:
            return limited(stream, expected_bytes)

    def probe(self, name: str) -> None:
        """Open it."""
        self._files.open(f"{self._folder}/{name}", "rb").close()

    def close(self) -> None:
        """Nothing: fsspec keeps its own connections."""


def _entry(name: str, info: dict[str, Any]) -> Entry:
    marks = [str(info[mark]) for mark in _MARKS_OF_CHANGE if info.get(mark) is not None]
    return Entry(
        name,
        size_bytes=info.get("size"),
        mark=" ".join(marks),
        changed_at=next(filter(None, (_moment(info.get(mark)) for mark in _TIMES_OF_CHANGE)), None),
        is_folder=info.get("type") == "directory",
        is_link=bool(info.get("islink")),
    )


def _moment(told: Any) -> float | None:
    if isinstance(told, datetime):
        return told.timestamp()
    return told if isinstance(told, int | float) else None


class _WithoutAddresses(logging.Filter):
    """fsspec writes whole addresses to its log, with passwords and signatures in them."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _ADDRESS.sub(_as_shown, record.getMessage()), None
        record.exc_info = None
        return True


def _as_shown(found: re.Match[str]) -> str:
    return shown(found[0])


_ADDRESS = re.compile(r"[a-z0-9+]+://[^\s'\"]+")

for _name in ("fsspec", "fsspec.http"):
    logging.getLogger(_name).addFilter(_WithoutAddresses())
