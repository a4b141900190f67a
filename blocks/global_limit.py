"""A Prefect global concurrency limit as the limit that several processes share.

Prefect's own ``concurrency`` context costs a request to the server and a thread each time, and
waits up to 30 seconds at a time; slots are kept instead, by ``armillary.api.slots``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.responses import ConcurrencyLimitWithLeaseResponse
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from armillary.api.shared_limit import Occupancy
from armillary.errors import ConfigurationError, NoTurn

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
GONE = 410


class GlobalLimit:
    """A global concurrency limit of the configured Prefect server, by its name."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        """As ``prefect gcl ls`` shows it."""
        return self._name

    @property
    def advice(self) -> str:
        """What to do about slots that stay taken though nobody works."""
        return (
            "Slots of a process that was killed come back by themselves within three minutes; "
            "those that were taken when the Prefect server was restarted never do. When no run is "
            f"under way: prefect gcl update '{self._name}' --active-slots 0. Then start the run "
            "again; what was done is not done twice."
        )

    @contextmanager
    def open(self) -> Iterator[Lender]:
        """A client of its own for the thread that keeps the slots.

        Raises:
            ConfigurationError: no Prefect server is configured.
        """
        # Prefect's client repeats by itself for over a minute, and says nothing meanwhile.
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            try:
                client = get_client(httpx_settings={"timeout": ANSWER_SECONDS}, sync_client=True)
            except ValueError as error:
                raise ConfigurationError(
                    f"{self._name!r} names a limit of a Prefect server, and none is configured.",
                    next_step="Set PREFECT_API_URL to the server all processes share.",
                ) from error
            with client:
                yield Lender(client, self._name)


class Lender:
    """Slots of one limit, over the API of its server."""

    def __init__(self, client: SyncPrefectClient, name: str) -> None:
        self._client = client
        self._name = name

    def look(self) -> Occupancy:
        """How full the limit is.

        Raises:
            ConfigurationError: there is no such limit, it has no slots, or they decay.
            NoTurn: the server could not be asked.
        """
        with self._asking():
            try:
                found = self._client.read_global_concurrency_limit_by_name(self._name)
            except ObjectNotFound:
                raise self._missing() from None
        if found.slot_decay_per_second > 0:
            raise ConfigurationError(
                f"The slots of Prefect's global limit {self._name!r} decay by "
                f"{found.slot_decay_per_second:g} per second: they are let go while requests are "
                "under way, so that it limits no number of them.",
                next_step="Nothing was sent to Ptolemy. Take the decay away: prefect gcl update "
                f"'{self._name}' --slot-decay-per-second 0. A rate is given by "
                "requests_per_second in the workspace block of each process.",
            )
        if found.active and found.limit < 1:
            raise ConfigurationError(
                f"Prefect's global limit {self._name!r} has no slots, so no request may be made.",
                next_step=f"Raise it: prefect gcl update '{self._name}' --limit 10.",
            )
        return Occupancy(found.limit, found.active_slots, enforced=found.active)

    def lend(self, seconds: float) -> str | None:
        """One slot for so long; None when all are taken.

        Raises:
            ConfigurationError: there is no such limit.
            NoTurn: the server could not be asked.
        """
        with self._asking():
            try:
                answer = self._client.increment_concurrency_slots_with_lease(
                    [self._name], 1, "concurrency", seconds
                )
            except httpx.HTTPStatusError as error:
                if error.response.status_code == httpx.codes.LOCKED:
                    return None
                raise
            lent = ConcurrencyLimitWithLeaseResponse.model_validate(answer.json())
        if not lent.limits:
            raise self._missing()
        return str(lent.lease_id)

    def renew(self, loan: str, seconds: float) -> bool:
        """Make a loan last so long from now; False when the server does not know it any more.

        Raises:
            NoTurn: the server could not be asked.
        """
        with self._asking():
            try:
                self._client.renew_concurrency_lease(UUID(loan), seconds)
            except httpx.HTTPStatusError as error:
                if error.response.status_code == GONE:
                    return False
                raise
        return True

    def take_back(self, loan: str) -> None:
        """End a loan.

        Raises:
            NoTurn: the server could not be asked.
        """
        with self._asking():
            self._client.release_concurrency_slots_with_lease(UUID(loan))

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except (httpx.HTTPError, ValueError) as error:  # also an answer that is no JSON
            raise NoTurn(
                f"the Prefect server at {_shown_address()} could not be asked for slots of "
                f"{self._name!r}: {_in_words(error)}."
            ) from error

    def _missing(self) -> ConfigurationError:
        return ConfigurationError(
            f"The Prefect server at {_shown_address()} has no global concurrency limit "
            f"{self._name!r}, which the workspace's settings name.",
            next_step=f"Nothing was sent to Ptolemy. Make it: prefect gcl create '{self._name}' "
            "--limit 10; or mend the name in the Ptolemy Workspace block "
            "(ARMILLARY_PTOLEMY_CONCURRENCY_LIMIT for the command).",
        )


def _shown_address() -> str:
    """The server's address without user, password and query."""
    address = PREFECT_API_URL.value()
    if not address:
        return "its temporary address"
    url = httpx.URL(str(address))
    return str(url.copy_with(username=None, password=None, query=None))


def _in_words(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"it answered {error.response.status_code}"
    return f"{type(error).__name__} {error}".strip()
