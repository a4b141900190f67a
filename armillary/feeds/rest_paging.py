"""Which page comes next, and whether the pages that were read make a whole list (R01 to R04)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import jmespath
import msgspec
from httpx import Response

from armillary.errors import FeedRefused
from armillary.feeds.rest_definition import RestDefinition
from armillary.feeds.source import MAX_BYTES

NEXT = "Nothing was written and nothing is archived. "


Mark = tuple[object, ...]


@dataclass(frozen=True)
class Ask:
    """One request for a page; the address may hold a cursor or a token and is never shown."""

    url: str = field(repr=False)
    paging: Mapping[str, str | int] = field(default_factory=dict, repr=False)

    @property
    def mark(self) -> Mark:
        """The same for equal requests."""
        return self.url, *self.paging.items()


@dataclass
class Pages:
    """The pages of one reading, in the order they came.

    Attributes:
        source: What messages call the service.
        lines: One JSON object per line, a page each.
        count: Records, also those that came more than once.
        seen: A mark of each different record.
        repeated: Records that stand on an earlier page, too. Equal ones of one page are the
            source's own, and count once later (F08).
        totals: Every total that an answer declared.
    """

    source: str
    lines: list[bytes] = field(default_factory=list, repr=False)
    count: int = 0
    seen: set[int] = field(default_factory=set, repr=False)
    repeated: int = 0
    totals: set[int] = field(default_factory=set)
    size_bytes: int = 0

    @property
    def where(self) -> str:
        """How far it came, for a message about a page that did not come."""
        if not self.lines:
            return "page 1 could not be read"
        return (
            f"page {len(self.lines) + 1:,} could not be read, and what came before it "
            f"({_counted(self.count, 'record')} of {_counted(len(self.lines), 'page')}) is not used"
        )

    def add(self, rows: list[Any], total: int | None) -> None:
        """Take the records of a page.

        Raises:
            FeedRefused: The page repeats the one before it, or all are too large together.
        """
        texts = [msgspec.json.encode(row) for row in rows]
        page = b"".join(text + b"\n" for text in texts)
        if self.lines and page and page == self.lines[-1]:
            number = len(self.lines) + 1
            raise FeedRefused(
                f"{self.source}: page {number:,} holds the very records of page {number - 1:,}, so "
                "asking for another page has no effect.",
                next_step=f"{NEXT}Mend paging in the feed definition (its parameter, or the style "
                "none), then start the sync again.",
            )
        self.lines.append(page)
        self.size_bytes += len(page)
        if self.size_bytes > MAX_BYTES:
            raise FeedRefused(
                f"{self.source} holds more than {MAX_BYTES // 1024**2:,} MiB: it has to be split "
                "into several feeds."
            )
        self.count += len(rows)
        marks = [hash(text) for text in texts]
        self.repeated += sum(mark in self.seen for mark in marks)
        self.seen.update(marks)
        if total is not None:
            self.totals.add(total)

    @property
    def complete(self) -> bool:
        """Whether as many records have come as were declared."""
        return bool(self.totals) and self.count >= max(self.totals)

    @property
    def settled(self) -> bool:
        """Whether it is certainly one list: no page repeats another, as many as were declared."""
        return self.repeated == 0 and self.counted

    @property
    def counted(self) -> bool:
        """Whether it is as many records as were declared, if any total was."""
        return self.totals <= {self.count}

    @property
    def doubt(self) -> str:
        """Why it is not settled."""
        if len(self.totals) > 1:
            totals = ", ".join(f"{each:,}" for each in sorted(self.totals))
            return f"its pages declare different totals ({totals})"
        told = f"its pages hold {_counted(self.count, 'record')}"
        if self.totals:
            declared = _counted(min(self.totals), "record")
            told = f"it declares {declared}, and its pages hold {self.count:,}"
        if not self.repeated:
            return told
        return (
            f"{told}, {self.repeated:,} of them on an earlier page already, so others may have "
            "slipped from page to page unseen"
        )


def first_ask(definition: RestDefinition) -> Ask:
    """The request for the first page."""
    paging = definition.paging
    asked: dict[str, str | int] = {}
    if paging.style == "page":
        asked[paging.page_parameter] = paging.first
    elif paging.style == "offset":
        asked[paging.page_parameter] = 0
    if paging.size is not None:
        asked[paging.size_parameter] = paging.size
    return Ask(definition.url, asked)


def next_ask(
    definition: RestDefinition, ask: Ask, answer: Response, data: Any, pages: Pages
) -> Ask | None:
    """The request for the page after the last of ``pages``; None at the end of the list.

    Pages by number or offset end at the declared total, else at an empty page: a short page
    proves nothing, for services cap what they are asked for.

    Raises:
        FeedRefused: The next page is on another host, or no page at all.
    """
    paging = definition.paging
    if paging.style in {"page", "offset"}:
        if not pages.lines[-1] or pages.complete:
            return None
        by_number = paging.style == "page"
        at = paging.first + len(pages.lines) if by_number else pages.count
        return Ask(ask.url, {**ask.paging, paging.page_parameter: at})
    if paging.style == "cursor":
        cursor = _told(jmespath.search(paging.next, data), str | int, pages, "cursor")
        return cursor and Ask(ask.url, {**ask.paging, paging.page_parameter: cursor})
    if paging.style == "link":
        told = jmespath.search(paging.next, data) if paging.next else _in_header(answer)
        link = _told(told, str, pages, "link")
        return link and Ask(_on_the_same_host(link, ask.url, pages))
    return None


def _in_header(answer: Response) -> str | None:
    return answer.links.get("next", {}).get("url")


def _told(value: Any, kinds: Any, pages: Pages, what: str) -> Any:
    """A cursor or link; None where the answer says that there is no next page."""
    if value in (None, "", False):
        return None
    if not isinstance(value, kinds):
        raise _no_page(pages, f"its next {what} is {_kind(value)}")
    return value


def refuse_loop(ask: Ask, asked: set[Mark], pages: Pages, max_pages: int) -> None:
    """Refuse a page that was asked for before, and more pages than a list may have (R04)."""
    if ask.mark in asked:
        raise _no_page(
            pages, "the next page is one that was read before: the pages go round in a circle"
        )
    if len(asked) >= max_pages:
        raise FeedRefused(
            f"{pages.source} has more than {max_pages:,} pages (paging.max_pages), which hold "
            f"{_counted(pages.count, 'record')}.",
            next_step=f"{NEXT}Ask for larger pages (paging.size), or raise max_pages.",
        )


def rows_of(definition: RestDefinition, data: Any, pages: Pages) -> list[Any]:
    """The records in an answer.

    Raises:
        FeedRefused: There is no list where the definition says.
    """
    rows = jmespath.search(definition.rows, data)
    if isinstance(rows, list):
        return rows
    found = "nothing" if rows is None else _kind(rows)
    holds = f"Its keys: {', '.join(list(data)[:20])}." if isinstance(data, dict) else ""
    raise FeedRefused(
        f"{pages.source} has {found} at '{definition.rows}', where the list of records should be "
        f"(page {len(pages.lines) + 1:,}). The answer is {_kind(data)}. {holds}".rstrip(),
        next_step=f"{NEXT}Mend rows in the feed definition, or ask the vendor, then start the sync "
        "again.",
    )


def total_of(definition: RestDefinition, data: Any, pages: Pages) -> int | None:
    """The total an answer declares; None where the definition names none.

    Raises:
        FeedRefused: The first page declares none, or what stands there is no number.
    """
    if definition.total is None:
        return None
    total = jmespath.search(definition.total, data)
    if total is None and pages.lines:
        return None
    if isinstance(total, str) and total.isdecimal():
        return int(total)
    if isinstance(total, int) and not isinstance(total, bool) and total >= 0:
        return total
    found = "no total" if total is None else f"{_kind(total)} that is no total"
    raise FeedRefused(
        f"{pages.source} has {found} at '{definition.total}' (page {len(pages.lines) + 1:,}), so "
        "whether the list is whole cannot be told.",
        next_step=f"{NEXT}Mend total in the feed definition, or ask the vendor, then start the "
        "sync again.",
    )


def _on_the_same_host(link: str, url: str, pages: Pages) -> str:
    try:
        target = urljoin(url, link)
        there, here = urlsplit(target), urlsplit(url)
        same = (there.scheme, there.hostname, _port(there.port, there.scheme)) == (
            here.scheme,
            here.hostname,
            _port(here.port, here.scheme),
        )
    except ValueError:
        raise _no_page(pages, "the next link is no address") from None
    if not same:
        raise _no_page(
            pages,
            f"the next link leads to {there.scheme}://{there.hostname}, and not to "
            f"{here.scheme}://{here.hostname}, where the list began; no secret is sent elsewhere",
        )
    return target


def _port(port: int | None, scheme: str) -> int | None:
    return port or {"https": 443, "http": 80}.get(scheme)


def _no_page(pages: Pages, why: str) -> FeedRefused:
    return FeedRefused(
        f"{pages.source}: {pages.where}: {why}.",
        next_step=f"{NEXT}Mend paging in the feed definition, or ask the vendor, then start the "
        "sync again.",
    )


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    return kinds.get(type(value), "a number")
