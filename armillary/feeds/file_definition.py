"""The definition of a feed that is a file: where it is, and how it is written."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from armillary.feeds.definition import FeedDefinition, Named
from armillary.feeds.location import FILE_FORMATS, FileFormat, format_of


class FileSource(Named):
    """Which file, and how it is written. Apart, so that in a form it comes before the mapping."""

    kind: Literal["file"] = Field(
        "file", title="Kind of source", description="A file at any address fsspec can open."
    )
    url: str = Field(
        title="Address",
        min_length=1,
        repr=False,
        description="Path, s3:// or https:// address of the file; packed files by name: .gz, .bz2, "
        ".xz, .zip.",
    )
    format: FileFormat | None = Field(
        None, title="Format", description="Format of the file; unset: by the end of its name."
    )
    encoding: str = Field(
        "utf-8", title="Encoding", description="Encoding of a text file, as Python names it."
    )
    delimiter: str = Field(
        ",", title="Delimiter", description="The one character between the cells of a csv file."
    )

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            "a".encode(encoding)
        except LookupError:
            raise ValueError(
                f"'{encoding}' is no encoding known here; usual ones: utf-8, cp1252, latin-1, "
                "utf-16"
            ) from None
        return encoding

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str) -> str:
        if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0':
            raise ValueError(
                f"{delimiter!r} cannot separate cells: one character is needed, such as "
                '"," ";" "|" or "\\t"'
            )
        return delimiter

    @property
    def file_format(self) -> FileFormat:
        """The format in force: as written, else by the end of the address."""
        found = self.format or format_of(self.url)
        if found is None:
            raise ValueError("format is neither written nor told by the address")
        return found


class FileDefinition(FeedDefinition, FileSource):
    """A file of instruments."""

    @model_validator(mode="after")
    def _format_is_told(self) -> Self:
        if self.format is None and format_of(self.url) is None:
            raise ValueError(
                "format cannot be told from the end of the address; set it to one of: "
                + ", ".join(FILE_FORMATS)
            )
        return self
