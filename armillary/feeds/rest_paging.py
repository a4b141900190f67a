"""Which page comes next, and whether the pages that were read make a whole list (R01 to R04)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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


@dataclass(frozen=True)
class Ask:
    """One request for a page; the address may hold a cursor or a token and is never shown."""

    url: str = field(repr=False)
    paging: Mapping[str, str | int] = field(default_factory=dict, repr=False)


@dataclass
class Pages:
    """The pages of one reading, in the order they came.

    Attributes:
        source: What messages call the service.
        lines: One JSON object per line, a page each.
        count: Records, also those that came more than once.
        seen: A mark of each different record.
        totals: Every total that an answer declared.
    """

    source: str
    lines: list[bytes] = field(default_factory=list, repr=False)
    count: int = 0
    seen: set[int] = field(default_factory=set, repr=False)
    totals: set[int] = field(default_factory=set)
    size_bytes: int = 0

    @property
    def where(self) -> str:
        """How far it came, for a message about a page that did not come."""
        if not self.lines:
            return "page 1 could not be read"
        before = "1 page" if len(self.lines) == 1 else f"{len(self.lines):,} pages"
        return (
            f"page {len(self.lines) + 1:,} could not be read, and the {self.count:,} records of "
            f"the {before} before it are not used"
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
        self.seen.update(hash(text) for text in texts)
        if total is not None:
            self.totals.add(total)

    @property
    def complete(self) -> bool:
        """Whether as many records have come as were declared."""
        return bool(self.totals) and self.count >= max(self.totals)

    @property
    def settled(self) -> bool:
        """Whether it is certainly one list: no record twice, and as many as were declared."""
        return self.count == len(self.seen) and self.totals <= {self.count}

    def agrees_with(self, earlier: Pages) -> bool:
        """Whether both readings brought the same: then repeated records are the source's own."""
        return (
            self.seen == earlier.seen
            and self.count == earlier.count
            and self.totals <= {self.count}
        )

    @property
    def doubt(self) -> str:
        """Why it is not settled."""
        totals = sorted(self.totals)
        if len(totals) > 1:
            return (
                f"its pages declare different totals ({', '.join(f'{each:,}' for each in totals)})"
            )
        if totals and totals[0] != len(self.seen):
            different = " different" if self.count != len(self.seen) else ""
            return (
                f"it declares {totals[0]:,} records, and its pages hold "
                f"{len(self.seen):,}{different} ones"
            )
        return (
            f"{self.count - len(self.seen):,} of its {self.count:,} records came more than once, "
            "so others may have slipped from page to page unseen"
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
    definition: RestDefinition, ask: Ask, answer: Response, data: Any, rows: int, pages: Pages
) -> Ask | None:
    """The request for the page after this one; None when the list is at its end.

    Pages by number or offset end at the declared total, else at an empty page: a short page
    proves nothing, for services cap what they are asked for.

    Raises:
        FeedRefused: The next page is on another host, or no page at all.
    """
    paging = definition.paging
    if paging.style in {"page", "offset"}:
        if rows == 0 or pages.complete:
            return None
        at = (paging.first + len(pages.lines)) if paging.style == "page" else pages.count
        return Ask(ask.url, {**ask.paging, paging.page_parameter: at})
    if paging.style == "cursor":
        cursor = jmespath.search(paging.next, data)
        if cursor in (None, "", False):
            return None
        if not isinstance(cursor, str | int):
            raise _no_page(pages, f"the next cursor at '{paging.next}' is {_kind(cursor)}")
        return Ask(ask.url, {**ask.paging, paging.page_parameter: cursor})
    if paging.style == "link":
        if paging.next is None:
            link = answer.links.get("next", {}).get("url")
        else:
            link = jmespath.search(paging.next, data)
        if link in (None, "", False):
            return None
        if not isinstance(link, str):
            raise _no_page(pages, f"the next link at '{paging.next}' is {_kind(link)}")
        return Ask(_on_the_same_host(link, ask.url, pages))
    return None


def refuse_loop(ask: Ask, asked: Collection[Ask], pages: Pages, max_pages: int) -> None:
    """Refuse a page that was asked for before, and more pages than a list may have (R04)."""
    if ask in asked:
        raise _no_page(
            pages, "the next page is one that was read before: the pages go round in a circle"
        )
    if len(asked) >= max_pages:
        raise FeedRefused(
            f"{pages.source} has more than {max_pages:,} pages (paging.max_pages); "
            f"{pages.count:,} records were read.",
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


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    return kinds.get(type(value), "a number")
