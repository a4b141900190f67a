"""What a source delivers before it is read: bytes, and how they are written."""

from __future__ import annotations

from dataclasses import dataclass, field

from armillary.feeds.file_definition import FileDefinition
from armillary.feeds.location import FileFormat, shown
from armillary.feeds.source import fetch


@dataclass(frozen=True)
class Delivery:
    """One delivery of a source.

    Attributes:
        content: The rows, unpacked.
        file_format: How they are written.
        source: What messages call it, without anything secret.
        encoding: Of a text, as Python names it.
        delimiter: Between the cells of a csv.
        warnings: What a person should look at although nothing was refused for it.
        live: It says how things stand now. Equal contents of a file are one delivery, and an old
            one once more is a mistake (F05); what is live may come to stand as it did before.
        origin: Which of several services with the same kind of rows, such as production or UAT;
            blank where there is only one.
    """

    content: bytes = field(repr=False)
    file_format: FileFormat
    source: str
    encoding: str = "utf-8"
    delimiter: str = ","
    warnings: tuple[str, ...] = ()
    live: bool = False
    origin: str = ""


def file_delivery(definition: FileDefinition) -> Delivery:
    """The file at the address of a feed.

    Raises:
        ConfigurationError: The address cannot be used at all.
        FeedRefused: Not delivered, not readable, changed while it was read, cut off, or empty.
    """
    return Delivery(
        content=fetch(definition.url),
        file_format=definition.file_format,
        source=shown(definition.url),
        encoding=definition.encoding,
        delimiter=definition.delimiter,
    )
