"""Files of rows: the multipart upload of an import, and CSV or JSON inside it."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

import msgspec
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

from simulator.exchange import NumberText, Refusal

_decoder = msgspec.json.Decoder(float_hook=NumberText)


@dataclass(slots=True)
class Form:
    """A multipart form: text fields, and the bytes and name of the part ``file``."""

    fields: dict[str, str] = field(default_factory=dict)
    file: bytes | None = None
    file_name: str = ""
    media_type: str = ""


class _Parts:
    """Collects the parts while the parser walks over the body."""

    def __init__(self) -> None:
        self.form = Form()
        self._headers: dict[str, str] = {}
        self._name = b""
        self._value = b""
        self._chunks: list[bytes] = []

    def on_part_begin(self) -> None:
        self._headers, self._chunks = {}, []

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("utf-8")
        self._name = self._value = b""

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._chunks.append(data[start:end])

    def on_part_end(self) -> None:
        message = Message()
        message["content-disposition"] = self._headers.get("content-disposition", "")
        name = message.get_param("name", header="content-disposition")
        content = b"".join(self._chunks)
        if name == "file":
            self.form.file = content
            self.form.file_name = message.get_filename() or ""
            self.form.media_type = self._headers.get("content-type", "")
        else:
            self.form.fields[str(name)] = content.decode("utf-8")


def parse_form(body: bytes, content_type: str) -> Form:
    """The parts of a ``multipart/form-data`` body.

    Raises:
        Refusal: 415 when it is something else, 400 when it is broken.
    """
    message = Message()
    message["content-type"] = content_type
    boundary = message.get_param("boundary")
    if message.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise Refusal(415, "An import is sent as multipart/form-data", code="media_type")
    parts = _Parts()
    names = ("part_begin", "part_data", "part_end", "header_field", "header_value", "header_end")
    callbacks: Any = {f"on_{name}": getattr(parts, f"on_{name}") for name in names}
    try:
        parser = MultipartParser(boundary.encode("latin-1"), callbacks)
        parser.write(body)
        parser.finalize()
    except (MultipartParseError, UnicodeDecodeError) as error:
        raise Refusal(400, f"The form cannot be read: {error}", code="invalid_form") from error
    return parts.form


def unpacked(content: bytes, *, zip_allowed: bool) -> bytes:
    """The CSV or JSON inside a ZIP archive, where the server takes one (D10)."""
    if not content.startswith(b"PK\x03\x04"):
        return content
    if not zip_allowed:
        raise Refusal(422, "The file must be CSV or JSON", code="file", field="file")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if len(names) != 1:
            raise Refusal(422, "The archive must hold one file", code="file", field="file")
        return archive.read(names[0])


def rows(content: bytes) -> Iterator[dict[str, Any]]:
    """The rows of a file: JSON when it starts like JSON, else CSV with a header.

    Raises:
        Refusal: 422 when it is neither; while reading also for a broken line.
    """
    start = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return _json_rows(content) if start in (b"[", b"{") else _csv_rows(content)


def _json_rows(content: bytes) -> Iterator[dict[str, Any]]:
    try:
        found = _decoder.decode(content.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _broken(f"The file is not JSON: {error}") from error
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise _broken("The file must be an array of objects")
    return iter(found)


def _csv_rows(content: bytes) -> Iterator[dict[str, Any]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _broken(f"The file is not UTF-8: {error}") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(reader, None)
    if not header or len(set(header)) != len(header):
        raise _broken("The file needs a header row with different names")
    return _csv_body(reader, header)


def _csv_body(reader: Any, header: list[str]) -> Iterator[dict[str, Any]]:
    try:
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise _broken(f"Line {reader.line_num} has {len(cells)} cells, not {len(header)}")
            yield {name: cell for name, cell in zip(header, cells, strict=True) if cell != ""}
    except csv.Error as error:
        raise _broken(f"Line {reader.line_num}: {error}") from error


def _broken(message: str) -> Refusal:
    return Refusal(422, message, code="file", field="file")
