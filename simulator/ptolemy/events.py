"""Events and webhooks (contract sections 15 and 16)."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from simulator.clock import timestamp
from simulator.config import WebhookConfig
from simulator.exchange import Answer, Refusal
from simulator.ptolemy.call import Call
from simulator.ptolemy.collection import Collection
from simulator.ptolemy.comparisons import Reader
from simulator.ptolemy.records import Record

UNDOCUMENTED = frozenset({"market.deleted", "market_listing.restored"})
"""Events D18 says no page lists."""
TOLD = frozenset(
    {
        "instrument",
        "market",
        "market_listing",
        "market_listing_suspension",
        "time_series_value",
        "composite_time_series_value",
    }
)


class Event(Record):
    """Something that happened."""

    __slots__ = ("actor", "changed", "event_type", "resource_id", "resource_identifier")

    def __init__(
        self, event_type: str, about: Record, actor: str, changed: tuple[str, ...]
    ) -> None:
        super().__init__()
        self.event_type = sys.intern(event_type)
        self.resource_id = about.id
        self.resource_identifier = about.identifier
        self.actor = sys.intern(actor)
        self.changed = changed


class Events(Collection[Event]):
    """``/events``: made by the server; the oldest are forgotten."""

    path: ClassVar[str] = "events"
    noun: ClassVar[str] = "event"
    named: ClassVar[bool] = False
    items: ClassVar[int] = 0

    def readers(self) -> dict[str, Reader]:
        """Also what, who and which."""
        own = [
            Reader("event_type", "text", lambda event: event.event_type),
            Reader("resource_id", "text", lambda event: event.resource_id),
            Reader("actor", "text", lambda event: event.actor),
        ]
        return {**super().readers(), **{reader.name: reader for reader in own}}

    def present(self, record: Event) -> dict[str, Any]:
        """An event; field names beyond ``event_type`` are not documented."""
        return {
            "id": record.id,
            "event_type": record.event_type,
            "resource_type": record.event_type.partition(".")[0],
            "resource_id": record.resource_id,
            "resource_identifier": record.resource_identifier,
            "actor": {"type": "robot", "name": record.actor},
            "changes": list(record.changed),
            "created_at": timestamp(record.created_at),
        }

    def tell(self, event: Event) -> None:
        """Keep an event."""
        kept = self.workspace.config.events_kept
        self.table.add(event, self.workspace.clock.now())
        if len(self.table) > kept + kept // 10:
            self.table.drop_first(len(self.table) - kept)


class Webhook(Record):
    """An address events would be delivered to."""

    __slots__ = ("active", "label", "subscriptions", "url")

    def __init__(self, config: WebhookConfig) -> None:
        super().__init__()
        self.url = config.url
        self.label = config.label
        self.active = config.active
        self.subscriptions: list[Subscription] = []


class Subscription(Record):
    """One event type a webhook wants; ``*`` for all."""

    __slots__ = ("event_type",)

    def __init__(self, webhook: Webhook, event_type: str) -> None:
        super().__init__(None, webhook)
        self.event_type = event_type


class Webhooks(Collection[Webhook]):
    """``/webhooks``: read only here; they come from the configuration."""

    path: ClassVar[str] = "webhooks"
    noun: ClassVar[str] = "webhook"
    named: ClassVar[bool] = False
    bare_in_samples: ClassVar[bool] = True
    items: ClassVar[int] = 0

    def present(self, record: Webhook) -> dict[str, Any]:
        """A webhook; its secret was shown once and never is again."""
        return {
            "id": record.id,
            "url": record.url,
            "label": record.label,
            "active": record.active,
            **self.workspace.presenter.times(record),
        }

    def add(self, config: WebhookConfig, at: float) -> Webhook:
        """Seed a webhook with its subscriptions."""
        webhook = self.table.add(Webhook(config), at)
        for event_type in config.subscriptions:
            subscription = Subscription(webhook, event_type)
            subscription.id = self.table.new_id()
            subscription.created_at = at
            webhook.subscriptions.append(subscription)
        return webhook

    def deliveries(self, event_type: str) -> int:
        """How many active webhooks want an event."""
        return sum(
            webhook.active
            and any(wanted.event_type in ("*", event_type) for wanted in webhook.subscriptions)
            for webhook in self.table.rows
        )

    def subscriptions(self, call: Call) -> Answer:
        """GET ``/webhooks/{id}/subscriptions``."""
        call.query(())
        rows = [
            {
                "id": wanted.id,
                "event_type": wanted.event_type,
                "created_at": timestamp(wanted.created_at),
            }
            for wanted in self.find(call).subscriptions
        ]
        return Answer(200, {"data": rows, "meta": {"next_cursor": None, "has_more": False}})

    def refuse_write(self, call: Call) -> Answer:
        """D8: robots are never Admin; an admin finds webhooks in the configuration."""
        if not call.token.may("admin"):
            raise Refusal(403, "Webhooks need the role Admin", code="role")
        raise Refusal(405, "Webhooks of the simulator come from its configuration")
