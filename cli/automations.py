"""Automations on the Prefect server: made or updated by name, never removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.schemas.automations import Automation, AutomationCore
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from pydantic import ValidationError

from armillary.alerts.described import Described
from armillary.errors import ArmillaryError, ConfigurationError


class Became(StrEnum):
    """What became of one automation."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Ensured:
    """One automation that is on the server now."""

    name: str
    became: Became
    blocks: tuple[str, ...]
    """The notification blocks that it sends to."""
    paused: bool
    """Somebody has paused it in the UI; it stays so."""
    others: int
    """More automations of that name, which were left alone."""

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "became": self.became.value, "blocks": list(self.blocks)}


def ensure(automations: Sequence[Described]) -> list[Ensured]:
    """Make sure that the server has these automations, as they are described.

    One that is the same already is not written again: that would start its time of waiting anew.

    Raises:
        ConfigurationError: a block is missing or no notification block, or Prefect does not take
            an automation; nothing was changed.
        ArmillaryError: the server failed; some may have been changed.
    """
    try:
        with get_client(sync_client=True) as client:
            ids = {
                block: _block_id(client, block)
                for block in dict.fromkeys(name for each in automations for name in each.blocks)
            }
            wanted = [(each, _checked(each, ids)) for each in automations]
            return [_ensured(client, each, core) for each, core in wanted]
    except (PrefectHTTPStatusError, httpx.HTTPError) as error:
        raise ArmillaryError(
            f"The Prefect server did not take the automations ({type(error).__name__}).",
            next_step="Some may have been made. See its log, then start the command again.",
        ) from error


def _block_id(client: SyncPrefectClient, named: str) -> str:
    kind, _, name = named.partition("/")
    try:
        found = client.read_block_document_by_name(name, kind)
    except ObjectNotFound:
        raise ConfigurationError(
            f"There is no block {named!r} on the Prefect server. Nothing was changed.",
            next_step=f"Make it in the UI under Blocks (its type is {kind}, its name {name}), or "
            "name another with --block.",
        ) from None
    capabilities = found.block_schema.capabilities if found.block_schema else []
    if "notify" not in capabilities:
        raise ConfigurationError(
            f"The block {named!r} cannot notify anybody. Nothing was changed.",
            next_step="Name one that notifies, as custom-webhook/alerts or slack-webhook/alerts.",
        )
    return str(found.id)


def _checked(each: Described, ids: dict[str, str]) -> AutomationCore:
    try:
        return AutomationCore.model_validate(each.resolved(ids))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(
            f"Prefect does not take the automation {each.name!r}: {where}: {first['msg']}. "
            "Nothing was changed.",
            next_step="Mend the file; docs/guides/alerts.md says how it is written.",
        ) from None


def _ensured(client: SyncPrefectClient, each: Described, core: AutomationCore) -> Ensured:
    there = client.read_automations_by_name(each.name)
    if not there:
        client.create_automation(core)
        return Ensured(each.name, Became.CREATED, each.blocks, paused=False, others=0)
    first, others = there[0], len(there) - 1
    kept = core.model_copy(update={"enabled": first.enabled})
    became = Became.UNCHANGED
    if _plain(first) != _plain(kept):
        # The owner of an automation is nothing that can be set again.
        told = kept.model_dump(exclude={"owner_resource"})
        client.update_automation(first.id, AutomationCore.model_validate(told))
        became = Became.UPDATED
    return Ensured(each.name, became, each.blocks, paused=not first.enabled, others=others)


def _plain(automation: AutomationCore | Automation) -> dict[str, Any]:
    """Without what the server adds, and with times and lists in one form."""
    fields = set(AutomationCore.model_fields) - {"owner_resource"}
    return automation.model_dump(mode="python", include=fields)
