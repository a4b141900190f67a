"""Where a service is, and how patiently to talk to it: what every connection has."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import KW_ONLY, dataclass
from urllib.parse import urlsplit

from armillary.errors import ConfigurationError


@dataclass(frozen=True)
class Endpoint:
    """The address of a service, and the limits of every request made to it.

    Args:
        url: base address: http or https, without user, query or fragment.
        max_in_flight: requests under way at once, over all threads of the process.
        requests_per_second: a ceiling on starts, or None for no ceiling.
        connect_timeout_seconds: longest wait for a connection.
        read_timeout_seconds: longest silence while sending or reading.
        total_timeout_seconds: longest time for one attempt, from connecting to the last byte.
        upload_timeout_seconds: the same for an attempt that sends a file.
        max_retry_after_seconds: a longer wait than this ends the run (contract D19).
        attempts: how often a request that may be repeated is tried.
        attempts_window_seconds: no attempt starts later than this after the first; time spent
            waiting for the rate limit does not count.

    Raises:
        ConfigurationError: an address or limit that cannot work.
    """

    url: str
    _: KW_ONLY
    max_in_flight: int = 10
    requests_per_second: float | None = None
    connect_timeout_seconds: float = 5.0
    read_timeout_seconds: float = 30.0
    total_timeout_seconds: float = 60.0
    upload_timeout_seconds: float = 900.0
    max_retry_after_seconds: float = 300.0
    attempts: int = 4
    attempts_window_seconds: float = 60.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", self.url.strip().rstrip("/"))
        self._check_url()
        self._check_limits()

    @property
    def base_url(self) -> str:
        """What every path of the contract is relative to."""
        return self.url

    @property
    def identity(self) -> Hashable:
        """Who calls: callers with the same one share turns and pauses."""
        return None

    def _check_url(self) -> None:
        """With a user, a query or a fragment it is not even quoted: it may hold a secret."""
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname)
            _ = parts.port
        except ValueError:
            usable = False
        if not usable or "@" in parts.netloc or parts.query or parts.fragment:
            raise ConfigurationError(
                "The address of the API cannot be used.",
                next_step="Write it as https://host/v1: http or https, no user, no query, no "
                "fragment.",
            )

    def _check_limits(self) -> None:
        if self.max_in_flight < 1 or self.attempts < 1:
            raise ConfigurationError(
                f"max_in_flight is {self.max_in_flight} and attempts is {self.attempts}.",
                next_step="Both are at least 1.",
            )
        if self.requests_per_second is not None and self.requests_per_second <= 0:
            raise ConfigurationError(
                f"requests_per_second is {self.requests_per_second}.",
                next_step="Give a number above 0, or leave it out for no ceiling.",
            )
        for name in ("connect", "read", "total", "upload"):
            seconds = getattr(self, f"{name}_timeout_seconds")
            if seconds <= 0:
                raise ConfigurationError(
                    f"{name}_timeout_seconds is {seconds}.", next_step="Give a number above 0."
                )
