"""Who a request says it is from, and what must never be shown of that."""

from __future__ import annotations

import re
from typing import Protocol

from pydantic import SecretStr

from armillary.errors import ConfigurationError

_TOKEN = re.compile(r"[\x21-\x7e]+")


class Credentials(Protocol):
    """Asked anew for every attempt, so that a renewed token is used at once."""

    def authorization(self) -> str:
        """The header's value; blank for a request without one."""
        ...

    def secrets(self) -> tuple[str, ...]:
        """What is blotted out wherever an answer is quoted."""
        ...


class FixedToken:
    """A token that does not change."""

    def __init__(self, token: SecretStr) -> None:
        self._secret = token.get_secret_value()

    def authorization(self) -> str:
        """The token as a bearer."""
        return f"Bearer {self._secret}"

    def secrets(self) -> tuple[str, ...]:
        """The token."""
        return (self._secret,)


class Nobody:
    """Sends no token; what is secret of somebody stays so."""

    def __init__(self, somebody: Credentials) -> None:
        self._somebody = somebody

    def authorization(self) -> str:
        """No header at all."""
        return ""

    def secrets(self) -> tuple[str, ...]:
        """Those of whom it stands for."""
        return self._somebody.secrets()


def is_sendable(token: str) -> bool:
    """Whether a header can hold it: visible ASCII, no blanks.

    Anything else would be quoted in full by the HTTP library's own error.
    """
    return bool(_TOKEN.fullmatch(token))


def check_token(token: SecretStr, advice: str) -> None:
    """Refuse a token that cannot be sent, without showing it.

    Raises:
        ConfigurationError: it is blank, or holds what no token holds.
    """
    if not isinstance(token, SecretStr):
        raise ConfigurationError(
            "The token is not wrapped in SecretStr, so it could be shown.",
            next_step="Wrap it: SecretStr(token).",
        )
    if not is_sendable(token.get_secret_value()):
        raise ConfigurationError(
            "The token is blank, or has a blank, a line break or a character outside ASCII.",
            next_step=advice,
        )
