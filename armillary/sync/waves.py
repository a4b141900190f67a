"""How changes are handed to other processes: in waves, between which the run is judged anew.

In one process the breaker sees every outcome before the next write. Outcomes of other processes
come back with their batch; so the first waves are as small as the breaker's first questions, and
no batch is so long that a stop would come late.
"""

from __future__ import annotations

import math

import polars as pl

from armillary.sync.breaker import EQUAL_FIRST_ERRORS, FIRST_WRITES

LONGEST_BATCH = 100
"""Records that one process writes before the run hears of them."""


def next_wave(changes: pl.DataFrame, *, seen: int, width: int, size: int) -> list[pl.DataFrame]:
    """The batches that may go out together.

    Args:
        changes: what is still to be done (shape: ``Plan.changes``).
        seen: outcomes so far: until ten are known no more than ten are under way, then until a
            hundred are known no more than those (``reliability.md`` A18).
        width: batches under way at once.
        size: records of a batch, at most.
    """
    most = width * min(size, LONGEST_BATCH)
    for asked in (EQUAL_FIRST_ERRORS, FIRST_WRITES):
        if seen < asked:
            most = min(most, asked - seen)
            break
    wave = changes.head(most)
    return list(wave.iter_slices(max(1, math.ceil(wave.height / width))))
