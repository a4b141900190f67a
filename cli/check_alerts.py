"""What ``armillary check`` asks of a Prefect server about alerts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import Automation as Found
from prefect.exceptions import ObjectNotFound

from armillary.alerts.described import FILE, described
from armillary.readiness.alerting import Automation, check_automations
from armillary.readiness.finding import Finding, Level

A_PAGE = 200


def about_alerts(client: SyncPrefectClient, beside: Path | None) -> Iterator[Finding]:
    """Whether the automations are there, and the blocks that they send to.

    Args:
        client: of the server.
        beside: the prefect.yaml in whose folder automations.yaml is looked for first.

    Raises:
        ConfigurationError: the file describes no automations.
    """
    places = [FILE] if beside is None else [beside.parent / FILE.name, FILE]
    path = next((place for place in places if place.exists()), None)
    if path is None:
        yield Finding(
            "automations",
            Level.WARNING,
            f"there is no {FILE.name} to compare the server with",
            "Start the check in a clone, or where you deploy from.",
        )
        return
    yield from check_automations([one.name for one in described(path)], _automations(client))


def _automations(client: SyncPrefectClient) -> list[Automation]:
    found: list[Found] = []
    for page in count():
        rows = client.read_automations(limit=A_PAGE, offset=page * A_PAGE)
        found += rows
        if len(rows) < A_PAGE:
            break
    named: dict[UUID, str] = {}
    return [_automation(client, one, named) for one in found]


def _automation(client: SyncPrefectClient, found: Found, named: dict[UUID, str]) -> Automation:
    """An automation with the names of its blocks; blank for one that is gone."""
    ids = [act.block_document_id for act in found.actions if isinstance(act, SendNotification)]
    for block_id in ids:
        if block_id not in named:
            named[block_id] = _name(client, block_id)
    blocks = [named[block_id] for block_id in ids]
    return Automation(
        found.name,
        found.enabled,
        blocks=tuple(block for block in blocks if block),
        lost=blocks.count(""),
    )


def _name(client: SyncPrefectClient, block_id: UUID) -> str:
    try:
        document = client.read_block_document(block_id, include_secrets=False)
    except ObjectNotFound:
        return ""
    kind = document.block_type.slug if document.block_type else "block"
    return f"{kind}/{document.name}"
