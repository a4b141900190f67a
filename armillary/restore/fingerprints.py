"""Rows as fingerprints: enough to say which of two million are the same, in 50 MB.

A row is 128 bits of its natural key, 64 bits of its content and one flag for archived. A key is
never taken for another; that two contents of one key are taken for the same although they differ
happens once in 2**64 comparisons.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec
import polars as pl

ROW, KEY_HIGH, KEY_LOW, BODY, ARCHIVED = "row", "key_high", "key_low", "body", "archived"
"""The columns of :meth:`Fingerprints.frame`."""

KEY = (KEY_HIGH, KEY_LOW)

_WORDS = 3
"""Of 64 bits in each row: two of the key, one of the content."""

_KEY_BYTES, _BODY_BYTES = 16, 8

# Sorted, because a mapping has no order; JSON, because ("a,b",) and ("a", "b") are two keys.
_encoded = msgspec.json.Encoder(order="sorted").encode


class Fingerprints:
    """The fingerprints of some rows, numbered from 0 in the order they were added."""

    def __init__(self) -> None:
        self._words = array("q")
        self._archived = array("B")

    def __len__(self) -> int:
        return len(self._archived)

    def add(self, key: tuple[str, ...], body: Mapping[str, Any], archived: bool | None) -> None:
        """Take the next row.

        Args:
            key: what finds the row in any workspace.
            body: its content in canonical form; what is null has to be left out.
            archived: None where the export does not tell; it counts as active (contract D15).
        """
        self._words.frombytes(
            blake2b(_encoded(key), digest_size=_KEY_BYTES).digest()
            + blake2b(_encoded(body), digest_size=_BODY_BYTES).digest()
        )
        self._archived.append(archived is True)

    @property
    def archived(self) -> pl.Series:
        """For each row whether it is archived."""
        return _view(self._archived, "uint8").cast(pl.Boolean).alias(ARCHIVED)

    def frame(self, part: int = 0, parts: int = 1) -> pl.DataFrame:
        """Rows as columns, in order, 29 bytes each; a copy.

        Args:
            part: which part, from 0. Rows that share a key are in the same one.
            parts: into how many the keys are divided; a power of two.
        """
        words = _view(self._words, "int64")
        high = words.gather_every(_WORDS)
        rows = ((high & (parts - 1)) == part).arg_true()
        first = rows * _WORDS
        return pl.DataFrame(
            {
                ROW: rows,
                KEY_HIGH: high.gather(rows),
                KEY_LOW: words.gather(first + 1),
                BODY: words.gather(first + 2),
                ARCHIVED: self.archived.gather(rows),
            }
        )


def _view(numbers: array[int], kind: str) -> pl.Series:
    """The numbers where they lie: as a list, six million of them would be 200 MB."""
    import pyarrow as pa  # noqa: PLC0415 - it takes a while, and only a comparison needs it

    data_type = {"int64": pa.int64(), "uint8": pa.uint8()}[kind]
    lying = pa.Array.from_buffers(data_type, len(numbers), [None, pa.py_buffer(numbers)])
    series = pl.from_arrow(lying)
    assert isinstance(series, pl.Series)  # noqa: S101 - what an array becomes
    return series
