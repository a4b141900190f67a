"""Real published files read as Python's own csv module reads them; skipped where absent."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from armillary.feeds import FileDefinition, load_feed, read_feed
from armillary.sync.canonical import DataType

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
FILES = sorted(DATA.glob("*/*.csv.gz"))
KEYS = {"sp500": "Symbol", "financedatabase-ase": "symbol"}


@pytest.mark.skipif(not FILES, reason="the real files are not beside the project")
def test_real_files_read_as_python_reads_them() -> None:
    for path in FILES:
        key = KEYS.get(path.parent.name, "ACT Symbol")
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            expected = list(csv.DictReader(file))
        name = next(column for column in expected[0] if column != key)
        feed = FileDefinition(
            name="real",
            url=str(path),
            instrument_type="equity",
            identifier=f"{{{key}}}",
            fields={column: f"{{{column}}}" for column in expected[0]},
            name_template=f"{{{name}}}",
        )
        reading = read_feed(feed, dict.fromkeys(expected[0], DataType.TEXT))
        assert reading.rejects.is_empty(), reading.rejects
        assert reading.rows_read == len(expected)
        texts = [{column: text.strip() or None for column, text in row.items()} for row in expected]
        assert [row[key] for row in texts] == reading.records["identifier"].to_list()
        for column in expected[0]:
            found = reading.records[f"field.{column}"].to_list()
            assert found == [row[column] for row in texts], (path, column)


@pytest.mark.skipif(not FILES, reason="the real files are not beside the project")
def test_the_example_reads_the_real_file_without_a_reject() -> None:
    example = load_feed(ROOT / "examples" / "us-other-listed.yaml")
    path = next(path for path in FILES if path.parent.name == "us-other-listed")
    types = dict.fromkeys(example.fields, DataType.TEXT) | {
        "etf": DataType.BOOLEAN,
        "lot_size": DataType.NUMBER,
    }
    reading = read_feed(example.model_copy(update={"url": str(path)}), types)
    assert reading.rejects.is_empty(), reading.rejects
    assert reading.records.height >= example.limits.min_records
