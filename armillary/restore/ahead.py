"""Reading ahead: the next chunk is fetched, unpacked and hashed while rows of this one are used.

All of that lets go of the interpreter, so that a second core does it beside the decoding of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor


def read_ahead(read: Callable[[], bytes]) -> Generator[bytes]:
    """What ``read`` gives, up to its first blank chunk; one call ahead of whoever asks.

    Args:
        read: called by one thread, one call after another. What it raises is raised here, in turn.
    """
    with ThreadPoolExecutor(1, "read-ahead") as reader:
        following = reader.submit(read)
        while chunk := following.result():
            following = reader.submit(read)
            yield chunk
