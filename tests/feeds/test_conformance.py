"""What holds for every source: the same records, the same refusals, and no secret in anything."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from armillary.errors import FeedRefused
from armillary.feeds import read_feed
from armillary.runs.memory import FeedMemory
from armillary.sync.existing import read_existing
from armillary.sync.ground import survey
from armillary.sync.judged import judge_plan
from simulator import Config, Simulator
from tests.api import conftest
from tests.feeds.sources import SECRET, SOURCES, Desk, desk
from tests.feeds.vendor import DATA_TYPES
from tests.sync.chain import open_client

ROOT = Path(__file__).parents[2]
DAYS = sorted((ROOT.parent / "shared" / "data" / "us-other-listed").glob("*.csv.gz"))

COLUMNS = ("ticker", "mic", "name", "isin", "lot")
ROWS = [
    dict(zip(COLUMNS, row, strict=True))
    for row in (
        ("BHP", "XASX", 'BHP Group, "the first"', "AU000000BHP4", "1"),
        ("007", "XASX", "Société Générale", "FR0000130809", "10.50"),
        ("BRK.B", "XASX", "Berkshire", "US0846707026", "100"),
        ("NAN", "XASX", "TRUE", "1e5", "1e5"),
    )
]
PLAIN: dict[str, Any] = {
    "name": "vendor-asx",
    "instrument_type": "equity",
    "identifier": "{ticker}.{mic}",
    "name_template": "{name}",
    "fields": {"isin": "{isin}", "lot_size": "{lot}"},
}
RECORDS = [
    ("BHP.XASX", 'BHP Group, "the first"', "AU000000BHP4", "1"),
    ("007.XASX", "Société Générale", "FR0000130809", "10.5"),
    ("BRK.B.XASX", "Berkshire", "US0846707026", "100"),
    ("NAN.XASX", "TRUE", "1e5", "100000"),
]

self_signed = conftest.self_signed
"""Of the tests of the API: a certificate for 127.0.0.1."""


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory, self_signed: tuple[str, str]) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("sources"), self_signed) as found:
        yield found


every_source = pytest.mark.parametrize("source", SOURCES)


@every_source
def test_it_brings_the_same_records_and_says_what_it_is_called(at: Desk, source: str) -> None:
    brought = SOURCES[source](at, ROWS, COLUMNS, PLAIN)
    reading = read_feed(brought.definition, DATA_TYPES, brought.deliver)
    assert reading.records.drop("row").rows() == RECORDS
    assert (reading.rejects.height, reading.rows_read, reading.repeated_rows) == (0, 4, 0)
    assert reading.warnings == ()
    assert brought.called in reading.source
    assert reading.columns == COLUMNS
    shown = f"{brought.definition!r} {brought.deliver()!r} {reading.source}"
    assert SECRET not in shown
    assert "PRIVATE KEY" not in shown


@every_source
def test_an_empty_one_is_refused(at: Desk, source: str) -> None:
    brought = SOURCES[source](at, [], COLUMNS, PLAIN)
    said = refusal(brought)
    assert brought.called in said
    words = ("not a single r", "nothing but blanks", "no row", "no record", "not one")
    assert any(word in said for word in words), said


@every_source
def test_a_missing_column_is_refused_by_its_name(at: Desk, source: str) -> None:
    brought = SOURCES[source](at, ROWS, COLUMNS[:-1], PLAIN)
    said = refusal(brought)
    assert brought.called in said
    assert "has no column 'lot'" in said
    assert "Its columns: ticker, mic, name, isin." in said


@every_source
def test_one_that_is_not_there_is_refused_in_words(at: Desk, source: str) -> None:
    brought = SOURCES[source](at, ROWS, COLUMNS, PLAIN)
    match source:
        case "sftp":
            (at.drop.folder / "equities.csv").unlink()
        case "s3":
            at.store.client.delete_object(Bucket="drop", Key="equities.csv")
        case "https":
            at.secure_web.pages.clear()
        case "rest":
            at.plain_web.pages.clear()
        case "sql":
            (at.folder / "equities.db").write_bytes(b"no database at all, and long enough" * 99)
        case _:
            (at.folder / f"equities.{source}").unlink()
    said = refusal(brought)
    assert brought.called in said
    assert said.count(". ") >= 1, "what happened, then what to do"


def refusal(brought: Any) -> str:
    with pytest.raises(FeedRefused) as refused:
        read_feed(brought.definition, DATA_TYPES, brought.deliver)
    # What an error was raised beside is kept by it, and shown by whoever logs it.
    seen: BaseException | None = refused.value
    while seen is not None:
        assert SECRET not in f"{seen!r} {seen}"
        seen = seen.__context__
    said = str(refused.value)
    assert "othing was written" in said
    return said


@pytest.mark.skipif(not DAYS, reason="the real files are not beside the project")
def test_each_brings_the_same_7000_real_records_to_the_same_plan(at: Desk) -> None:
    with gzip.open(DAYS[0], "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 7000
    columns = list(rows[0])
    example = yaml.safe_load((ROOT / "examples" / "us-other-listed.yaml").read_text())
    plain = {key: value for key, value in example.items() if key not in ("kind", "url")}
    digests = {}
    with Simulator(Config.preset("reference")) as sim, open_client(sim) as ptolemy:
        ground = survey(ptolemy, workspace="demo", instrument_type="equity")
        existing = None
        for name, source in SOURCES.items():
            try:
                brought = source(at, rows, columns, plain)
            except pytest.skip.Exception:
                continue  # its server is not installed here, which its own tests say
            reading = read_feed(brought.definition, ground.data_types, brought.deliver)
            assert reading.rejects.is_empty()
            if existing is None:
                existing = read_existing(ptolemy, brought.definition, ground, reading.records)
            made = judge_plan(
                brought.definition,
                ground,
                reading,
                existing,
                FeedMemory(),
                only=None,
                reading_calls={},
                remaining_calls=None,
            )
            assert made.plan.count("create") == len(rows)
            digests[name] = made.plan.digest
    assert len(digests) >= len(SOURCES) - 1
    assert len(set(digests.values())) == 1, digests
