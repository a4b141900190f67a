"""The connection to a Ptolemy workspace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import Field, HttpUrl, SecretStr

from armillary.api.connection import Connection
from armillary.api.connections import shared
from armillary.api.ptolemy import Ptolemy
from armillary.settings import PUBLIC_API
from blocks.global_limit import GlobalLimit
from blocks.schema_once import SchemaOnce


class PtolemyWorkspace(SchemaOnce):
    """A Ptolemy workspace and the robot token that opens it.

    Example:
        Load a stored workspace and count its instruments:
        ```python
        from blocks import PtolemyWorkspace

        workspace = PtolemyWorkspace.load("BLOCK_NAME")
        with workspace.connect() as ptolemy:
            print(ptolemy.instruments.count())
        ```
    """

    _block_type_name = "Ptolemy Workspace"
    _block_type_slug = "ptolemy-workspace"
    _description = "A Ptolemy workspace and the robot token that opens it."
    _documentation_url = HttpUrl("https://www.ptolemy.cloud/docs/authentication")

    url: str = Field(
        default=PUBLIC_API,
        title="Address",
        description="Base address of the Ptolemy API, with its version.",
    )
    workspace: str = Field(
        title="Workspace",
        description="Slug or UUID of the workspace the token belongs to.",
    )
    token: SecretStr = Field(
        title="Robot token",
        description="Token of a robot: Viewer is enough to plan, Member is needed to apply.",
    )
    max_in_flight: int = Field(
        default=10,
        ge=1,
        le=50,
        title="Requests in flight",
        description="How many requests may be under way at once; Ptolemy advises 10 to 20.",
    )
    requests_per_second: float | None = Field(
        default=None,
        gt=0,
        title="Requests per second",
        description="Upper limit of requests per second; empty means as fast as Ptolemy answers.",
    )
    concurrency_limit: str | None = Field(
        default=None,
        title="Global concurrency limit",
        description="Name of a Prefect global concurrency limit: all processes that name it have "
        "together no more requests under way than it has slots. Empty means that each process goes "
        "by its own limits alone.",
    )

    @property
    def connection(self) -> Connection:
        """What the client needs to know."""
        return Connection(
            url=self.url,
            workspace=self.workspace,
            token=self.token,
            max_in_flight=self.max_in_flight,
            requests_per_second=self.requests_per_second,
        )

    @contextmanager
    def connect(self) -> Iterator[Ptolemy]:
        """The client; every thread of this process shares its pool, throttle and call count."""
        limit = GlobalLimit(self.concurrency_limit) if self.concurrency_limit else None
        with shared(self.connection, shared_limit=limit) as ptolemy:
            yield ptolemy
