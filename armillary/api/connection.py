"""Which workspace to talk to, with which token, and how patiently."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from urllib.parse import quote

from pydantic import SecretStr

from armillary.api.credentials import check_token
from armillary.api.endpoint import Endpoint
from armillary.errors import ConfigurationError

_DOT_SEGMENTS = ("", ".", "..")


@dataclass(frozen=True)
class Connection(Endpoint):
    """A workspace, a robot token for it, and the limits of every request made with it.

    Args:
        url: base address with its version, as in ``https://api.ptolemy.cloud/v1``.
        workspace: slug or UUID (contract section 1).
        token: robot token; never shown.

    Raises:
        ConfigurationError: an address, workspace, token or limit that cannot work.
    """

    workspace: str
    token: SecretStr

    def __post_init__(self) -> None:
        super().__post_init__()
        check_token(
            self.token, "Copy the token again: it starts with ptk_live_ (contract section 2)."
        )
        if self.workspace in _DOT_SEGMENTS:
            raise ConfigurationError(
                f"The workspace is {self.workspace!r}.", next_step="Give its slug or its UUID."
            )

    @property
    def base_url(self) -> str:
        """What every path of the contract is relative to."""
        return f"{self.url}/workspaces/{quote(self.workspace, safe='')}"

    @property
    def identity(self) -> Hashable:
        """The token: the service limits tokens, not workspaces."""
        return self.token
