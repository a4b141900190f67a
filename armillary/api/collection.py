"""The resources of a workspace, by what the contract lets one do with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from armillary.api import envelope
from armillary.api.call import Repeat
from armillary.api.envelope import Row
from armillary.api.models import Page
from armillary.api.paging import MAX_LIMIT, Fetch, Paging, read_all
from armillary.api.transport import Answer, Transport
from armillary.errors import RequestRejected, UnexpectedAnswer

Rows = list[Row]
Sort = Sequence[Mapping[str, str]]


class Collection:
    """Reading one resource: list, filter, count, get.

    Args:
        transport: the way to the workspace.
        path: below the workspace, as in ``/instruments``.
    """

    def __init__(self, transport: Transport, path: str) -> None:
        self._transport = transport
        self.path = path

    def list_pages(
        self,
        *,
        ids: Sequence[str] | None = None,
        archived: bool | str | None = None,
        include: Sequence[str] | None = None,
        limit: int | None = MAX_LIMIT,
        max_rows: int | None = None,
        **params: Any,
    ) -> Iterator[Page]:
        """Yield the pages of ``GET`` on the collection.

        Args:
            ids: only these, UUIDs and identifiers mixed; an empty sequence yields no page at all.
            archived: ``"all"``, ``"true"`` (contract D6), or None for active ones.
            include: related objects to send along.
            limit: rows a page, at most 200.
            max_rows: stop as endless beyond this many rows.
            params: any other query value, as ``type_id`` and ``q``.

        Raises:
            CursorExpired: use ``read_all`` to start again.
            ApiError: as ``Transport.request`` says.
        """
        if ids is not None and not ids:
            return iter(())
        self._check_ids(ids or ())
        asked = {"ids": ids, "archived": archived, "include": include, **params}

        def fetch(size: int | None, after: str | None) -> Any:
            return self._transport.request(
                "GET",
                self.path,
                repeat=Repeat.READ,
                params={**asked, "limit": size, "after": after},
            ).data

        return self._pages("GET", self.path, fetch, limit, max_rows)

    def filter_pages(
        self,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the contract's own word
        *,
        sort: Sort | None = None,
        include: Sequence[str] | None = None,
        limit: int | None = MAX_LIMIT,
        max_rows: int | None = None,
        **shorthand: Any,
    ) -> Iterator[Page]:
        """Yield the pages of ``POST .../filter`` (contract section 5).

        Args:
            filter: conditions; put everything below one ``and`` (N10).
            sort: as in ``[{"field": "created_at", "direction": "desc"}]``.
            include: related objects to send along.
            limit: rows a page, at most 200.
            max_rows: stop as endless beyond this many rows.
            shorthand: top-level keys of the body, as ``type_id`` and ``q``.

        Raises:
            CursorExpired: use ``read_all`` to start again.
            ApiError: as ``Transport.request`` says.
        """
        path = f"{self.path}/filter"
        asked = {"filter": filter, "sort": sort, "include": include, **shorthand}

        def fetch(size: int | None, after: str | None) -> Any:
            body = _without_none({**asked, "limit": size, "after": after})
            return self._transport.request("POST", path, repeat=Repeat.READ, json=body).data

        return self._pages("POST", path, fetch, limit, max_rows)

    def list(self, **params: Any) -> Rows:
        """All rows of ``list_pages``: for collections known to be small."""
        return read_all(lambda: self.list_pages(**params), Rows, _extend)

    def count(
        self,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the contract's own word
        **shorthand: Any,
    ) -> int | None:
        """How many match, by ``POST .../count``; None when the service does not say (N7)."""
        body = _without_none({"filter": filter, **shorthand})
        try:
            answer = self._transport.request(
                "POST", f"{self.path}/count", repeat=Repeat.READ, json=body
            )
        except (RequestRejected, UnexpectedAnswer):
            return None
        return envelope.count_of(answer.data)

    def get(self, record: str, *, include: Sequence[str] | None = None) -> Row:
        """One record by UUID or identifier.

        Raises:
            NotFound: it is not there, or archived and hidden (contract N4).
        """
        answer = self._transport.request(
            "GET",
            f"{self.path}/{{id}}",
            record=record,
            repeat=Repeat.READ,
            params={"include": include},
        )
        return self._row(answer, "GET")

    def _row(self, answer: Answer, method: str, path: str = "") -> Row:
        row = envelope.unwrap(answer.data)
        if not isinstance(row, dict):
            raise UnexpectedAnswer(
                "the answer holds no record.",
                method=method,
                path=self.path + path,
                status=answer.status,
            )
        return row

    def _pages(
        self, method: str, path: str, fetch: Fetch, limit: int | None, max_rows: int | None
    ) -> Iterator[Page]:
        """The pages, remembering when this path refuses a ``limit`` (N8)."""
        refused = self._transport.learned.limit_refused
        paging = Paging(
            fetch,
            method=method,
            path=path,
            limit=None if path in refused else limit,
            max_rows=max_rows,
        )
        wanted = paging.limit
        for page in paging.pages():
            if wanted is not None and paging.limit is None:
                refused.add(path)
            yield page

    def _check_ids(self, ids: Sequence[str]) -> None:
        for identifier in ids:
            if "," in identifier:
                raise RequestRejected(
                    f"the identifier {identifier!r} has a comma, so it cannot be looked up in a "
                    "list of ids (contract N3); nothing was sent.",
                    method="GET",
                    path=self.path,
                    next_step="Look it up on its own.",
                )


class Records(Collection):
    """A resource that can be written: create, patch, archive, restore."""

    def create(self, values: Mapping[str, Any]) -> Row:
        """Make a record. Never sent twice: a second one could make a second record.

        Raises:
            AnswerLost: it may exist: look it up by identifier.
            Conflict: the identifier is taken, perhaps by an archived record.
            RequestRejected: its values were refused.
        """
        answer = self._transport.request("POST", self.path, repeat=Repeat.ONCE, json=values)
        return self._row(answer, "POST")

    def patch(self, record: str, values: Mapping[str, Any]) -> Row:
        """Change a record; ``field_values`` are merged with the stored ones (section 6).

        Returns:
            The record as stored, or an empty row where the service answers without a body.
        """
        answer = self._transport.request(
            "PATCH", f"{self.path}/{{id}}", record=record, repeat=Repeat.SAME_EFFECT, json=values
        )
        return self._row(answer, "PATCH", "/{id}") if answer.data is not None else {}

    def archive(self, record: str) -> None:
        """Hide a record and keep its data (contract section 9).

        Raises:
            NotFound, Conflict: perhaps archived already; ``earlier_attempt_lost`` says by us.
        """
        self._transport.request(
            "DELETE", f"{self.path}/{{id}}", record=record, repeat=Repeat.SAME_EFFECT
        )

    def restore(self, record: str) -> Row:
        """Bring an archived record back.

        Returns:
            The record as stored, or an empty row where the service answers without a body.

        Raises:
            Conflict: not archived (``earlier_attempt_lost``: by us), or its identifier is taken.
        """
        answer = self._transport.request(
            "POST", f"{self.path}/{{id}}/restore", record=record, repeat=Repeat.SAME_EFFECT
        )
        return self._row(answer, "POST", "/{id}/restore") if answer.data is not None else {}


class ErasableRecords(Records):
    """A resource the contract lets one erase for good: instruments and markets (section 9)."""

    def hard_delete(self, record: str) -> None:
        """Erase a record with everything that hangs on it. Irreversible."""
        self._transport.request(
            "DELETE",
            f"{self.path}/{{id}}",
            record=record,
            repeat=Repeat.SAME_EFFECT,
            params={"hard": True},
        )


def _without_none(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if value is not None}


def _extend(rows: Rows, page: Page) -> None:
    rows.extend(page.rows)
