"""The session of an account: one login, one refresh at a time, the newest tokens kept.

All workers of a process share it. Who needs a token while another renews it waits for that one
(``reliability.md`` C02, C03): a refresh hands out a new refresh token, and the old one may die.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from armillary.api import envelope
from armillary.api.cadenza.connection import CadenzaConnection
from armillary.api.credentials import is_sendable
from armillary.clock import Clock
from armillary.errors import (
    AccessDenied,
    ApiError,
    ArmillaryError,
    NotFound,
    RequestRejected,
    TransientError,
    UnexpectedAnswer,
)

logger = logging.getLogger(__name__)

LOGIN = "/auth/login"
REFRESH = "/auth/token/refresh"

MARGIN_SECONDS = 300.0
"""Renewed when less than this is left, as the vendor's sample client does."""

MOST_MARGIN_SHARE = 0.2
"""Of a short life; else a token that lasts minutes were renewed at every request."""

RENEW_AGAIN_SECONDS = 60.0
"""After a renewal that got no answer; else each worker in turn would wait for the next one."""

MILLISECONDS_ABOVE = 1e11
"""No moment in seconds is so large before the year 5138 (contract D1)."""

Post = Callable[[str, Mapping[str, str]], Any]
"""Sends a body to a path without a token; returns the decoded answer."""


@dataclass(frozen=True)
class _Tokens:
    generation: int
    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    renew_at: float | None = None
    """By the monotonic clock; None when no life was told."""


class Session:
    """Who the requests are from. Made by ``connect``; shared by threads."""

    def __init__(self, connection: CadenzaConnection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._one_at_a_time = threading.Lock()
        self._tokens = _Tokens(0, connection.token.get_secret_value())
        self._refused: ArmillaryError | None = None
        self._post: Post | None = None

    def use(self, post: Post) -> None:
        """Say how to reach Cadenza."""
        self._post = post

    @property
    def generation(self) -> int:
        """Grows with every new token: who was refused says which one he had."""
        return self._tokens.generation

    def authorization(self) -> str:
        """The newest access token as a bearer."""
        return f"Bearer {self._tokens.access}" if self._tokens.access else ""

    def secrets(self) -> tuple[str, ...]:
        """Password and tokens: never quoted."""
        tokens = self._tokens
        own = (self._connection.password.get_secret_value(), tokens.access, tokens.refresh)
        return tuple(secret for secret in own if secret)

    def ensure(self) -> None:
        """Have a token that lasts a while; asks Cadenza only where there is none.

        A token that could not be renewed in time is used on: it lasts some minutes more, and a
        refusal will tell.

        Raises:
            AccessDenied: email or password is wrong; asked once only.
            ApiError: there is no token yet, and Cadenza did not answer.
        """
        if not self._due():
            return
        with self._one_at_a_time:
            if self._due():
                self._renew_or_go_on()

    def renew(self, generation: int, *, by_login: bool = False) -> bool:
        """Replace the token of that generation, unless another worker has.

        Args:
            generation: of the token that was refused.
            by_login: do not try the refresh token: a refreshed one was refused as well.

        Returns:
            False when there is no way to a new token: only a token was given.

        Raises:
            AccessDenied, ApiError: as ``ensure``.
        """
        with self._one_at_a_time:
            if self._tokens.generation != generation:
                return True
            if not self._connection.can_log_in:
                return False
            self._renew(by_login=by_login)
            return True

    def _due(self) -> bool:
        tokens = self._tokens
        if not tokens.access:
            return True
        late = tokens.renew_at is not None and self._clock.monotonic() >= tokens.renew_at
        return late and self._connection.can_log_in

    def _renew_or_go_on(self) -> None:
        try:
            self._renew()
        except TransientError as error:
            if not self._tokens.access:
                raise
            again_at = self._clock.monotonic() + RENEW_AGAIN_SECONDS
            self._tokens = replace(self._tokens, renew_at=again_at)
            logger.info("The session could not be renewed, the token is used on: %s", error)

    def _renew(self, *, by_login: bool = False) -> None:
        if self._refused is not None:
            raise self._refused
        refresh = self._tokens.refresh
        if refresh and not by_login:
            try:
                return self._take(REFRESH, {"refreshToken": refresh})
            except ApiError as error:
                # It may be used up although no answer came: the password always works.
                logger.info("The session could not be refreshed, logging in again: %s", error)
        self._log_in()
        return None

    def _log_in(self) -> None:
        account = self._connection
        body = {"email": account.email, "password": account.password.get_secret_value()}
        try:
            self._take(LOGIN, body)
        except (AccessDenied, RequestRejected) as error:
            wrong = "address" if isinstance(error, NotFound) else "email or password"
            self._refused = AccessDenied(
                f"Cadenza ({account.environment}) refuses the login of {account.email}.",
                method="POST",
                path=LOGIN,
                status=error.status,
                request_id=error.request_id,
                detail=error.detail,
                next_step=f"Correct {wrong} of the Cadenza account. The login is not tried again "
                "by this process, lest the account be locked.",
            )
        if self._refused is not None:
            raise self._refused

    def _take(self, path: str, body: Mapping[str, str]) -> None:
        if self._post is None:
            raise RuntimeError("the session was not told how to reach Cadenza")
        data = self._post(path, body)
        session = data.get("data") if isinstance(data, dict) else None
        access = session.get("accessToken") if isinstance(session, dict) else None
        if not isinstance(session, dict) or not isinstance(access, str) or not is_sendable(access):
            raise UnexpectedAnswer(
                "the answer holds no access token.",
                method="POST",
                path=path,
                next_step="Report it to Cadenza's support.",
            )
        refresh = session.get("refreshToken")
        self._tokens = _Tokens(
            self._tokens.generation + 1,
            access,
            refresh if isinstance(refresh, str) else "",
            self._renew_at(session),
        )

    def _renew_at(self, session: Mapping[str, Any]) -> float | None:
        life = self._life_seconds(session)
        if life is None:
            return None
        margin = min(MARGIN_SECONDS, life * MOST_MARGIN_SHARE)
        return self._clock.monotonic() + life - margin

    def _life_seconds(self, session: Mapping[str, Any]) -> float | None:
        """From ``expiresIn``; only without it from ``expiresAt`` in either unit (contract D1).

        None also for an end that has passed by this machine's clock: the clocks differ (N2), and
        a token that counts as ended were renewed at every request. A refusal will tell.
        """
        lasts = envelope.whole(session.get("expiresIn"))
        if lasts is not None and lasts > 0:
            return float(lasts)
        ends = envelope.whole(session.get("expiresAt"))
        if ends is None:
            return None
        seconds = ends / 1000 if ends > MILLISECONDS_ABOVE else float(ends)
        left = seconds - self._clock.now().timestamp()
        return left if left > 0 else None
