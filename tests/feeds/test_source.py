from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from armillary.errors import ArmillaryError, ConfigurationError, FeedRefused
from armillary.feeds import read_feed
from armillary.feeds.location import shown
from armillary.feeds.source import Fetching, fetch
from tests.api.clocks import JumpClock
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


@pytest.mark.parametrize(
    "url",
    [
        "ssh://desk:hunter2@drop.example/asx.csv",
        "SSH://desk:hunter2@drop.example/asx.csv",
        "simplecache::sftp://desk:hunter2@drop.example/asx.csv",
        "zip://asx.csv::sftp://desk:hunter2@drop.example/asx.zip",
    ],
)
def test_f25_addresses_whose_server_nobody_vouches_for(url: str) -> None:
    said = refused(url)
    assert said.endswith(
        "cannot be opened: an address inside another one, or ssh://, checks no key of a server; "
        "write sftp://, s3:// or https://."
    )
    assert "hunter2" not in said
    assert "drop.example" not in said or url.lower().startswith("ssh")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sftp://desk:hunter2@host:22/f.csv", "sftp://host:22/f.csv"),
        ("sftp://[::1]:22/f.csv", "sftp://[::1]:22/f.csv"),
        ("sftp://desk:hun/ter2@host/f.csv", "sftp://…"),
        ("sftp://desk:hun#ter2@host/f.csv", "sftp://…"),
        ("sftp://desk:hun?ter2@host/f.csv", "sftp://…"),
        ("simplecache::sftp://desk:hunter2@host/f.csv", "simplecache://…"),
    ],
)
def test_no_part_of_a_password_is_shown(url: str, said: str) -> None:
    assert shown(url) == said


def test_a_home_folder_and_names_with_a_percent_sign(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(vendor.folder))
    vendor.delivers(ROWS, "of%20today.csv")
    for url in ("~/of%20today.csv", f"file://{vendor.folder}/of%20today.csv", "~/of%20*.csv"):
        assert fetch(url).content == ROWS
    vendor.delivers(ROWS, "of 1.csv")
    assert fetch(f"file://{vendor.folder}/of 1.csv").content == ROWS


# Markers.


def test_f03_a_marker_older_than_the_file_is_of_an_earlier_delivery(vendor: Vendor) -> None:
    marked = Fetching(done_suffix=".done")
    vendor.delivers(b"", "asx.csv.done")
    vendor.delivers(ROWS, "asx.csv")
    os.utime("asx.csv.done", (1_000, 1_000))
    os.utime("asx.csv", (1_001, 1_001))
    with pytest.raises(FeedRefused) as error:
        fetch("asx.csv", marked, JumpClock())
    assert str(error.value) == (
        "asx.csv is newer than asx.csv.done: that marker is of an earlier delivery. Nothing was "
        "written. Start the sync again when the file is complete."
    )
    os.utime("asx.csv.done", (1_001, 1_001))
    assert fetch("asx.csv", marked, JumpClock()).content == ROWS


@pytest.mark.parametrize(("settle_seconds", "slept"), [(None, []), (0, []), (7, [7])])
def test_f03_two_looks_that_the_feed_asks_for_are_kept_beside_a_marker(
    vendor: Vendor, settle_seconds: float | None, slept: list[float]
) -> None:
    vendor.delivers(ROWS, "asx.csv")
    vendor.delivers(b"", "asx.csv.done")
    clock = JumpClock()
    fetch("asx.csv", Fetching(done_suffix=".done", settle_seconds=settle_seconds), clock)
    assert clock.slept == slept


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
        ("dropped", "{} could not be read to its end (the connection ended early)."),
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
