"""Formulas of a workbook whose value is not in the file, or is an error.

A reader gives a blank for both, and a blank may empty a field. A program that writes a formula
without calculating it leaves ``<f>`` without a value in ``<v>``.
"""

from __future__ import annotations

import html
import re
import zipfile
from collections.abc import Iterator
from io import BytesIO

_CHUNK_BYTES = 1024**2
_MOST_REST_BYTES = 4 * 1024**2
"""Of one cell; Excel allows 32,767 characters."""
_ERROR_CELL = re.compile(rb' t="e"')
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
_CELL = re.compile(rb"<(?:\w+:)?c\s([^>]*)>")
_CELL_END = re.compile(rb"</(?:\w+:)?c>")
_VALUE = re.compile(rb"<(?:\w+:)?v(?:\s[^>]*)?>[^<]")
_PLACE = re.compile(rb"""\br=["']([A-Z]{1,3})(\d{1,7})["']""")
_TEXT = re.compile(rb"""\bt=["']str["']""")
_LONGEST_MATCH_BYTES = 64
_PARTS = re.compile(r"<(?:\w+:)?(?:sheet|Relationship)\s[^>]*>")
_ATTRIBUTE = re.compile(r"""([\w:]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")


def errors_of_formulas(content: bytes) -> list[str]:
    """What to tell of cells that show #N/A or #REF!."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        sheets = [each for each in archive.namelist() if each.startswith("xl/worksheets/")]
        if any(_holds(archive, each, _ERROR_CELL) for each in sheets):
            return [
                "The workbook holds formulas that failed, such as #N/A or #REF!; their cells are "
                "read as blank."
            ]
    return []


def uncalculated(content: bytes, sheet: str) -> list[tuple[int, int]]:
    """Row and column, both from 1, of each formula of a sheet that nobody calculated.

    Args:
        content: Of the file, which could be read.
        sheet: Its name.
    """
    with zipfile.ZipFile(BytesIO(content)) as archive:
        member = _member(archive, sheet)
        if not member or not _holds(archive, member, _FORMULA):
            return []
        return [
            place
            for text in _cells(archive, member)
            if _FORMULA.search(text) and (place := _without_value(text))
        ]


def number_of(letters: bytes) -> int:
    """The number of a column: 1 for A."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number


def _cells(archive: zipfile.ZipFile, member: str) -> Iterator[bytes]:
    """What stands before each end of a cell: empty cells, and at last the one that ends."""
    rest = b""
    with archive.open(member) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            *whole, rest = _CELL_END.split(rest + chunk)
            yield from whole
            rest = rest[-_MOST_REST_BYTES:]


def _without_value(text: bytes) -> tuple[int, int] | None:
    """Where the cell is; None if its formula has a value: a blank text is one."""
    *_, opened = (None, *_CELL.finditer(text))
    if opened is None or _TEXT.search(opened[1]) or not _FORMULA.search(text, opened.end()):
        return None
    place = _PLACE.search(opened[1])
    if place is None or _VALUE.search(text, opened.end()):
        return None
    return int(place[2]), number_of(place[1])


def _member(archive: zipfile.ZipFile, sheet: str) -> str:
    """In which part of the archive a sheet is; blank where that is not told."""
    found = [
        each.get("r:id") or each.get("id", "")
        for each in _tags(archive, "xl/workbook.xml")
        if each.get("name") == sheet
    ]
    for each in _tags(archive, "xl/_rels/workbook.xml.rels"):
        if found and each.get("Id") == found[0]:
            target = each.get("Target", "")
            member = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            return member if member in archive.namelist() else ""
    return ""


def _tags(archive: zipfile.ZipFile, member: str) -> Iterator[dict[str, str]]:
    if member not in archive.namelist():
        return
    with archive.open(member) as stream:
        text = stream.read(_MOST_REST_BYTES).decode("utf-8", "replace")
    for tag in _PARTS.findall(text):
        yield {
            name: html.unescape(double or single)
            for name, double, single in _ATTRIBUTE.findall(tag)
        }


def _holds(archive: zipfile.ZipFile, member: str, sought: re.Pattern[bytes]) -> bool:
    rest = b""
    with archive.open(member) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            if sought.search(rest + chunk):
                return True
            rest = chunk[-_LONGEST_MATCH_BYTES:]
    return False
