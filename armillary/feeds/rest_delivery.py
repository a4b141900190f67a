"""A REST service as a delivery: the whole list, or refused.

What is missing from a delivery is archived, so a list that may lack something is none (R01, R02).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from armillary.clock import Clock, SystemClock
from armillary.errors import FeedRefused
from armillary.feeds.delivery import Delivery
from armillary.feeds.first_look import LOOK_SECONDS, FirstLook, lacking, used_columns
from armillary.feeds.json_records import read_lines
from armillary.feeds.rest_definition import RestDefinition
from armillary.feeds.rest_next import end_of_first_page
from armillary.feeds.rest_paging import (
    NEXT,
    Ask,
    Mark,
    Pages,
    first_ask,
    next_ask,
    refuse_loop,
    rows_of,
    total_of,
)
from armillary.feeds.rest_service import PageFailed, RestService
from armillary.feeds.secret import secret_of

MOST_READINGS = 3
EMPTY = "Check what the credentials may see, and params, then start the sync again."


def rest_delivery(
    definition: RestDefinition,
    *,
    password: SecretStr | None = None,
    token: SecretStr | None = None,
    clock: Clock | None = None,
) -> Delivery:
    """Every record of the service, as one JSON object per line.

    Args:
        definition: Which service, and how to ask.
        password: From a block; else the variable that the definition names.
        token: Likewise.
        clock: Does the waiting.

    Returns:
        Fractions keep the text they were written in. It is live: it may come to be as it was.

    Raises:
        ConfigurationError: The credentials are incomplete.
        FeedRefused: A page did not come, the pages make no whole list, or it is empty.
    """
    with _service(definition, password, token, clock) as service:
        pages, notes = _whole_list(definition, service)
    return Delivery(
        content=b"".join(pages.lines),
        file_format="ndjson",
        source=definition.url,
        warnings=notes,
        live=True,
        origin=urlsplit(definition.url).netloc,
    )


def rest_first_look(
    definition: RestDefinition,
    *,
    password: SecretStr | None = None,
    token: SecretStr | None = None,
) -> FirstLook:
    """The first page, asked for once.

    Args:
        definition: Which service, and how to ask.
        password: From a block; else the variable that the definition names.
        token: Likewise.

    Raises:
        ConfigurationError: The credentials are incomplete.
        FeedRefused: It did not come, or it is no page of records.
    """
    seconds = min(definition.timeout_seconds, LOOK_SECONDS)
    hurried = definition.model_copy(update={"timeout_seconds": seconds})
    pages = Pages(definition.url)
    with _service(hurried, password, token, once=True) as service:
        _, data = _add_page(hurried, service, first_ask(hurried), pages)
    end_of_first_page(hurried, data, pages)
    page = f"{definition.url} answers, with {pages.count:,} records on its first page"
    if not pages.count:
        return FirstLook(page, "a run refuses a list that has none", EMPTY)
    table = read_lines(pages.lines[0], used_columns(definition), definition.url)
    if missing := lacking(definition, table.columns):
        return FirstLook(
            page,
            f"none of them has {missing}, which the feed definition needs",
            f"Mend the templates of the feed, or rows. They have: {', '.join(table.columns)}.",
        )
    return FirstLook(page)


def _service(
    definition: RestDefinition,
    password: SecretStr | None,
    token: SecretStr | None,
    clock: Clock | None = None,
    *,
    once: bool = False,
) -> RestService:
    feed = definition.name
    return RestService(
        definition,
        password=secret_of(password, definition.password_variable, what="password", feed=feed),
        token=secret_of(token, definition.token_variable, what="token", feed=feed),
        clock=clock or SystemClock(),
        once=once,
    )


def _whole_list(definition: RestDefinition, service: RestService) -> tuple[Pages, tuple[str, ...]]:
    """Read until the pages make one list; and what to tell of it (R03).

    An order by a key that is not unique repeats one record and hides another, often the same ones
    in every reading: two equal readings prove nothing.
    """
    merging = definition.paging.repeats == "merge"
    for _ in range(MOST_READINGS):
        pages, notes = _all_pages(definition, service)
        if pages.settled:
            return pages, notes
        if merging and pages.counted:
            merged = (
                f"Records of {definition.url} that stand on more than one page: "
                f"{pages.repeated:,}; equal ones count once."
            )
            return pages, (*notes, merged)
    raise FeedRefused(
        f"{definition.url} cannot be trusted to be whole: {pages.doubt}. It was read "
        f"{MOST_READINGS} times.",
        next_step=f"{NEXT}Start the sync again when the list is at rest; if it stays so, ask for "
        "an order by a key that is unique, and check what the credentials may see.",
    )


def _all_pages(definition: RestDefinition, service: RestService) -> tuple[Pages, tuple[str, ...]]:
    pages, note = Pages(definition.url), ""
    ask: Ask | None = first_ask(definition)
    asked: set[Mark] = set()
    while ask is not None:
        refuse_loop(ask, asked, pages, definition.paging.max_pages)
        answer, data = _add_page(definition, service, ask, pages)
        if not asked:
            note = end_of_first_page(definition, data, pages)
        asked.add(ask.mark)
        ask = next_ask(definition, ask, answer, data, pages)
    if pages.count == 0:
        raise FeedRefused(
            f"{definition.url} has not a single record: the list at '{definition.rows}' is empty. "
            "Far more often than a fact that is a permission that was taken away, or a filter.",
            next_step=f"{NEXT}{EMPTY}",
        )
    return pages, (note,) if note else ()


def _add_page(
    definition: RestDefinition, service: RestService, ask: Ask, pages: Pages
) -> tuple[httpx.Response, Any]:
    """One page more; the answer, for what it says of the next."""
    try:
        answer, data = service.page(ask)
    except PageFailed as error:
        failed: PageFailed | None = error
    else:
        failed = None
    if failed is not None:
        raise FeedRefused(
            f"{definition.url}: {pages.where}: {failed.why}.", next_step=failed.next_step
        )
    pages.add(rows_of(definition, data, pages), total_of(definition, data, pages))
    return answer, data
