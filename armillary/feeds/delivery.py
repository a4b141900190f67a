"""What a source delivers before it is read: bytes, and how they are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from pydantic import SecretStr

from armillary.clock import Clock
from armillary.feeds.credentials import Credentials, Kept, private_key_of
from armillary.feeds.file_definition import FileDefinition
from armillary.feeds.first_look import FirstLook
from armillary.feeds.location import FileFormat, shown
from armillary.feeds.secret import secret_of
from armillary.feeds.source import Fetching, fetch, first_look
from armillary.feeds.trailer import Trailer


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
        sheet: Of a workbook; None: its only one.
        skip_lines: Above the header.
        trailer: What the last line of a text is; None: a row like any other.
        business_date: The day it speaks of, where its name says so (a trailer may, too).
        fingerprint: What its place says of it: equal for one and the same delivery, such as an
            ETag. Blank where the place says nothing.
    """

    content: bytes = field(repr=False)
    file_format: FileFormat
    source: str
    encoding: str = "utf-8"
    delimiter: str = ","
    warnings: tuple[str, ...] = ()
    live: bool = False
    origin: str = ""
    sheet: str | None = None
    skip_lines: int = 0
    trailer: Trailer | None = None
    business_date: date | None = None
    fingerprint: str = ""


def file_delivery(
    definition: FileDefinition,
    kept: Kept = Kept(),  # noqa: B008 -- a value that nobody can change
    clock: Clock | None = None,
) -> Delivery:
    """The file at the address of a feed, or the newest of its pattern.

    Args:
        definition: Of the feed.
        kept: What a block keeps secret; what is not there comes from the environment.
        clock: Waits for a file to be complete.

    Raises:
        ConfigurationError: The address cannot be used at all, or a secret is missing.
        FeedRefused: Not delivered, not readable, changed while it was read, cut off, or empty.
    """
    fetched = fetch(definition.url, _fetching(definition, kept), clock)
    return Delivery(
        content=fetched.content,
        file_format=definition.file_format,
        source=shown(fetched.url),
        encoding=definition.encoding,
        delimiter=definition.delimiter,
        warnings=fetched.warnings,
        sheet=definition.sheet,
        skip_lines=definition.skip_lines,
        trailer=definition.trailer,
        business_date=fetched.business_date,
        fingerprint=fetched.fingerprint,
    )


def file_first_look(
    definition: FileDefinition,
    kept: Kept = Kept(),  # noqa: B008 -- a value that nobody can change
    clock: Clock | None = None,
) -> FirstLook:
    """Whether the file of a feed is there and may be read, without reading it.

    Args:
        definition: Of the feed.
        kept: What a block keeps secret; what is not there comes from the environment.
        clock: Tells today, for a pattern with a date.

    Raises:
        ConfigurationError: The address cannot be used at all, or a secret is missing.
        FeedRefused: Nobody answers, or the file may not be read.
    """
    return first_look(definition.url, _fetching(definition, kept), clock)


def _fetching(definition: FileDefinition, kept: Kept) -> Fetching:
    feed = definition.name

    def told(given: SecretStr | None, variable: str | None, what: str) -> str:
        found = secret_of(given, variable, what=what, feed=feed)
        return found.get_secret_value() if found else ""

    return Fetching(
        Credentials(
            username=definition.username or "",
            password=told(kept.password, definition.password_variable, "password"),
            token=told(kept.token, definition.token_variable, "token"),
            header_name=definition.header_name or "",
            private_key=private_key_of(kept.private_key, definition.private_key_variable, feed),
            session=kept.session,
            client_settings=kept.client_settings,
        ),
        host_key=definition.host_key or "",
        known_hosts=definition.known_hosts or "",
        done_suffix=definition.done_suffix or "",
        settle_seconds=definition.settle_seconds,
        wait_minutes=definition.wait_minutes,
    )
