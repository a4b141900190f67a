"""What a sync stands on: the workspace, the instrument type and its fields, the webhooks.

Everything here is read before the source is, so that a revoked token or a missing field ends the
run in its first second (``reliability.md`` A19, A37).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from armillary.api.models import Workspace
from armillary.api.ptolemy import Ptolemy
from armillary.errors import AccessDenied, ConfigurationError, NotFound
from armillary.sync.canonical import DataType

WRITE_EVENTS = {
    "create": "instrument.created",
    "update": "instrument.updated",
    "archive": "instrument.archived",
    "restore": "instrument.restored",
}
"""The event each kind of change causes (contract section 15)."""


@dataclass(frozen=True)
class Ground:
    """The facts a plan is made on; none of them changes while a run lasts."""

    workspace_id: str
    workspace_slug: str
    type_id: str
    type_identifier: str
    data_types: Mapping[str, DataType]
    required_fields: frozenset[str]
    deliveries: Mapping[str, int] | None
    """Webhook deliveries one write of a kind causes; None where webhooks are not readable."""

    def is_type(self, reference: str) -> bool:
        """Whether a reference found in a row names this type (by UUID or identifier, D2)."""
        return reference in (self.type_id, self.type_identifier)


def survey(ptolemy: Ptolemy, *, workspace: str, instrument_type: str) -> Ground:
    """Read the ground of a sync: four calls, and one more per active webhook.

    Raises:
        ConfigurationError: the token belongs to another workspace, or the type is not there.
        ApiError: Ptolemy did not answer.
    """
    found = open_workspace(ptolemy, workspace)
    try:
        type_row = ptolemy.instrument_types.get(instrument_type)
    except NotFound as error:
        raise ConfigurationError(
            f"Instrument type {instrument_type!r} does not exist in workspace {workspace!r}.",
            next_step="Types are made by a person with the role Editor in Ptolemy's dashboard "
            "(contract D4). Check the spelling of instrument_type in the feed first.",
        ) from error
    type_id = str(type_row.get("id", instrument_type))
    fields = ptolemy.instrument_type_fields.for_type(
        type_id, str(type_row.get("identifier", instrument_type))
    )
    return Ground(
        workspace_id=found.id or workspace,
        workspace_slug=found.slug or workspace,
        type_id=type_id,
        type_identifier=str(type_row.get("identifier", instrument_type)),
        data_types={field.field_key: _data_type(field.data_type) for field in fields},
        required_fields=frozenset(
            field.field_key for field in fields if field.is_required and not field.has_default
        ),
        deliveries=_deliveries(ptolemy),
    )


def open_workspace(ptolemy: Ptolemy, workspace: str) -> Workspace:
    """The workspace that answers, when it is the one that is meant (``reliability.md`` A37).

    Raises:
        ConfigurationError: it is not there, or the token opens another one.
        ApiError: Ptolemy did not answer, or refuses the token.
    """
    try:
        found = ptolemy.workspace()
    except NotFound as error:
        raise ConfigurationError(
            f"Ptolemy knows no workspace {workspace!r} for this token.",
            next_step="Check the workspace's slug and the address; a token opens one workspace "
            "alone.",
        ) from error
    if found.id and workspace not in (found.id, found.slug):
        raise ConfigurationError(
            f"Ptolemy answered for workspace {found.slug or found.id!r}, but {workspace!r} is "
            "configured.",
            next_step="Give the token of that workspace, or correct the workspace's name.",
        )
    return found


def _data_type(word: str) -> DataType:
    """A data type added to Ptolemy after this release is compared as text, exactly as it stands."""
    try:
        return DataType(word.lower())
    except ValueError:
        return DataType.TEXT


def _deliveries(ptolemy: Ptolemy) -> dict[str, int] | None:
    """How many webhook deliveries each kind of write causes; a delivery costs a call too."""
    try:
        hooks = [hook for hook in ptolemy.webhooks.list() if hook.get("active", True)]
        subscribed = [_event_types(ptolemy.webhooks.subscriptions(str(h["id"]))) for h in hooks]
    except (AccessDenied, NotFound):
        return None
    return {
        kind: sum(1 for events in subscribed if event in events or "*" in events)
        for kind, event in WRITE_EVENTS.items()
    }


def _event_types(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    return {str(row.get("event_type", "")) for row in rows}
