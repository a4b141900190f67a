"""Which Cadenza to talk to, as whom, and how patiently."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr

from armillary.api.credentials import check_token
from armillary.api.endpoint import Endpoint
from armillary.errors import ConfigurationError

PRODUCTION = "cadenza-api.algo724.com"
UAT = "cadenza-api-uat.algo724.com"
"""The hosts of the contract's section 1."""

_PATH = "/api/v3"
_NO_SECRET = SecretStr("")


@dataclass(frozen=True)
class CadenzaConnection(Endpoint):
    """An account, and the limits of every request made with it.

    Args:
        url: base address without a path, as in ``https://cadenza-api.algo724.com``.
        email: of the account; with ``password``.
        password: never shown.
        token: an access token instead of both. It is not renewed: after an hour it ends.
        sync_timeout_seconds: how long one refresh of a venue may take; large venues take long, and
            Cadenza tells nothing meanwhile (contract section 7, N10).

    Raises:
        ConfigurationError: an address, account or limit that cannot work.
    """

    email: str = ""
    password: SecretStr = _NO_SECRET
    token: SecretStr = _NO_SECRET
    sync_timeout_seconds: float = 1800.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "url", self.url.removesuffix(_PATH))
        object.__setattr__(self, "email", self.email.strip())
        if self.token.get_secret_value():
            check_token(self.token, "Copy the access token again, or give email and password.")
        elif not self.can_log_in:
            raise ConfigurationError(
                "The Cadenza account has no email with a password, and no token.",
                next_step="Give email and password; or an access token, which lasts an hour.",
            )
        if self.sync_timeout_seconds <= 0:
            raise ConfigurationError(
                f"sync_timeout_seconds is {self.sync_timeout_seconds}.",
                next_step="Give a number above 0.",
            )

    @property
    def can_log_in(self) -> bool:
        """Whether a session can be opened anew."""
        return bool(self.email and self.password.get_secret_value())

    @property
    def base_url(self) -> str:
        """What every path of the contract is relative to."""
        return f"{self.url}{_PATH}"

    @property
    def identity(self) -> Hashable:
        """The account."""
        return (self.email, self.password, self.token)

    @property
    def environment(self) -> str:
        """``production`` or ``UAT``; for any other address its host and port.

        Named in every report: a venue refreshed in the wrong one helps nobody.
        """
        return environment_of(self.url)


def environment_of(url: str) -> str:
    """``production`` or ``UAT``; for any other address its host and port, never a user.

    However the address is written, it is one name: leases go by it.
    """
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return "an unreadable address"  # refused when it is connected to
    usual = {"https": ":443", "http": ":80"}.get(parts.scheme, "")
    host = parts.netloc.rpartition("@")[2].lower().removesuffix(usual)
    return {PRODUCTION: "production", UAT: "UAT"}.get(host, host)
