"""What the beginning of an export tells: whether it is one, its format, where its rows begin."""

from __future__ import annotations

import re
from typing import Literal

from armillary.errors import ExportDamaged

BOM = b"\xef\xbb\xbf"

SNIFFED_BYTES = 64
"""So much of the beginning tells what a file is."""

LONGEST_HEAD_BYTES = 64 * 1024
"""So much may stand before the list of rows."""

_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)
_LIST_OF_ROWS = re.compile(rb'"data"\s*:\s*\[')
_OPENING, _CLOSING = b"[{", b"]}"


def without_mark(start: bytes) -> bytes:
    """The beginning of a file without byte order mark and blank space."""
    return start.removeprefix(BOM).lstrip()


def format_of(start: bytes) -> Literal["json", "csv"]:
    """The format of an export that begins so.

    Raises:
        ExportDamaged: it is empty, or no export at all.
    """
    if not start:
        raise ExportDamaged("The export is empty: it has not a single character.")
    if start[:1] == b"<":
        raise ExportDamaged(
            "The export is an HTML or XML page and no rows; it begins with "
            f"{start[:SNIFFED_BYTES].decode(errors='replace')!r}."
        )
    if start[:2] in (b"PK", b"\x1f\x8b"):
        raise ExportDamaged("The export is a packed file, and no rows.")
    return "json" if start[:1] in b"[{" else "csv"


def rows_begin(buffer: bytes | bytearray) -> int | None:
    """Where the first row of an export in JSON begins: behind the bracket of the list.

    The list is the whole of it, or stands under ``data`` of an object (contract N12); what else
    has that key, deeper in the object, is passed over.

    Returns:
        None as long as the bracket has not come.
    """
    if buffer[:1] == b"[":
        return 1
    depth = 0
    for token in _TOKENS.finditer(buffer, 0, LONGEST_HEAD_BYTES):
        mark = token[0]
        if mark in _OPENING:
            depth += 1
        elif mark in _CLOSING:
            depth -= 1
        elif depth == 1 and (found := _LIST_OF_ROWS.match(buffer, token.start())):
            return found.end()
    return None


def no_list(buffer: bytes | bytearray) -> ExportDamaged:
    """The error for JSON in which no list of rows begins."""
    return ExportDamaged(
        "The export is JSON but no list of records; it begins with "
        f"{bytes(buffer[:SNIFFED_BYTES]).decode(errors='replace')!r}."
    )
