"""The definition of a feed that is a file: where it is, and how it is written."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from armillary.feeds.address_secrets import secret_in
from armillary.feeds.definition import FeedDefinition, Named
from armillary.feeds.location import FILE_FORMATS, FileFormat, format_of, name_of, scheme_of
from armillary.feeds.newest import Pattern, is_pattern
from armillary.feeds.remote.host_keys import checked_host_key
from armillary.feeds.trailer import Trailer

_NO_DATE = re.compile(r"\{date(?!:[^{}]+\})")
_WITH_ROWS_IN_LINES = ("csv", "ndjson")

Seconds = Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)]
Minutes = Annotated[float, Field(ge=0, le=720, allow_inf_nan=False)]


class FileSource(Named):
    """Which file, and how it is written. Apart, so that in a form it comes before the mapping."""

    kind: Literal["file"] = Field(
        "file", title="Kind of source", description="A file: here, by SFTP, in S3, on the web."
    )
    url: str = Field(
        title="Address",
        min_length=1,
        repr=False,
        description="Path, sftp://, s3:// or https:// address of the file; packed files by name: "
        ".gz, .bz2, .xz, .zip, .zst. The name may be a pattern, as in "
        "equities_{date:%Y%m%d}*.csv.",
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
    sheet: str | None = Field(
        None,
        title="Sheet",
        min_length=1,
        description="Sheet of a workbook; unset: the only one that is not hidden.",
    )
    skip_lines: Annotated[int, Field(ge=0, strict=True)] = Field(
        0, title="Lines to skip", description="Comments above the header, or rows above it."
    )
    trailer: Trailer | None = Field(
        None,
        title="Trailer",
        description="The last line proves that a text file is whole; without it the file is "
        "refused.",
    )
    done_suffix: str | None = Field(
        None,
        title="End of the marker's name",
        min_length=1,
        description="A file is complete when another one with this at the end of its name is "
        "beside it, such as .done.",
    )
    settle_seconds: Seconds | None = Field(
        None,
        title="Seconds at rest",
        description="Between two looks at a file, which must not have changed; unset: 5 for "
        "sftp://, else one look before and one after the reading.",
    )
    wait_minutes: Minutes = Field(
        0,
        title="Minutes to wait",
        description="How long to wait for a file that is not there or not complete.",
    )
    username: str | None = Field(
        None, title="User", min_length=1, description="For sftp://, or https:// with a password."
    )
    password_variable: str | None = Field(
        None,
        title="Variable of the password",
        min_length=1,
        description="Environment variable that holds the password of the user, or of the private "
        "key.",
    )
    private_key_variable: str | None = Field(
        None,
        title="Variable of the private key",
        min_length=1,
        description="Environment variable that holds a private key for sftp://, or its path.",
    )
    token_variable: str | None = Field(
        None,
        title="Variable of the token",
        min_length=1,
        description="Environment variable that holds the token for https://.",
    )
    header_name: str | None = Field(
        None,
        title="Header of the token",
        pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
        description="Header that carries the token, such as X-Api-Key; unset: Authorization, as a "
        "bearer token.",
    )
    host_key: str | None = Field(
        None,
        title="Host key",
        description="What the server of sftp:// must show, a key such as ssh-ed25519 "
        "AAAAC3Nz, without the host.",
    )
    known_hosts: str | None = Field(
        None,
        title="Known hosts",
        min_length=1,
        description="Instead: path of a file with such keys, as OpenSSH writes it.",
    )

    @field_validator("url")
    @classmethod
    def _nothing_secret(cls, url: str) -> str:
        if problem := secret_in(url):
            raise ValueError(problem)
        return url

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

    @field_validator("host_key")
    @classmethod
    def _a_key(cls, host_key: str | None) -> str | None:
        return None if host_key is None else checked_host_key(host_key)

    @model_validator(mode="after")
    def _fits_the_place(self) -> Self:
        for problem in (*self._address_problems(), *self._line_problems()):
            raise ValueError(problem)
        return self

    def _address_problems(self) -> list[str]:
        scheme, name = scheme_of(self.url), name_of(self.url)
        found = []
        folder = self.url.removesuffix(name)
        if "{date" in folder or ("*" in folder and scheme not in {"https", "http"}):
            found.append(
                "only the last part of url may be a pattern, no folder: name the one folder that "
                "the files come into"
            )
        if _NO_DATE.search(name):
            found.append("a date in a pattern says how it is written, as in {date:%Y%m%d}")
        if is_pattern(name):
            Pattern(name)
            if scheme in {"https", "http"}:
                found.append(
                    "a web server has no list of its files, so url cannot be a pattern there: name "
                    "the one file"
                )
        if scheme == "sftp" and not (self.host_key or self.known_hosts):
            found.append(
                "sftp:// needs host_key (or known_hosts): the key that the vendor's server must "
                "show, because no other is ever accepted"
            )
        return found

    def _line_problems(self) -> list[str]:
        kind = self.format or format_of(self.url)
        if kind is None:
            return []
        found = []
        if self.trailer and kind not in _WITH_ROWS_IN_LINES:
            found.append(f"trailer is for csv and ndjson; this file is {kind}")
        if self.skip_lines and kind not in (*_WITH_ROWS_IN_LINES, "xlsx"):
            found.append(f"skip_lines is for csv, ndjson and xlsx; this file is {kind}")
        if self.sheet and kind != "xlsx":
            found.append(f"sheet is for xlsx; this file is {kind}")
        return found

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
