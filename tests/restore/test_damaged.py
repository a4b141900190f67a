"""A backup that is not what was written: refused before the first row is imported."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
import zstandard

from armillary.backup.bucket import Bucket
from armillary.backup.manifest import decode, encode
from armillary.errors import FileDamaged, ManifestDamaged
from simulator import Simulator
from tests.backup.made import Shelf
from tests.restore.by_hand import restore
from tests.restore.small import FOLDER, Small, backed_up, copied, imported, target, written

__all__ = ["backed_up", "copied", "target"]

pytestmark = pytest.mark.usefixtures("copied")

BACKUP = FOLDER.partition("/")[2]

LAST = f"{FOLDER}/composite_time_series_values.json.zst"
"""The last file that a restore reads: all the others were found whole before."""

MANIFEST = f"{FOLDER}/manifest.json"

ANOTHER = "Take another backup: `armillary backups` lists them."


def flipped(shelf: Shelf) -> None:
    shelf.change(LAST, at=-5)


def cut_off(shelf: Shelf) -> None:
    shelf.put(LAST, shelf.get(LAST)[:-20])


def gone(shelf: Shelf) -> None:
    shelf.delete(LAST)


def of_another_backup(shelf: Shelf) -> None:
    """Whole, unpackable, and of as many rows."""
    rows = zstandard.decompress(shelf.get(LAST), 10_000_000).replace(b'"1.10"', b'"1.11"')
    shelf.put(LAST, zstandard.compress(rows))


def of_one_row_less(shelf: Shelf) -> None:
    """The manifest was made wrongly, and is whole in itself."""
    manifest = decode(shelf.get(MANIFEST))
    files = [
        msgspec.structs.replace(entry, rows=entry.rows + LAST.endswith(f"/{entry.key}"))
        for entry in manifest.files
    ]
    shelf.put(MANIFEST, encode(msgspec.structs.replace(manifest, files=files)))


HARMS: dict[str, tuple[Callable[[Shelf], None], str]] = {
    "s08_flipped": (flipped, "holds other bytes: it was altered or replaced"),
    "s08_cut_off": (cut_off, "it was cut off or replaced"),
    "s08_gone": (gone, "nothing lies at this key"),
    "s08_of_another_backup": (of_another_backup, "where the backup stored"),
    "of_one_row_less": (of_one_row_less, "it holds 20 rows where the manifest says 21"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_file_is_found_before_the_first_import(
    harm: str, target: Simulator, bucket: Bucket, shelf: Shelf
) -> None:
    harmed, words = HARMS[harm]
    harmed(shelf)
    with pytest.raises(FileDamaged) as caught:
        restore(target, bucket)
    said = str(caught.value)
    assert LAST in said, "the file is named"
    assert words in said
    assert said.endswith(ANOTHER)
    assert written(target) == []


def test_s18_a_changed_manifest(target: Simulator, bucket: Bucket, shelf: Shelf) -> None:
    content = shelf.get(MANIFEST)
    shelf.put(MANIFEST, content.replace(b'"rows": 20', b'"rows": 19', 1))
    assert shelf.get(MANIFEST) != content
    with pytest.raises(ManifestDamaged) as caught:
        restore(target, bucket, backup=BACKUP)
    said = str(caught.value)
    assert "not as it was written" in said
    assert "This backup is not used for anything until that is cleared up." in said
    assert target.calls().get("POST /exports", 0) == imported(target) == 0


def changed(shelf: Shelf) -> None:
    key = f"{FOLDER}/schemas.json"
    shelf.put(key, shelf.get(key).replace(b"isin", b"isan"))


def missing(shelf: Shelf) -> None:
    shelf.delete(f"{FOLDER}/schemas.json")


@pytest.mark.parametrize("harm", [changed, missing], ids=lambda harm: str(harm.__name__))
def test_s08_schemas_that_are_not_what_was_written(
    harm: Callable[[Shelf], None],
    target: Simulator,
    bucket: Bucket,
    shelf: Shelf,
) -> None:
    harm(shelf)
    with pytest.raises(FileDamaged) as caught:
        restore(target, bucket)
    said = str(caught.value)
    assert f"{FOLDER}/schemas.json" in said
    assert "gone" in said if harm is missing else "not what" in said
    assert written(target) == []
    assert "POST /exports" not in target.calls(), "nothing was read for it either"


def test_s08_a_file_that_is_damaged_after_it_was_compared(
    backed_up: Small, target: Simulator, bucket: Bucket, shelf: Shelf
) -> None:
    """It is read again to be sent, and no row of it is sent unless it is whole to its end."""

    def harm(step: str) -> None:
        if step == "import composite_time_series_values":
            of_another_backup(shelf)

    with pytest.raises(FileDamaged) as caught:
        restore(target, bucket, between=harm)
    assert LAST in str(caught.value)
    assert target.state()["composite_time_series_values"] == []
    assert len(target.state()["time_series_values"]) == backed_up.rows["time_series_values"]
