"""The blocks of the practice stack: all that the deployments name, with values that work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect.blocks.core import Block
from prefect_aws.credentials import AwsCredentials
from pydantic import SecretStr

import blocks
from armillary.settings import Settings
from blocks import BackupStore, CadenzaAccount, CadenzaFeed, FileFeed, PtolemyWorkspace
from cli.parts import Store

VENUE = "BINANCE"


def register_blocks() -> None:
    """Make the block types known to the server: what ``prefect block register -m blocks`` does."""
    for name in blocks.__all__:
        kind: type[Block] = getattr(blocks, name)
        kind.register_type_and_schema()


def save_blocks(settings: Settings, store: Store, feed: Path, delivery: Path) -> list[str]:
    """Save what the deployments of prefect.yaml name.

    Args:
        settings: of the simulators, with the scratch workspace.
        store: the embedded S3 service.
        feed: definition of the vendor's feed.
        delivery: the file it begins with.

    Returns:
        The blocks as a deployment names them, as in ``ptolemy-workspace/main``.
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
    saved = [
        _saved(main),
        _saved(scratch, "scratch"),
        # These two before what holds them: that then keeps a reference and no copy.
        _saved(account),
        _saved(credentials),
        _saved(CadenzaFeed.for_venue(account, VENUE), VENUE.lower()),
        _saved(store_block),
    ]
    return [*saved, deliver(feed, delivery)]


def deliver(feed: Path, delivery: Path) -> str:
    """Let the vendor's feed lead to this delivery from now on.

    Returns:
        The block as a deployment names it.
    """
    block = FileFeed.from_file(feed)
    block.url = str(delivery.resolve())
    return _saved(block, "vendor")


def _saved(block: Any, name: str = "main") -> str:
    block.save(name, overwrite=True)
    return f"{block.get_block_type_slug()}/{name}"
