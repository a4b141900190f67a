"""The client: one attribute per resource of a workspace (contract sections 8 to 16)."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx

from armillary.api import envelope
from armillary.api.call import Repeat
from armillary.api.collection import Collection, ErasableRecords, Records, Rows
from armillary.api.connection import Connection
from armillary.api.credentials import FixedToken
from armillary.api.dialect import PtolemyDialect
from armillary.api.envelope import Row
from armillary.api.jobs import Exports, Imports
from armillary.api.meter import Meter
from armillary.api.models import Workspace
from armillary.api.schema import InstrumentTypeFields
from armillary.api.shared_limit import SharedLimit
from armillary.api.transport import Transport
from armillary.clock import Clock, SystemClock
from armillary.errors import NotFound, UnexpectedAnswer

_LIST = "/webhooks/{id}/subscriptions"
_OTHER_PATH = {"": "/", "/": ""}


class Webhooks(Collection):
    """``/webhooks``, for reading: robots may not write them (contract D8)."""

    def subscriptions(self, webhook_id: str) -> Rows:
        """The events a webhook is told of; ``*`` is every event."""
        answer = self._transport.request("GET", _LIST, record=webhook_id, repeat=Repeat.READ)
        rows = envelope.unwrap(answer.data)
        if not isinstance(rows, list):
            raise UnexpectedAnswer("the answer holds no list.", method="GET", path=_LIST)
        return [row if isinstance(row, dict) else {"event_type": row} for row in rows]


class Ptolemy:
    """A workspace. Use one from many threads; make it with ``connect`` or ``shared``."""

    def __init__(self, transport: Transport, connection: Connection) -> None:
        self.transport = transport
        self._connection = connection
        self.instruments = ErasableRecords(transport, "/instruments")
        self.instrument_types = Collection(transport, "/instrument-types")
        self.instrument_type_fields = InstrumentTypeFields(transport, self.instrument_types)
        self.markets = ErasableRecords(transport, "/markets")
        self.listings = Records(transport, "/market-listings")
        self.suspensions = Records(transport, "/market-listing-suspensions")
        self.calendars = Records(transport, "/market-calendars")
        self.series = Collection(transport, "/series")
        self.series_fields = Collection(transport, "/time-series-type-fields")
        self.values = Records(transport, "/time-series-values")
        self.composite_values = Records(transport, "/composite-time-series-values")
        self.composite_value_items = Collection(transport, "/composite-time-series-value-items")
        self.imports = Imports(transport)
        self.exports = Exports(transport)
        self.events = Collection(transport, "/events")
        self.webhooks = Webhooks(transport, "/webhooks")

    def __repr__(self) -> str:
        return f"Ptolemy({self.connection!r})"

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
    def connection(self) -> Connection:
        """Where this client talks to."""
        return self._connection

    @property
    def meter(self) -> Meter:
        """The calls made, and those left."""
        return self.transport.meter

    def with_single_attempts(self) -> Ptolemy:
        """The same client without repeats, for a caller that repeats by itself."""
        return Ptolemy(self.transport.with_single_attempts(), self._connection)

    def close(self) -> None:
        """Close every connection, also for views made by ``with_single_attempts``."""
        self.transport.close()

    def workspace(self) -> Workspace:
        """The workspace the token opens; compare it with the one meant (``reliability.md`` A37).

        Raises:
            AccessDenied, NotFound: the token is not for this workspace.
        """
        learned = self.transport.learned
        path = learned.workspace_path
        try:
            return Workspace.of(self._object(path))
        except (NotFound, UnexpectedAnswer) as error:
            # `GET /` on the base: one reading has the slash, the other has not.
            refused = error
        path = _OTHER_PATH[path]
        try:
            found = Workspace.of(self._object(path))
        except (NotFound, UnexpectedAnswer):
            raise refused from None
        learned.workspace_path = path
        return found

    def usage(self) -> dict[str, Any]:
        """What of the plan is used, as ``GET /plan`` tells it (contract section 1)."""
        return self._object("/plan")

    def _object(self, path: str) -> Row:
        answer = self.transport.request("GET", path, repeat=Repeat.READ)
        row = envelope.unwrap(answer.data)
        if not isinstance(row, dict):
            raise UnexpectedAnswer("the answer holds no object.", method="GET", path=path or "/")
        return row


def connect(
    connection: Connection,
    *,
    clock: Clock | None = None,
    max_calls: int | None = None,
    wire: httpx.BaseTransport | None = None,
    shared_limit: SharedLimit | None = None,
) -> Ptolemy:
    """A client with a pool and a count of its own; close it, or use it in ``with``.

    Args:
        connection: workspace, token and limits.
        clock: all waiting goes through it; the machine's own by default.
        max_calls: the call after this many raises ``RunStopped`` instead of being made.
        wire: moves the bytes; only tests give one.
        shared_limit: a limit on requests under way that several processes share.
    """
    transport = Transport(
        connection,
        credentials=FixedToken(connection.token),
        dialect=PtolemyDialect(),
        clock=clock or SystemClock(),
        meter=Meter(max_calls),
        wire=wire,
        shared_limit=shared_limit,
    )
    return Ptolemy(transport, connection)
