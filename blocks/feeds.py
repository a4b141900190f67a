"""Feeds: what a source is, how it maps, and what it owns. One class per kind of source."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from prefect_aws.credentials import AwsCredentials
from pydantic import Field, FieldSerializationInfo, HttpUrl, SecretStr, field_serializer

from armillary.feeds.cadenza_definition import CadenzaDefinition
from armillary.feeds.credentials import Kept
from armillary.feeds.delivery import Delivery, file_delivery, file_first_look
from armillary.feeds.file_definition import FileDefinition
from armillary.feeds.first_look import FirstLook
from armillary.feeds.location import shown
from armillary.feeds.venue_delivery import venue_delivery
from blocks.cadenza import CadenzaAccount
from blocks.feed import Feed, definition_in
from blocks.rest_feed import RestFeed
from blocks.sql_feed import SqlFeed

__all__ = ["AnyFeed", "CadenzaFeed", "Feed", "FileFeed", "RestFeed", "SqlFeed"]


class FileFeed(FileDefinition, Feed):
    """A file: here, by sftp://, in s3:// or at https://; csv, json, ndjson, parquet or xlsx.

    Example:
        Load a stored feed and see what it owns:
        ```python
        from blocks import FileFeed

        feed = FileFeed.load("BLOCK_NAME")
        print(feed.definition().scope)
        ```
    """

    _block_type_name = "File Feed"
    _block_type_slug = "file-feed"
    _description = "A vendor's file of instruments, how it maps, and what it owns."
    _documentation_url = HttpUrl("https://www.ptolemy.cloud/docs/guides/sync-instruments")

    password: SecretStr | None = Field(
        default=None,
        title="Password",
        description="Of the user, or of the private key; unset: from its environment variable.",
    )
    private_key: SecretStr | None = Field(
        default=None,
        title="Private key",
        description="Text of a key for sftp://; unset: from its environment variable.",
    )
    token: SecretStr | None = Field(
        default=None,
        title="Token",
        description="For https://; unset: from its environment variable.",
    )
    credentials: AwsCredentials | None = Field(
        default=None,
        title="Credentials",
        description="An AWS Credentials block for s3://; unset: the credentials of the machine.",
    )

    @field_serializer("url")
    def _shown(self, url: str, info: FieldSerializationInfo) -> str:
        """Whole where the block is stored; what a run is called with stays readable for all."""
        stored = isinstance(info.context, dict) and info.context.get("include_secrets") is True
        return url if stored else shown(url)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """The feed that a YAML definition describes.

        Raises:
            ConfigurationError: the file is missing, or not a definition of this kind.
        """
        return cls(**dict(definition_in(path, FileDefinition)))

    def definition(self) -> FileDefinition:
        """The feed as a plain value, without anything of Prefect."""
        return self._as(FileDefinition)

    def deliver(self) -> Delivery:
        """Fetch the file, with what this block keeps secret.

        Raises:
            ConfigurationError: the address cannot be used at all, or a secret is missing.
            FeedRefused: not delivered, not readable, still being written, cut off, or empty.
        """
        return file_delivery(self.definition(), self._kept())

    def look(self) -> FirstLook:
        """Look for the file, with what this block keeps secret.

        Raises:
            ConfigurationError: the address cannot be used at all, or a secret is missing.
            FeedRefused: nobody answers, or the file may not be read.
        """
        return file_first_look(self.definition(), self._kept())

    def _kept(self) -> Kept:
        if self.credentials is None:
            return Kept(self.password, self.token, self.private_key)
        return Kept(
            self.password,
            self.token,
            self.private_key,
            session=self.credentials.get_boto3_session(),
            client_settings=self.credentials.aws_client_parameters.get_params_override(),
        )


class _WithAccount(Feed):
    """Apart, so that in a form the account comes before the definition."""

    account: CadenzaAccount = Field(
        title="Account",
        description="The account of Cadenza whose list of the venue is read.",
    )


class CadenzaFeed(CadenzaDefinition, _WithAccount):
    """One venue's instruments in Cadenza; everything but account and venue has a default.

    Example:
        Load a stored feed and see what it owns:
        ```python
        from blocks import CadenzaFeed

        feed = CadenzaFeed.load("BLOCK_NAME")
        print(feed.definition().scope)
        ```
    """

    _block_type_name = "Cadenza Feed"
    _block_type_slug = "cadenza-feed"
    _description = "One venue's instruments in Cadenza, how they map, and what the feed owns."
    _documentation_url = HttpUrl("https://docs.cadenza.algo724.com/docs/market.instrument.list")

    @classmethod
    def for_venue(cls, account: CadenzaAccount, venue: str, **changed: Any) -> Self:
        """The feed of a venue with its defaults.

        Args:
            account: whose list is read.
            venue: its name in Cadenza, in any case.
            **changed: keys of the definition that differ from their defaults.

        Raises:
            ValueError: a key is unknown or its value cannot be; the scope is not the venue's.
        """
        # By way of the definition, which refuses unknown keys: a block keeps them silently.
        return cls(account=account, **dict(CadenzaDefinition(venue=venue, **changed)))

    @classmethod
    def from_file(cls, path: Path, account: CadenzaAccount) -> Self:
        """The feed that a YAML definition describes, read with this account.

        Raises:
            ConfigurationError: the file is missing, or not a definition of this kind.
        """
        return cls(account=account, **dict(definition_in(path, CadenzaDefinition)))

    def definition(self) -> CadenzaDefinition:
        """The feed as a plain value, without anything of Prefect, and without the account."""
        return self._as(CadenzaDefinition)

    def deliver(self) -> Delivery:
        """Read the venue's list.

        Raises:
            ConfigurationError: Cadenza has no such venue, or the account lacks something.
            FeedRefused: the venue is not ONLINE, or its list is empty or not certainly whole.
            ApiError: Cadenza could not be read.
        """
        with self.account.connect() as cadenza:
            return venue_delivery(cadenza, self.venue)


AnyFeed = FileFeed | RestFeed | SqlFeed | CadenzaFeed
"""What a flow takes as its feed."""
