from __future__ import annotations

import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from armillary.errors import ArmillaryError, ConfigurationError, FeedRefused
from armillary.feeds import read_feed
from armillary.feeds.source import fetch
from tests.feeds.vendor import DATA_TYPES, HEADER, Vendor, definition

ROWS = HEADER + b"A,xasx,Alpha,AU1,100\n"


def refused(url: str) -> str:
    with pytest.raises(ArmillaryError) as error:
        fetch(url)
    assert error.value.__suppress_context__ or not error.value.__context__
    return error.value.message


def test_any_fsspec_address(vendor: Vendor) -> None:
    with fsspec.open("memory://drop/asx.csv", "wb") as file:
        file.write(ROWS)
    reading = read_feed(definition(url="memory://drop/asx.csv"), DATA_TYPES)
    assert reading.records["identifier"].to_list() == ["A.xasx"]
    assert reading.source == "memory://drop/asx.csv"


def test_a_protocol_nobody_knows(vendor: Vendor) -> None:
    with pytest.raises(ConfigurationError) as error:
        fetch("gopher://me:hunter2@drop.example/asx.csv?token=hunter2")
    assert str(error.value) == (
        "The address gopher://drop.example/asx.csv cannot be opened: Protocol not known: gopher. "
        "Mend the address, or install the package named, then start again."
    )


def test_a_folder(vendor: Vendor) -> None:
    (vendor.folder / "asx.csv").mkdir()
    assert refused("asx.csv") == ("asx.csv is a folder: the feed definition has to name one file.")


class Drop(MemoryFileSystem):  # type: ignore[misc]
    """A drop whose server misbehaves as the path says, with secrets in its errors."""

    protocol = "drop"
    store: dict[str, Any] = {}  # noqa: RUF012 -- as in the class it extends
    pseudo_dirs: list[str] = [""]  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix("drop://").strip("/")

    def _open(self, path: str, mode: str = "rb", **settings: Any) -> Any:
        if "forbidden" in path and mode == "rb":
            raise PermissionError("token=hunter2")
        if "dropped" in path and mode == "rb":
            raise ConnectionAbortedError("https://drop.example/?token=hunter2")
        found = super()._open(path, mode, **settings)
        if "growing" in path and mode == "rb":
            found = BytesIO(found.getvalue())
            self.pipe_file(path, ROWS + ROWS)
        return found


@pytest.fixture(autouse=True)
def drop() -> Iterator[Drop]:
    fsspec.register_implementation("drop", Drop, clobber=True)
    files = Drop()
    yield files
    files.store.clear()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("forbidden", "{} may not be read by this user or with these credentials."),
        ("dropped", "{} could not be read to its end (ConnectionAbortedError)."),
        ("growing", "{} changed while it was read: it is still being written."),
    ],
)
def test_f03_f25_what_a_drop_can_do(drop: Drop, name: str, said: str) -> None:
    drop.pipe_file(f"/{name}.csv", ROWS)
    assert refused(f"drop:///{name}.csv") == said.format(f"drop:///{name}.csv")


def archive(*names: str) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, ROWS)
    return buffer.getvalue()


def test_f24_a_zip_with_other_than_one_file(vendor: Vendor) -> None:
    vendor.delivers(archive("a.csv", "b.csv"), "asx.csv.zip")
    assert refused("asx.csv.zip") == (
        "asx.csv.zip holds 2 files (a.csv, b.csv) where exactly one is expected."
    )
    vendor.delivers(archive(), "asx.csv.zip")
    assert refused("asx.csv.zip") == (
        "asx.csv.zip holds 0 files (none) where exactly one is expected."
    )


def test_packed_by_name_only(vendor: Vendor) -> None:
    vendor.delivers(ROWS, "asx.csv.gz")
    assert refused("asx.csv.gz").startswith(
        "asx.csv.gz cannot be unpacked: by its name it is gzip, its content looks like"
    )
    vendor.delivers(archive("a.csv"), "asx.csv.gz")
    assert "its content looks like a zip archive or an Excel workbook" in refused("asx.csv.gz")


def test_f24_more_than_a_feed_may_hold(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("armillary.feeds.remote.place.MAX_BYTES", 2 * 1024**2)
    vendor.delivers(bytes(5 * 1024**2), "asx.csv")
    with pytest.raises(FeedRefused, match=r"asx\.csv holds more than 2 MiB: it is damaged, or has"):
        fetch("asx.csv")
