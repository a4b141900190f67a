"""How a service speaks: what an answer of it means, and where it names its requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import httpx

from armillary.api import envelope, retry
from armillary.errors import ApiError, TransientError


class Verdict(Enum):
    """What an answer means for the request that got it."""

    DONE = "done"
    LIMITED = "limited"
    """Too many requests of this caller: all of its workers wait."""
    AGAIN = "again"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an answer means, and for a failure what to tell."""

    verdict: Verdict
    data: Any = field(default=None, repr=False)
    """The decoded JSON of a success, None where there is no body."""
    kind: type[ApiError] = TransientError
    message: str = ""
    advice: str | None = None
    refused: bool = False
    """For ``AGAIN``: certainly not carried out, so a write is not in doubt."""
    status: int | None = None
    """What the failure goes by where a success was sent; None: the status of the answer."""


class Dialect(Protocol):
    """The one table of a service's answers. Immutable, shared by threads."""

    tells_quota: bool
    """Whether ``X-RateLimit-Remaining`` counts the calls left in the billing period."""
    lost_advice: str | None
    """What to do when no usable answer to a write came; None: as the error class says."""

    def judge(self, response: httpx.Response, *, may_be_empty: bool) -> Judgement:
        """Decide by status first, never by text (contract N1)."""
        ...

    def request_id(self, response: httpx.Response) -> str | None:
        """What support finds the request by, where the service names it."""
        ...

    def words(self, response: httpx.Response, secrets: tuple[str, ...]) -> str:
        """What an error body says in words; blank if nothing readable."""
        ...


class PtolemyDialect:
    """Statuses alone decide; the body of a success is JSON or nothing."""

    tells_quota = True
    lost_advice: str | None = None

    def judge(self, response: httpx.Response, *, may_be_empty: bool) -> Judgement:
        """By status; a success that cannot be read counts as no answer (A15, A16)."""
        status = response.status_code
        if 200 <= status < 300:  # noqa: PLR2004 - the class of successes
            try:
                data = envelope.decode(response, may_be_empty=may_be_empty)
            except envelope.UnreadableAnswer as error:
                return Judgement(Verdict.AGAIN, message=f"the answer cannot be read: {error}.")
            return Judgement(Verdict.DONE, data)
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return Judgement(Verdict.LIMITED)
        # 408 is a server that gave up waiting.
        if status >= 500 or status == httpx.codes.REQUEST_TIMEOUT:  # noqa: PLR2004
            return Judgement(Verdict.AGAIN, message="the service failed.")
        kind, message = retry.error_for(status)
        return Judgement(Verdict.FINAL, kind=kind, message=message, advice=retry.ADVICE.get(status))

    def request_id(self, response: httpx.Response) -> str | None:
        """From the headers."""
        return envelope.request_id(response.headers)

    def words(self, response: httpx.Response, secrets: tuple[str, ...]) -> str:
        """In whatever shape the body is."""
        return envelope.error_words(response, *secrets)
