"""Telling what content really is, and decoding text strictly."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from io import BytesIO

from armillary.errors import FeedRefused
from armillary.feeds.location import FileFormat

_CHUNK_BYTES = 1024**2
_SAMPLE_BYTES = 4096
_CONTEXT_CHARS = 20
_SAMPLES, _LINES_BYTES = 4, 64 * 1024

_SIGNATURES = (
    (b"PAR1", "a parquet file"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a picture"),
)
_MARKUP = re.compile(rb"\s*<(!doctype html|html|head|body|\?xml|[a-z]+[ >])", re.IGNORECASE)
_JSON_ARRAY = re.compile(rb'\s*\[\s*(\{\s*["}]|\])')
_JSON_OBJECT = re.compile(rb'\s*\{\s*("([^"\\]|\\.)*"\s*:|\}\s*\Z)')
_EXPECTED = {
    "csv": (),
    "json": ("a JSON array",),
    "ndjson": ("JSON objects",),
    "parquet": ("a parquet file",),
    "xlsx": ("a zip archive or an Excel workbook",),
}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def looks_like(content: bytes) -> str | None:
    """What the first bytes betray, in words; None when they betray nothing."""
    for signature, meaning in _SIGNATURES:
        if content.startswith(signature):
            return meaning
    start = content[:_SAMPLE_BYTES].removeprefix(codecs.BOM_UTF8)
    if found := _MARKUP.match(start):
        return "an XML document" if found.group(1).lower() == b"?xml" else "an HTML page"
    if _JSON_ARRAY.match(start):
        return "a JSON array"
    return "JSON objects" if _JSON_OBJECT.match(start) else None


def refuse_other_format(content: bytes, expected: FileFormat, name: str) -> None:
    """Refuse content whose first bytes show that it is not of the expected format.

    Raises:
        FeedRefused: Says what it looks like.
    """
    found = looks_like(content)
    if found is None or found in _EXPECTED[expected]:
        return
    if {found, expected} <= {"JSON objects", "json"}:
        # One object, or one per line: only the reader of JSON can tell.
        return
    raise FeedRefused(
        f"{name} is no {expected} file: its content looks like {found}. If that is what the vendor "
        "delivers now, set `format:` (for an archive, the end of the file's name) accordingly."
    )


def decoded(content: bytes, encoding: str, name: str) -> bytes:
    """The content as UTF-8 without a byte order mark; every byte must be right.

    Raises:
        FeedRefused: A byte is not of the encoding; names the line and what precedes it.
    """
    codec = codecs.lookup(encoding).name
    marked = next((by for mark, by in _BYTE_ORDER_MARKS if content.startswith(mark)), None)
    if marked is not None and not codec.startswith((marked, marked.replace("-", "_"))):
        raise FeedRefused(
            f"{name} starts with the mark of {marked}, but the feed definition says "
            f"`encoding: {encoding}`. If the vendor changed it, write `encoding: {marked}`."
        )
    if codec in {"utf-8", "utf-8-sig", "ascii"}:
        _decode_all(content, "utf-8" if codec == "utf-8-sig" else codec, name, keep=False)
        text = content.removeprefix(codecs.BOM_UTF8)
    else:
        text = _decode_all(content, codec, name, keep=True).removeprefix(codecs.BOM_UTF8)
    _refuse_wide(text, name)
    return text


def _decode_all(content: bytes, codec: str, name: str, *, keep: bool) -> bytes:
    """Decode chunk by chunk, so that no second copy as Python text stands in memory."""
    if not keep and content.isascii():
        return b""
    decoder = codecs.getincrementaldecoder(codec)("strict")
    result = BytesIO()
    line = 1
    text = ""
    for start in range(0, len(content), _CHUNK_BYTES):
        chunk = content[start : start + _CHUNK_BYTES]
        try:
            text = decoder.decode(chunk, start + _CHUNK_BYTES >= len(content))
        except UnicodeDecodeError as error:
            raise _undecodable(error, codec, name, line, text) from None
        line += text.count("\n")
        if keep:
            result.write(text.encode("utf-8", "strict"))
    return result.getvalue()


def _undecodable(
    error: UnicodeDecodeError, codec: str, name: str, line: int, before: str
) -> FeedRefused:
    good = error.object[: error.start].decode(codec, "ignore")
    wrong = error.object[error.start : error.end].hex(" ").upper()
    line_start = (before + good).rpartition("\n")[2]
    after = f" after '{line_start[-_CONTEXT_CHARS:]}'" if line_start else ""
    other = "cp1252" if codec == "utf-8" else "utf-8"
    line += good.count("\n")
    return FeedRefused(
        f"{name} is not {codec} text: line {line} has the byte {wrong}{after}. "
        "If the vendor writes another encoding, name it in the feed definition, for example "
        f"`encoding: {other}`."
    )


def _refuse_wide(text: bytes, name: str) -> None:
    sample = text[:_SAMPLE_BYTES]
    if sample.count(0) * 4 > len(sample):
        raise FeedRefused(
            f"{name} is full of NUL bytes: it looks like utf-16 text or binary data. If the vendor "
            "writes utf-16, name it in the feed definition: `encoding: utf-16`."
        )


def samples(content: bytes, start: int) -> Iterator[bytes]:
    """Whole lines from all over a text: where it is sorted, the first ones tell little."""
    step = max(_LINES_BYTES, (len(content) - start) // _SAMPLES)
    for position in range(start, len(content), step):
        begin = position if position == start else content.find(b"\n", position) + 1
        yield content[begin : content.rfind(b"\n", begin, begin + _LINES_BYTES) + 1]
