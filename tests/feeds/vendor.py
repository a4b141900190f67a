"""A vendor for tests: delivers real files and reads them back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from armillary.errors import FeedRefused
from armillary.feeds import FeedReading, FileDefinition, read_feed
from armillary.sync.canonical import DataType

HEADER = b"ticker,mic,name,isin,lot\n"
DATA_TYPES = {
    "isin": DataType.TEXT,
    "exchange": DataType.TEXT,
    "lot_size": DataType.NUMBER,
    "listed_on": DataType.DATE,
    "etf": DataType.BOOLEAN,
}
MENDED = "Nothing was written. Ask for the file again, or mend it, then start the sync again."


@dataclass
class Vendor:
    """Delivers one file after another into the current folder and has it read."""

    folder: Path

    def delivers(self, content: bytes, url: str) -> None:
        (self.folder / url).write_bytes(content)

    def read(self, content: bytes, url: str = "asx.csv", **settings: Any) -> FeedReading:
        self.delivers(content, url)
        shown = url if Path.cwd() == self.folder else str(self.folder / url)
        return read_feed(definition(url=shown, **settings), DATA_TYPES)

    def refusal(self, content: bytes, url: str = "asx.csv", **settings: Any) -> str:
        """The whole message a person sees, less the advice every refusal ends with."""
        with pytest.raises(FeedRefused) as refused:
            self.read(content, url, **settings)
        message = str(refused.value)
        assert message.endswith(MENDED)
        return message.removesuffix(MENDED).rstrip()


def definition(**settings: Any) -> FileDefinition:
    plain: dict[str, Any] = {
        "name": "vendor-asx",
        "url": "asx.csv",
        "instrument_type": "equity",
        "identifier": "{ticker}.{mic}",
        "name_template": "{name}",
        "fields": {"isin": "{isin}", "lot_size": "{lot}"},
    }
    return FileDefinition.model_validate(plain | settings)


def reasons(reading: FeedReading) -> dict[int, str]:
    return dict(reading.rejects.select("row", "reason").iter_rows())


def identifiers(reading: FeedReading) -> list[str]:
    return reading.records["identifier"].to_list()
