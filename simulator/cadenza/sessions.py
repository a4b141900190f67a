"""Logins, refreshes and the tokens they give (contract section 2)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from dataclasses import dataclass
from typing import Any

from simulator.cadenza.config import AccountConfig, CadenzaConfig
from simulator.cadenza.refusals import LOGIN_REFUSED, REFRESH_REFUSED, Refused
from simulator.clock import SimulatorClock
from simulator.exchange import encode

_KEY = b"simulated-cadenza"


@dataclass(slots=True)
class Session:
    """What a token stands for: an access token, or one to refresh with."""

    account: AccountConfig
    family: int
    """Number of the login it goes back to."""
    expires: float
    """Seconds since 1970 by the simulator's clock."""


class Sessions:
    """All live tokens, and how often somebody asked for one."""

    def __init__(self, config: CadenzaConfig, clock: SimulatorClock, seed: int) -> None:
        self.config = config
        self._clock = clock
        self._seed = seed
        self._made = 0
        self._access: dict[str, Session] = {}
        self._renewals: dict[str, Session] = {}
        self._calls_left: int | None = None
        self.logins = 0
        self.refreshes = 0
        self.refused = 0
        """Logins and refreshes that were refused."""

    def login(self, email: str, password: str) -> dict[str, Any]:
        """A session object.

        Raises:
            Refused: 401 for wrong credentials.
        """
        account = next((a for a in self.config.accounts if a.email == email), None)
        if account is None or not hmac.compare_digest(account.password, password):
            self.refused += 1
            raise Refused(LOGIN_REFUSED, "Invalid login credentials")
        self.logins += 1
        if self.config.second_login == "ends_first":
            self._end(account)
        return self._session(account, self._next())

    def refresh(self, token: str) -> dict[str, Any]:
        """A session object for a refresh token; N2 says whether that token dies.

        Raises:
            Refused: 401 for a token that is unknown, used up or expired.
        """
        renewal = self._renewals.get(token)
        if renewal is None or self._clock.now() >= renewal.expires:
            self.refused += 1
            raise Refused(REFRESH_REFUSED, "Invalid refresh token")
        self.refreshes += 1
        if self.config.old_refresh_token == "dies":  # noqa: S105 - a reading, no secret
            self._renewals.pop(token, None)
        return self._session(renewal.account, renewal.family)

    def authenticate(self, header: str | None) -> Session:
        """The session of an Authorization header.

        Raises:
            Refused: 401 when the token is missing, unknown or expired.
        """
        scheme, _, text = (header or "").partition(" ")
        session = self._access.get(text.strip()) if scheme.lower() == "bearer" else None
        if session is None:
            raise Refused(19002, "Unauthorized: a valid access token is needed")
        if self._clock.now() >= session.expires:
            raise Refused(19002, "Unauthorized: the access token has expired")
        self._count_down()
        return session

    def logout(self, session: Session) -> None:
        """End the session and its renewals."""
        self._end(session.account, session.family)

    def user(self, account: AccountConfig) -> dict[str, Any]:
        """What the API tells of an account."""
        number = str(uuid.uuid5(uuid.NAMESPACE_URL, account.email))
        return {"id": number, "email": account.email, "createdAt": 1_700_000_000_000}

    def token(self, account: AccountConfig) -> str:
        """A live access token, without a login."""
        text: str = self._session(account, self._next())["accessToken"]
        return text

    def expire(self, *, after_calls: int = 0) -> None:
        """Let all access tokens there are expire, now or after so many calls with one of them."""
        self._calls_left = after_calls or None
        if not after_calls:
            for session in list(self._access.values()):
                session.expires = self._clock.now()

    def expire_renewals(self) -> None:
        """Let all refresh tokens there are expire."""
        self._renewals.clear()

    def _count_down(self) -> None:
        if self._calls_left is None:
            return
        self._calls_left -= 1
        if self._calls_left <= 0:
            self.expire()

    def _next(self) -> int:
        self._made += 1
        return self._made

    def _end(self, account: AccountConfig, family: int | None = None) -> None:
        for tokens in (self._access, self._renewals):
            for text, held in list(tokens.items()):
                if held.account.email == account.email and family in (None, held.family):
                    del tokens[text]

    def _session(self, account: AccountConfig, family: int) -> dict[str, Any]:
        now, number = self._clock.now(), self._next()
        expires = now + self.config.access_seconds
        user = self.user(account)
        access = _jwt({"sub": user["id"], "iat": int(now), "exp": int(expires), "jti": number})
        digest = hashlib.sha256(f"{self._seed}:refresh:{number}:{now}".encode()).hexdigest()
        refresh = f"rt-{digest[:40]}"
        self._access[access] = Session(account, family, expires)
        self._renewals[refresh] = Session(account, family, now + self.config.refresh_seconds)
        session: dict[str, Any] = {
            "accessToken": access,
            "refreshToken": refresh,
            "tokenType": "bearer",
        }
        if self.config.expires_in == "present":
            session["expiresIn"] = int(self.config.access_seconds)
        if self.config.expires_at != "absent":
            factor = 1 if self.config.expires_at == "seconds" else 1000
            session["expiresAt"] = int(expires * factor)
        session["user"] = user
        return session


def _jwt(claims: dict[str, Any]) -> str:
    head = _part(encode({"alg": "HS256", "typ": "JWT"}))
    body = _part(encode(claims))
    signature = hmac.new(_KEY, f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{_part(signature)}"


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")
