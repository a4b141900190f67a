"""A REST service as a feed, with the secret that opens it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, HttpUrl, SecretStr

from armillary.feeds.delivery import Delivery
from armillary.feeds.first_look import FirstLook
from armillary.feeds.rest_definition import RestDefinition, RestSource
from blocks.feed import Feed, definition_in


class _WithSecrets(RestSource, Feed):
    """Apart, so that in a form the secrets come after the source and before the mapping."""

    password: SecretStr = Field(
        default=SecretStr(""),
        title="Password",
        description="Of the user, for basic authentication; empty: the variable named above.",
    )
    token: SecretStr = Field(
        default=SecretStr(""),
        title="Token",
        description="Sent as a bearer token, or as the header or parameter named above; empty: "
        "the variable named above.",
    )


class RestFeed(RestDefinition, _WithSecrets):
    """A REST service: pages by number, offset, cursor or link, taken whole or not at all.

    Example:
        Load a stored feed and see what it owns:
        ```python
        from blocks import RestFeed

        feed = RestFeed.load("BLOCK_NAME")
        print(feed.definition().scope)
        ```
    """

    _block_type_name = "REST Feed"
    _block_type_slug = "rest-feed"
    _description = "A REST service of instruments, how it maps, and what it owns."
    _documentation_url = HttpUrl("https://www.ptolemy.cloud/docs/guides/sync-instruments")

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """The feed that a YAML definition describes; its secrets are in the environment.

        Raises:
            ConfigurationError: the file is missing, or not a definition of this kind.
        """
        return cls(**dict(definition_in(path, RestDefinition)))

    def definition(self) -> RestDefinition:
        """The feed as a plain value, without anything of Prefect, and without its secrets."""
        return self._as(RestDefinition)

    def deliver(self) -> Delivery:
        """Read every page.

        Raises:
            ConfigurationError: the credentials are incomplete.
            FeedRefused: a page did not come, the pages make no whole list, or it is empty.
        """
        from armillary.feeds.rest_delivery import rest_delivery  # noqa: PLC0415

        return rest_delivery(self.definition(), password=self.password, token=self.token)

    def look(self) -> FirstLook:
        """Ask for the first page, once.

        Raises:
            ConfigurationError: the credentials are incomplete.
            FeedRefused: it did not come, or it is no page of records.
        """
        from armillary.feeds.rest_delivery import rest_first_look  # noqa: PLC0415

        return rest_first_look(self.definition(), password=self.password, token=self.token)
