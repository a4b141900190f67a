"""A REST service as a delivery: the whole list, or refused.

What is missing from a delivery is archived, so a list that may lack something is none (R01, R02).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import SecretStr

from armillary.clock import Clock, SystemClock
from armillary.errors import FeedRefused
from armillary.feeds.delivery import Delivery
from armillary.feeds.rest_definition import RestDefinition
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
    password = secret_of(
        password, definition.password_variable, what="password", feed=definition.name
    )
    token = secret_of(token, definition.token_variable, what="token", feed=definition.name)
    with RestService(
        definition, password=password, token=token, clock=clock or SystemClock()
    ) as service:
        pages, note = _whole_list(definition, service)
    return Delivery(
        content=b"".join(pages.lines),
        file_format="ndjson",
        source=definition.url,
        warnings=(note,) if note else (),
        live=True,
        origin=urlsplit(definition.url).netloc,
    )


def _whole_list(definition: RestDefinition, service: RestService) -> tuple[Pages, str]:
    """Read until the pages make one list; and what to tell of it (R03).

    An order by a key that is not unique repeats one record and hides another, often the same ones
    in every reading: two equal readings prove nothing.
    """
    merging = definition.paging.repeats == "merge"
    for _ in range(MOST_READINGS):
        pages = _all_pages(definition, service)
        if pages.settled:
            return pages, ""
        if merging and pages.counted:
            return pages, (
                f"Records of {definition.url} that stand on more than one page: "
                f"{pages.repeated:,}; equal ones count once."
            )
    raise FeedRefused(
        f"{definition.url} cannot be trusted to be whole: {pages.doubt}. It was read "
        f"{MOST_READINGS} times.",
        next_step=f"{NEXT}Start the sync again when the list is at rest; if it stays so, ask for "
        "an order by a key that is unique, and check what the credentials may see.",
    )


def _all_pages(definition: RestDefinition, service: RestService) -> Pages:
    pages = Pages(definition.url)
    ask: Ask | None = first_ask(definition)
    asked: set[Mark] = set()
    while ask is not None:
        refuse_loop(ask, asked, pages, definition.paging.max_pages)
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
        rows = rows_of(definition, data, pages)
        pages.add(rows, total_of(definition, data, pages))
        asked.add(ask.mark)
        ask = next_ask(definition, ask, answer, data, pages)
    if pages.count == 0:
        raise FeedRefused(
            f"{definition.url} has not a single record: the list at '{definition.rows}' is empty. "
            "Far more often than a fact that is a permission that was taken away, or a filter.",
            next_step=f"{NEXT}Check what the credentials may see, and params, then start the sync "
            "again.",
        )
    return pages
