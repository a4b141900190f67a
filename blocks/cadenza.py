"""The account of Cadenza."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import Field, HttpUrl, SecretStr

from armillary.api.cadenza import Cadenza, CadenzaConnection, shared
from armillary.api.cadenza.connection import environment_of
from blocks.schema_once import SchemaOnce


class CadenzaAccount(SchemaOnce):
    """An account of Cadenza: email and password, or an access token.

    Example:
        Load a stored account and see which venues are online:
        ```python
        from blocks import CadenzaAccount

        account = CadenzaAccount.load("BLOCK_NAME")
        with account.connect() as cadenza:
            print([venue.name for venue in cadenza.venues() if venue.online])
        ```
    """

    _block_type_name = "Cadenza Account"
    _block_type_slug = "cadenza-account"
    _description = "An account of the trading platform Cadenza, in production or UAT."
    _documentation_url = HttpUrl("https://docs.cadenza.algo724.com/docs/http/authentication")

    # Required, so that production is chosen and not slipped into. It also has to be: the run form
    # takes a reference to a block for the block itself where no field is required.
    url: str = Field(
        title="Address",
        description="Base address of Cadenza: https://cadenza-api.algo724.com is production, "
        "https://cadenza-api-uat.algo724.com is UAT.",
    )
    email: str = Field(default="", title="Email", description="Of the account; with its password.")
    password: SecretStr = Field(
        default=SecretStr(""), title="Password", description="Of the account."
    )
    token: SecretStr = Field(
        default=SecretStr(""),
        title="Access token",
        description="Instead of email and password. It lasts an hour and is not renewed.",
    )
    sync_timeout_seconds: float = Field(
        default=1800.0,
        gt=0,
        title="Longest refresh in seconds",
        description="How long the refresh of one venue may take; large venues take long.",
    )
    max_in_flight: int = Field(
        default=8,
        ge=1,
        le=50,
        title="Requests in flight",
        description="How many requests may be under way at once, over all venues.",
    )

    @property
    def connection(self) -> CadenzaConnection:
        """What the client needs to know.

        Raises:
            ConfigurationError: neither an account nor a token is given, or the address is none.
        """
        return CadenzaConnection(
            self.url,
            email=self.email,
            password=self.password,
            token=self.token,
            sync_timeout_seconds=self.sync_timeout_seconds,
            max_in_flight=self.max_in_flight,
        )

    @property
    def environment(self) -> str:
        """``production``, ``UAT``, or the host of any other address; needs nothing else."""
        return environment_of(self.url)

    @contextmanager
    def connect(self) -> Iterator[Cadenza]:
        """The client; every thread of this process shares its session, pool and call count."""
        with shared(self.connection) as cadenza:
            yield cadenza
