"""One workspace: its collections, its quota, and what happens to it."""

from __future__ import annotations

from typing import Any, TypeVar

from simulator.clock import SimulatorClock, timestamp
from simulator.config import Config, WorkspaceConfig
from simulator.ptolemy.catalogue import Fields, Types
from simulator.ptolemy.collection import Collection
from simulator.ptolemy.cursors import Cursors
from simulator.ptolemy.events import TOLD, UNDOCUMENTED, Event, Events, Webhooks
from simulator.ptolemy.exports import Exports
from simulator.ptolemy.imports import Imports
from simulator.ptolemy.links import sign
from simulator.ptolemy.presenting import Presenter
from simulator.ptolemy.quota import Quota
from simulator.ptolemy.records import Record, UuidSource
from simulator.ptolemy.schema import Schema
from simulator.ptolemy.series import CompositeValues, Items, ScalarValues
from simulator.ptolemy.tags import Tags
from simulator.ptolemy.trading import Calendars, Listings, Suspensions
from simulator.ptolemy.typed import Instruments, Markets

C = TypeVar("C", bound=Collection[Any])


class Workspace:
    """Everything one slug stands for."""

    def __init__(self, seeded: WorkspaceConfig, config: Config, clock: SimulatorClock) -> None:
        self.slug = seeded.slug
        self.name = seeded.name
        self.seed = config.seed
        self.clock = clock
        self.id = UuidSource(f"{config.seed}:{seeded.slug}").next()
        self.created_at = clock.now()
        self.configure(config)
        self.cursors = Cursors(clock)
        self.quota = Quota(clock)
        self.collections: dict[str, Collection[Any]] = {}
        self._make_types()
        self._make_records()
        self._seed(seeded)

    def configure(self, config: Config) -> None:
        """Take over switches, at the start or while running."""
        self.config = config
        self.presenter = Presenter(config)

    def _make_types(self) -> None:
        self.instrument_types = self._keep(Types(self, "instrument-types", "instrument_type"))
        self.instrument_fields = self._keep(
            Fields(self, "instrument-type-fields", "instrument_type_field", self.instrument_types)
        )
        self.instrument_schema = Schema(self.instrument_types.table, self.instrument_fields.table)
        self.market_types = self._keep(Types(self, "market-types", "market_type"))
        self.market_fields = self._keep(
            Fields(self, "market-type-fields", "market_type_field", self.market_types)
        )
        self.market_schema = Schema(self.market_types.table, self.market_fields.table)
        self.series_types = self._keep(Types(self, "series", "series"))
        self.series_fields = self._keep(
            Fields(self, "time-series-type-fields", "time_series_type_field", self.series_types)
        )
        self.series_schema = Schema(self.series_types.table, self.series_fields.table)

    def _make_records(self) -> None:
        self.instruments = self._keep(Instruments(self, self.instrument_schema))
        self.markets = self._keep(Markets(self, self.market_schema))
        self.listings = self._keep(Listings(self))
        self.suspensions = self._keep(Suspensions(self))
        self.calendars = self._keep(Calendars(self))
        self.scalar_values = self._keep(ScalarValues(self))
        self.composite_values = self._keep(CompositeValues(self))
        self.composite_items = self._keep(Items(self))
        self.instrument_tags = self._keep(
            Tags(self, "instrument-tags", "instrument_tag", self.instruments)
        )
        self.series_tags = self._keep(
            Tags(self, "time-series-tags", "time_series_tag", self.series_types)
        )
        self.events = self._keep(Events(self))
        self.webhooks = self._keep(Webhooks(self))
        self.imports = self._keep(Imports(self))
        self.exports = self._keep(Exports(self))

    def _keep(self, collection: C) -> C:
        self.collections[collection.path] = collection
        return collection

    def _seed(self, seeded: WorkspaceConfig) -> None:
        now = self.clock.now()
        for schema, types in (
            (self.instrument_schema, seeded.instrument_types),
            (self.market_schema, seeded.market_types),
            (self.series_schema, seeded.series_types),
        ):
            for config in types:
                schema.add_type(config, now)
        for webhook in seeded.webhooks:
            self.webhooks.add(webhook, now)

    def linked(self, name: str) -> Collection[Any]:
        """The collection a reference field points into."""
        targets: dict[str, Collection[Any]] = {
            "instrument_id": self.instruments,
            "market_id": self.markets,
            "listing_id": self.listings,
            "composite_time_series_value_id": self.composite_values,
        }
        return targets[name]

    def collection_of(self, record: Record) -> Collection[Any]:
        """The collection a record is in."""
        for collection in self.collections.values():
            if collection.table.by_id(record.id) is record:
                return collection
        raise LookupError(f"{record.id} is in no collection")

    def folded(self, identifier: str) -> str:
        """An identifier as stored (N3)."""
        if self.config.identifier_trim:
            identifier = identifier.strip()
        return identifier.lower() if self.config.identifier_case == "lower" else identifier

    def take_items(self, count: int) -> None:
        """Count new database items; 403 when they do not fit."""
        self.quota.take_items(self.config, count)

    def give_items(self, count: int) -> None:
        """Items were deleted for good."""
        self.quota.give_items(count)

    def tell(
        self, event_type: str, record: Record, caller: str, changed: tuple[str, ...] = ()
    ) -> None:
        """Record an event; each webhook that wants it costs one API call (section 16)."""
        if event_type.partition(".")[0] not in TOLD:
            return
        if self.config.market_events == "documented" and event_type in UNDOCUMENTED:
            return
        self.events.tell(Event(event_type, record, caller, changed))
        for _ in range(self.webhooks.deliveries(event_type)):
            self.quota.delivery()

    def has_active_listings(self, instrument: Record) -> bool:
        """Whether an instrument is listed anywhere."""
        return any(row.archived_at is None for row in self.listings.table.group(instrument))

    def remove_of_market(self, market: Record) -> None:
        """Listings and calendars of a market that is hard deleted."""
        for listing in [row for row in self.listings.table.rows if row.market is market]:
            self.listings.destroy(listing, "cascade")
        self.calendars.remove_group(market)

    def sign(self, job_id: str, host: str) -> str:
        """A fresh download link for an export."""
        expires = str(self.clock.now() + self.config.link_seconds)
        signature = sign(self.config.seed, job_id, expires)
        return f"http://{host}/downloads/{job_id}?expires={expires}&signature={signature}"

    def present(self) -> dict[str, Any]:
        """The workspace as GET answers it."""
        created_at = timestamp(self.created_at)
        return {"id": self.id, "slug": self.slug, "name": self.name, "created_at": created_at}
