"""The blocks of the practice stack: all that the deployments name, with values that work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect.blocks.core import Block
from prefect.blocks.notifications import (
    CustomWebhookNotificationBlock,
    MicrosoftTeamsWebhook,
    SlackWebhook,
)
from prefect_aws.credentials import AwsCredentials
from pydantic import SecretStr

from armillary.settings import Settings
from blocks import BackupStore, CadenzaAccount, CadenzaFeed, FileFeed, PtolemyWorkspace
from cli.parts import Store

VENUE = "BINANCE"


NOT_SAVED: tuple[type[Block], ...] = (MicrosoftTeamsWebhook, SlackWebhook)
"""Kinds of which the practice stack saves none, and which a person may want to try for alerts."""

ALERTS = "alerts"
"""The block that automations send to."""


def register_blocks() -> None:
    """Make the kinds known to the server of which no block is saved; saving does it for others."""
    for kind in NOT_SAVED:
        kind.register_type_and_schema()


def save_blocks(
    settings: Settings, store: Store, feed: Path, delivery: Path, notices: str
) -> dict[str, str]:
    """Save what the deployments of prefect.yaml and the automations name.

    Args:
        settings: of the simulators, with the scratch workspace.
        store: the embedded S3 service.
        feed: definition of the vendor's feed.
        delivery: the file it begins with.
        notices: address that takes notifications.

    Returns:
        The ids of the blocks, by what a deployment calls them, as in ``ptolemy-workspace/main``.
    """
    account = CadenzaAccount(
        url=settings.cadenza_url, email=settings.cadenza_email, password=settings.cadenza_password
    )
    credentials = AwsCredentials(
        aws_access_key_id=store.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=SecretStr(store.environment["AWS_SECRET_ACCESS_KEY"]),
        region_name=store.environment["AWS_DEFAULT_REGION"],
    )
    main = PtolemyWorkspace(
        url=settings.ptolemy_url,
        workspace=settings.ptolemy_workspace,
        token=settings.ptolemy_token,
    )
    scratch = PtolemyWorkspace(
        url=settings.ptolemy_url,
        workspace=settings.scratch_workspace,
        token=settings.scratch_token,
    )
    store_block = BackupStore(
        bucket=store.bucket, endpoint_url=store.endpoint_url, credentials=credentials
    )
    webhook = CustomWebhookNotificationBlock(
        name="practice", url=notices, json_data={"subject": "{{subject}}", "body": "{{body}}"}
    )
    saved = (
        _saved(main),
        _saved(scratch, "scratch"),
        # These two before what holds them: that then keeps a reference and no copy.
        _saved(account),
        _saved(credentials),
        _saved(CadenzaFeed.for_venue(account, VENUE), VENUE.lower()),
        _saved(store_block),
        _saved(webhook, ALERTS),
        deliver(feed, delivery),
    )
    return dict(saved)


def deliver(feed: Path, delivery: Path) -> tuple[str, str]:
    """Let the vendor's feed lead to this delivery from now on.

    Returns:
        The block as a deployment calls it, and its id.
    """
    block = FileFeed.from_file(feed)
    block.url = str(delivery.resolve())
    return _saved(block, "vendor")


def _saved(block: Any, name: str = "main") -> tuple[str, str]:
    block_id = block.save(name, overwrite=True)
    return f"{block.get_block_type_slug()}/{name}", str(block_id)
