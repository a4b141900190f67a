"""The measure of splitting: both sides see the same bytes, and what is split is what was stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from armillary.errors import FileDamaged
from benchmarks.__main__ import MEASURES
from benchmarks.split_gib import FIGURES, NAME, pass_barely, split_stored, store_export

MIB = 1024**2
LEAST = 3 * MIB


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """A folder with a stored export, and its entry."""
    folder = str(tmp_path_factory.mktemp("stored"))
    return folder, store_export(folder, LEAST)


def test_both_sides_see_the_same_bytes(stored: tuple[str, dict[str, Any]]) -> None:
    folder, entry = stored
    bare = pass_barely(folder=folder, entry=entry)
    ours = split_stored(folder=folder, entry=entry, most_bytes=MIB)
    assert LEAST <= bare["bytes"] == entry["bytes"] < 2 * LEAST
    assert ours["rows"] == entry["rows"]
    assert ours["parts"] == entry["bytes"] // (MIB - 300) + 1
    assert entry["stored_bytes"] < entry["bytes"] / 3
    assert [path.name for path in Path(folder).iterdir()] == [entry["key"]]


def test_what_is_split_is_verified(stored: tuple[str, dict[str, Any]]) -> None:
    folder, entry = stored
    with pytest.raises(FileDamaged, match="rows where the manifest says"):
        split_stored(folder=folder, entry={**entry, "rows": 1}, most_bytes=MIB)
    with pytest.raises(RuntimeError, match="saw other bytes"):
        pass_barely(folder=folder, entry={**entry, "sha256": ""})


def test_the_marks_are_those_of_the_design() -> None:
    assert [(figure.must, figure.aim) for figure in FIGURES] == [(3, 1.3), (200, 64)]
    assert NAME in MEASURES
