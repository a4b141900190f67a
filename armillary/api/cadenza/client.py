"""The client: what an instrument feed needs of Cadenza (contract sections 4 to 7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from armillary.api.cadenza.answers import health_of, rows_of, sync_answer_of, unexpected
from armillary.api.cadenza.connection import CadenzaConnection
from armillary.api.cadenza.dialect import CadenzaDialect
from armillary.api.cadenza.models import DELISTED, Health, InstrumentList, SyncAnswer, Venue
from armillary.api.cadenza.reading import (
    PAGE_ROWS,
    Page,
    ReadPage,
    identifier_of,
    joined,
    read_instruments,
)
from armillary.api.cadenza.session import Session
from armillary.api.call import Repeat
from armillary.api.lending import Lending
from armillary.api.meter import Meter
from armillary.api.transport import Answer, Transport
from armillary.clock import Clock, SystemClock
from armillary.errors import (
    AccessDenied,
    ConfigurationError,
    RequestRejected,
    TransientError,
)

HEALTH = "/health"
VENUES = "/market/venue/list"
INSTRUMENTS = "/market/instrument/list"
SYNC = "/market/instrument/sync"

AT_REST = ("INACTIVE", "DISABLED")
"""Instruments that do not trade now and are not gone either."""

_STATUS_NAMES = (("status", "instrumentStatus"), ("instrumentStatus",), ("status",))
"""How the filter may be called (contract D4): both names first, for the unknown one is ignored;
each alone where a parameter that is not known is refused."""

_MAY_MISS_SYMBOLS = (400, 422)
"""Statuses of a refusal that a list of symbols may mend (contract D6)."""


class Cadenza:
    """An account of Cadenza. Use one from many threads; make it with ``connect`` or ``shared``."""

    def __init__(
        self, transport: Transport, connection: CadenzaConnection, session: Session
    ) -> None:
        self._transport = transport
        self._once = transport.with_single_attempts()
        self._nobody = transport.as_nobody()
        self._connection = connection
        self._session = session
        self._whole_body: dict[str, Any] | None = None
        """What besides the venue asks for all symbols, once Cadenza has taken it (D6)."""
        session.use(self._post)

    def __repr__(self) -> str:
        return f"Cadenza({self._connection!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def connection(self) -> CadenzaConnection:
        """Where this client talks to."""
        return self._connection

    @property
    def meter(self) -> Meter:
        """The calls made, logins included."""
        return self._transport.meter

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()

    def health(self) -> Health:
        """How Cadenza is, without a token; ``unhealthy`` comes with 503 and is no error (D13).

        Raises:
            TransientError: nothing readable came.
        """
        once = self._nobody.with_single_attempts()
        try:
            body = once.request("GET", HEALTH, repeat=Repeat.READ).data
        except TransientError as error:
            if error.status != httpx.codes.SERVICE_UNAVAILABLE:
                raise
            try:
                body = msgspec.json.decode(error.body_start)
            except msgspec.DecodeError:
                raise error from None
        return health_of(body)

    def venues(self) -> list[Venue]:
        """Every venue with its status, in the order told, each once.

        Raises:
            AccessDenied, ApiError: see ``Transport.request``.
        """
        rows = rows_of(self._ask("GET", VENUES).data, VENUES)
        found: dict[str, Venue] = {}
        for row in rows:
            name, status = row.get("venue"), row.get("status")
            if isinstance(name, str) and name.strip():
                word = status.strip().upper() if isinstance(status, str) else ""
                found.setdefault(name.strip(), Venue(name.strip(), word or "UNKNOWN"))
        if rows and not found:
            raise unexpected("GET", VENUES, "the list names no venue.")
        return list(found.values())

    def instruments(self, venue: str) -> InstrumentList:
        """The venue's instruments, each list read up to three times until it is whole (N3, N4).

        The list is asked for without a status, whose name and words are in doubt (D4). It may then
        leave some out by default (N6): those that do not trade now but are not gone either are
        asked for once by name, and added.

        Raises:
            AccessDenied, ApiError: see ``Transport.request``.
        """
        listed = found = read_instruments(venue, self._page_of(venue))
        for status in AT_REST if listed.complete else ():
            hidden = self._hidden(found, status)
            if hidden is not None:
                found = joined(found, read_instruments(venue, hidden))
        if found is not listed:
            # What came back to life between the two readings was in neither of them.
            found = joined(found, read_instruments(venue, self._page_of(venue)))
        return found

    def _hidden(self, found: InstrumentList, status: str) -> ReadPage | None:
        """How to read those of a status where the list leaves them out: their first page tells."""
        known = {row["instrumentId"] for row in found.rows}
        for names in _STATUS_NAMES:
            read_page = self._page_of(found.venue, dict.fromkeys(names, status))
            try:
                rows, _ = read_page(0)
            except RequestRejected:
                continue  # a name is refused; or no such word in its document, so no such row
            told = [row for row in rows if str(row.get("status")).upper() == status]
            return read_page if any(identifier_of(row) not in known for row in told) else None
        return None

    def _page_of(self, venue: str, by_status: Mapping[str, str] | None = None) -> ReadPage:
        def page(offset: int) -> Page:
            params = {"venue": venue, "limit": PAGE_ROWS, "offset": offset, **(by_status or {})}
            body = self._ask("GET", INSTRUMENTS, params=params).data
            told = body.get("pagination") if isinstance(body, dict) else None
            return rows_of(body, INSTRUMENTS), told if isinstance(told, dict) else {}

        return page

    def sync(self, venue: str, symbols: Sequence[str] | None = None) -> SyncAnswer:
        """Have Cadenza refresh its copy of a venue from the exchange: asked once, never repeated.

        Args:
            venue: as the venue list writes it.
            symbols: only these; None for all. An empty list is refused: it may mean all (C11).

        Raises:
            ConfigurationError: an empty list of symbols.
            AnswerLost: no usable answer; Cadenza may be at it still.
            VenueBusy: another refresh of the venue is under way.
            TransientError: Cadenza or the exchange cannot now.
            RequestRejected: this venue, or one of the symbols, is refused.
            AccessDenied, RateLimited: no venue can be refreshed.
        """
        if symbols is not None and not symbols:
            raise ConfigurationError(
                f"An empty list of symbols was given for {venue}; it could mean none or all.",
                next_step="Leave the symbols out to refresh the whole venue.",
            )
        if symbols is not None:
            return self._sync(venue, {"symbols": list(symbols)})
        if self._whole_body is not None:
            return self._sync(venue, self._whole_body)
        return self._sync_whole(venue)

    def _sync_whole(self, venue: str) -> SyncAnswer:
        """Without symbols; refused, with an empty list; refused again, with every symbol (D6).

        What is told in the end is the refusal that says most: of the symbols where there are any.
        """
        refused: RequestRejected | None = None
        forms: tuple[dict[str, Any], ...] = ({}, {"symbols": []})
        for body in forms:
            try:
                answer = self._sync(venue, body)
            except RequestRejected as error:
                if error.status not in _MAY_MISS_SYMBOLS:
                    raise
                refused = refused or error
            else:
                self._whole_body = body
                return answer
        try:
            symbols = self._symbols(venue)
        except RequestRejected:
            symbols = []
        if not symbols:
            raise refused or unexpected("POST", SYNC, "it is refused.")
        listed = self._sync(venue, {"symbols": symbols})
        note = (
            f"Cadenza asks for a list of symbols: the {len(symbols):,} it knew were refreshed, new "
            "ones were not. Name new symbols, or DELISTED ones that are back, to have them "
            "refreshed."
        )
        return SyncAnswer(listed.synced, listed.added, listed.updated, (*listed.notes, note))

    def _symbols(self, venue: str) -> list[str]:
        """Those that are not gone: one that the exchange does not know may get all refused."""
        return sorted(
            {
                str(row["symbol"])
                for row in self.instruments(venue).rows
                if row.get("symbol") and str(row.get("status")).upper() != DELISTED
            }
        )

    def _sync(self, venue: str, more: Mapping[str, Any]) -> SyncAnswer:
        answer = self._ask(
            "POST",
            SYNC,
            json={"venue": venue, **more},
            repeat=Repeat.ONCE,
            timeout_seconds=self._connection.sync_timeout_seconds,
        )
        data = answer.data.get("data") if isinstance(answer.data, dict) else None
        if not isinstance(data, dict):
            raise unexpected("POST", SYNC, "it says success and holds no data.")
        told = data.get("venue")
        if isinstance(told, str) and told and told.casefold() != venue.casefold():
            raise unexpected("POST", SYNC, f"{venue} was asked for and {told} refreshed.")
        return sync_answer_of(data)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        repeat: Repeat = Repeat.READ,
        timeout_seconds: float | None = None,
    ) -> Answer:
        """One request with a valid token: 401 renews it, once by refresh and once by login."""
        transport = self._once if repeat is Repeat.ONCE else self._transport

        def send() -> Answer:
            return transport.request(
                method,
                path,
                repeat=repeat,
                params=params,
                json=json,
                timeout_seconds=timeout_seconds,
            )

        self._session.ensure()
        for by_login in (False, True):
            generation = self._session.generation
            try:
                return send()
            except AccessDenied as error:
                if error.status != httpx.codes.UNAUTHORIZED:
                    raise
                if not self._session.renew(generation, by_login=by_login):
                    raise
        return send()

    def _post(self, path: str, body: Mapping[str, str]) -> Any:
        return self._nobody.request("POST", path, json=dict(body), repeat=Repeat.READ).data


def connect(
    connection: CadenzaConnection,
    *,
    clock: Clock | None = None,
    max_calls: int | None = None,
    wire: httpx.BaseTransport | None = None,
) -> Cadenza:
    """A client with a pool, a count and a session of its own; close it, or use it in ``with``.

    Args:
        connection: address, account and limits.
        clock: all waiting goes through it; the machine's own by default.
        max_calls: the call after this many raises ``RunStopped`` instead of being made.
        wire: moves the bytes; only tests give one.
    """
    clock = clock or SystemClock()
    session = Session(connection, clock)
    transport = Transport(
        connection,
        credentials=session,
        dialect=CadenzaDialect(),
        clock=clock,
        meter=Meter(max_calls),
        wire=wire,
    )
    return Cadenza(transport, connection, session)


_lending: Lending[Cadenza] = Lending()


@contextmanager
def shared(connection: CadenzaConnection, *, clock: Clock | None = None) -> Iterator[Cadenza]:
    """The process's client for this address and account; the last to leave closes it.

    Threads and tasks inside one another's ``with`` share the session, so that one login and one
    refresh serve them all.
    """
    key = (connection.url, connection.identity)
    with _lending.of(key, lambda: connect(connection, clock=clock)) as cadenza:
        yield cadenza
