"""The definition of a feed that is one venue's instruments in Cadenza, with its defaults.

Everything but the venue has a default, so that a venue is a feed with one line (the documented
table: docs/reference/feed-definition.md).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from armillary.feeds.definition import FeedDefinition, FieldRule, Named

INSTRUMENT_TYPE = "venue-instrument"
IDENTIFIER = "{instrumentId}"
NAME_TEMPLATE = "{symbol} {venue}"
VENUE_TEMPLATE = "{venue}"
FIELDS: dict[str, str | FieldRule] = {
    "venue": VENUE_TEMPLATE,
    "symbol": "{symbol}",
    "external_symbol": "{externalSymbol}",
    "kind": "{instrumentType}",
    "status": "{status}",
    "base_asset": "{baseAsset}",
    "quote_asset": "{quoteAsset}",
    "tick_size": "{pipSize}",
    "lot_size": "{lotSize}",
    "min_quantity": "{minQuantity}",
    "max_quantity": "{maxQuantity}",
    "min_notional": "{minNotional}",
    "base_precision": "{basePrecision}",
    "quote_precision": "{quotePrecision}",
}
"""Field keys of the type with the columns of Cadenza's list they come from (contract section 6)."""


class VenueSource(Named):
    """Which venue. Apart, so that in a form it comes before the mapping."""

    name: str = Field(
        "",
        title="Name",
        description="What the feed is called in plans, approvals and run records; unset: cadenza- "
        "and the venue in small letters.",
    )
    kind: Literal["cadenza"] = Field(
        "cadenza",
        title="Kind of source",
        description="One venue's instruments, as Cadenza has them.",
    )
    venue: str = Field(
        title="Venue",
        min_length=1,
        description="Name of the venue in Cadenza, such as BINANCE.",
    )

    @field_validator("venue", mode="before")
    @classmethod
    def _as_cadenza_writes_it(cls, venue: Any) -> Any:
        return venue.strip().upper() if isinstance(venue, str) else venue


class CadenzaDefinition(FeedDefinition, VenueSource):
    """One venue's instruments in Cadenza. It owns that venue's instruments and never another's."""

    name: str = Field(
        "",
        title="Name",
        description="What the feed is called in plans, approvals and run records; unset: cadenza- "
        "and the venue in small letters.",
    )
    instrument_type: str = Field(
        INSTRUMENT_TYPE,
        title="Instrument type",
        min_length=1,
        description="Identifier of the type every instrument of this feed has.",
    )
    identifier: str = Field(
        IDENTIFIER,
        title="Identifier",
        description="Template over the columns of Cadenza's list that makes the identifier.",
    )
    name_template: str | None = Field(
        NAME_TEMPLATE,
        title="Name of an instrument",
        description="Template over the columns of Cadenza's list that makes the name; empty: names "
        "are left alone.",
    )
    fields: dict[str, str | FieldRule] = Field(
        default_factory=lambda: dict(FIELDS),
        title="Fields",
        description="For each field key a template, a constant, or a rule with from, blank, map; "
        "unset: those of the documented table.",
    )
    scope: dict[str, list[str]] | Literal["all"] | None = Field(
        None,
        title="Scope",
        description="The existing instruments this feed owns: those of its venue, and no others. "
        "Unset: the field that is made of the venue, with this venue.",
    )
    missing: Literal["keep", "archive"] = Field(
        "archive",
        title="Missing instruments",
        description="What happens to an instrument of the venue that Cadenza no longer lists, or "
        "lists as DELISTED.",
    )

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_venue(cls, given: Any) -> Any:
        """Fill in what the venue decides; the checks of all kinds then look at the whole."""
        venue = given.get("venue") if isinstance(given, dict) else None
        if not isinstance(venue, str):
            return given
        venue = venue.strip().upper()
        filled = dict(given)
        if given.get("name") in (None, ""):
            filled["name"] = f"cadenza-{venue.lower()}"
        if given.get("scope") is None:
            keys = _venue_fields(given.get("fields", FIELDS), venue)
            filled["scope"] = {keys[0]: [venue]} if keys else None
        return filled

    def _scope_problems(self) -> list[str]:
        keys = _venue_fields(self.fields, self.venue)
        if not keys:
            return [
                f'fields has none that holds the venue alone: write `venue: "{VENUE_TEMPLATE}"`, '
                "for by it the feed knows which existing instruments are its own"
            ]
        if self.scope in [{key: [self.venue]} for key in keys]:
            return []
        return [
            f"scope is not exactly the venue's: write `scope: {{{keys[0]}: [{self.venue}]}}` or "
            "leave it out; any other would archive what is not this venue's"
        ]


def _venue_fields(fields: Any, venue: str) -> list[str]:
    """The fields that hold the venue as Cadenza writes it, untranslated, and nothing else.

    A translation may give two venues one value, and what is archived would be both's.
    """
    if not isinstance(fields, dict):
        return []
    return [str(key) for key, rule in fields.items() if _holds_the_venue(rule, venue)]


def _holds_the_venue(rule: Any, venue: str) -> bool:
    if isinstance(rule, dict):
        rule = rule.get("from", rule.get("template")) if rule.get("map") is None else None
    elif isinstance(rule, FieldRule):
        rule = rule.template if rule.map is None else None
    return isinstance(rule, str) and "".join(rule.split()) in {VENUE_TEMPLATE, venue}
