"""Walking through a list, one page after another, without trusting it to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from armillary.api.models import Page
from armillary.errors import (
    ApiError,
    CursorExpired,
    PagesLeadNowhere,
    RequestRejected,
    UnexpectedAnswer,
)

MAX_LIMIT = 200
MAX_RESTARTS = 3

SinkT = TypeVar("SinkT")
Fetch = Callable[[int | None, str | None], Any]
"""Gets ``limit`` and ``after``, either None for "leave it out"; returns the decoded answer."""


class Paging:
    """The pages of one list (contract section 4).

    Args:
        fetch: asks for one page.
        method: for messages.
        path: for messages.
        limit: rows wanted a page, at most ``MAX_LIMIT`` (D3); None leaves it to the server.
        max_rows: more rows than this are taken for pages that never end, or None.
    """

    def __init__(
        self, fetch: Fetch, *, method: str, path: str, limit: int | None, max_rows: int | None
    ) -> None:
        self._fetch = fetch
        self._method = method
        self._path = path
        self.limit = None if limit is None else max(1, min(limit, MAX_LIMIT))
        self._max_rows = max_rows
        self._cursors: set[str] = set()
        self._known: set[int] = set()
        self._rows = 0

    def pages(self) -> Iterator[Page]:
        """Yield page after page; how many rows one has means nothing (D3, A31).

        Raises:
            CursorExpired: a page after the first was refused: see :func:`read_all`.
            PagesLeadNowhere: they go round or never end (``reliability.md`` A27).
        """
        page = self._first()
        while True:
            self._check(page)
            yield page
            if not page.has_more:
                return
            page = self._next(page.next_cursor)

    def _first(self) -> Page:
        """The first page; a server that refuses ``limit`` is asked once more without it (N8)."""
        try:
            return self._page(None)
        except RequestRejected as refused:
            if self.limit is None or refused.status not in (400, 422):
                raise
            limit, self.limit = self.limit, None
            try:
                return self._page(None)
            except RequestRejected:
                self.limit = limit
                raise refused from None

    def _next(self, cursor: str | None) -> Page:
        try:
            return self._page(cursor)
        except (RequestRejected, UnexpectedAnswer) as error:
            if error.status is None or not 400 <= error.status < 500:  # noqa: PLR2004
                raise
            expired = _expired(error)
        raise expired

    def _page(self, cursor: str | None) -> Page:
        data = self._fetch(self.limit, cursor)
        rows = data.get("data") if isinstance(data, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self._unexpected("the answer to a list holds no list of records in `data`.")
        meta = data.get("meta")
        if not isinstance(meta, dict):
            meta = {}
        after = meta.get("next_cursor")
        more = meta.get("has_more")
        if more is None:
            more = after is not None
        if not isinstance(more, bool):
            raise self._unexpected(f"`has_more` is {more!r}.")
        return Page(rows, after if isinstance(after, str) else None, more)

    def _check(self, page: Page) -> None:
        """Refuse to go on where the next page cannot be a new one."""
        self._rows += len(page.rows)
        ids = {hash(row["id"]) for row in page.rows if isinstance(row.get("id"), str)}
        repeated = bool(ids) and ids <= self._known
        self._known |= ids
        if not page.has_more:
            return
        if not page.next_cursor:
            raise self._nowhere("more pages are announced, but no cursor to the next is given.")
        if page.next_cursor in self._cursors:
            raise self._nowhere("the same cursor came twice: the pages go round in a circle.")
        self._cursors.add(page.next_cursor)
        if repeated:
            raise self._nowhere("a page held nothing but records that were read before.")
        if self._max_rows is not None and self._rows > self._max_rows:
            raise self._nowhere(
                f"{self._rows} records were read where at most {self._max_rows} can be."
            )

    def _unexpected(self, message: str) -> UnexpectedAnswer:
        return UnexpectedAnswer(message, method=self._method, path=self._path)

    def _nowhere(self, message: str) -> PagesLeadNowhere:
        return PagesLeadNowhere(
            f"{message} {self._rows} records were read so far.",
            method=self._method,
            path=self._path,
        )


def _expired(error: ApiError) -> CursorExpired:
    return CursorExpired(
        "the next page was refused; its cursor has probably expired.",
        method=error.method,
        path=error.path,
        status=error.status,
        request_id=error.request_id,
        body_start=error.body_start,
        detail=error.detail,
    )


def read_all(
    fetch_pages: Callable[[], Iterator[Page]],
    new_sink: Callable[[], SinkT],
    take: Callable[[SinkT, Page], None],
) -> SinkT:
    """Read every page into a sink, from page one again when a cursor expires (A29).

    A page is taken by a thread of its own while this one asks for the next.

    Args:
        fetch_pages: starts a reading.
        new_sink: makes an empty sink; what an interrupted reading collected is thrown away.
        take: adds one page to the sink.

    Raises:
        CursorExpired: the reading was interrupted ``MAX_RESTARTS`` times and once more.
    """
    restarts = 0
    while True:
        sink = new_sink()
        try:
            _take_all(fetch_pages(), sink, take)
        except CursorExpired:
            if restarts == MAX_RESTARTS:
                raise
            restarts += 1
        else:
            return sink


def _take_all(pages: Iterator[Page], sink: SinkT, take: Callable[[SinkT, Page], None]) -> None:
    """Take each page in order. The asking thread sends first, so that both really overlap."""
    with ThreadPoolExecutor(1, thread_name_prefix="take-page") as taker:
        context = copy_context()
        taking = None
        for page in pages:
            if taking is None and not page.has_more:
                take(sink, page)
                return
            if taking is not None:
                taking.result()
            taking = taker.submit(context.run, take, sink, page)
        if taking is not None:
            taking.result()
