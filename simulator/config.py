"""The configuration of a simulator: switches, limits, workspaces, tokens, webhooks, faults."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field

from simulator.cadenza.config import CadenzaConfig
from simulator.faults import FaultRates, Rule
from simulator.presets import PRESETS, PresetName
from simulator.switches import AnswerSwitches, JobSwitches, ReadSwitches, Role, WriteSwitches

ROLES: tuple[Role, ...] = ("viewer", "member", "editor", "admin")


class FieldConfig(BaseModel):
    """One field definition of a type (contract section 6)."""

    model_config = ConfigDict(extra="forbid")

    field_key: str
    data_type: Literal["text", "number", "date", "boolean"] = "text"
    field_label: str | None = None
    is_required: bool = False
    has_default: bool = False
    default: str | None = None
    allow_null: bool = True


class TypeConfig(BaseModel):
    """An instrument type, market type or series type with its fields, in order."""

    model_config = ConfigDict(extra="forbid")

    identifier: str
    name: str | None = None
    fields: list[FieldConfig] = Field(default_factory=list)


def _fields(**data_types: str) -> list[FieldConfig]:
    return [
        FieldConfig.model_validate({"field_key": key, "data_type": data_type})
        for key, data_type in data_types.items()
    ]


def _instrument_types() -> list[TypeConfig]:
    equity = _fields(
        isin="text",
        currency="text",
        exchange="text",
        lot_size="number",
        tick_size="number",
        country="text",
        sector="text",
        listed_on="date",
        active_trading="boolean",
        figi="text",
        round_lot="number",
        etf="boolean",
        test_issue="boolean",
        cqs_symbol="text",
    )
    bond = _fields(isin="text", currency="text", coupon="number", maturity="date")
    of_a_venue = _fields(
        venue="text",
        symbol="text",
        external_symbol="text",
        kind="text",
        status="text",
        base_asset="text",
        quote_asset="text",
        tick_size="number",
        lot_size="number",
        min_quantity="number",
        max_quantity="number",
        min_notional="number",
        base_precision="number",
        quote_precision="number",
    )
    return [
        TypeConfig(identifier="equity", name="Equity", fields=equity),
        TypeConfig(identifier="bond", name="Bond", fields=bond),
        TypeConfig(identifier="venue-instrument", name="Venue instrument", fields=of_a_venue),
    ]


def _market_types() -> list[TypeConfig]:
    fields = _fields(mic="text", country="text", timezone="text")
    return [TypeConfig(identifier="exchange", name="Exchange", fields=fields)]


def _series_types() -> list[TypeConfig]:
    ohlcv = [
        FieldConfig(field_key=key, data_type="number", is_required=key != "volume")
        for key in ("open", "high", "low", "close", "volume")
    ]
    return [
        TypeConfig(identifier="close-price", name="Close price"),
        TypeConfig(identifier="ohlcv-daily", name="Daily bars", fields=ohlcv),
    ]


class WebhookConfig(BaseModel):
    """A webhook a workspace has from the start; deliveries are counted, never made."""

    model_config = ConfigDict(extra="forbid")

    url: str = "https://hooks.example.invalid/ptolemy"
    label: str = "hook"
    active: bool = True
    subscriptions: list[str] = Field(default_factory=list)


class TokenConfig(BaseModel):
    """A token besides the four each workspace has (one per role)."""

    model_config = ConfigDict(extra="forbid")

    name: str
    token: str
    role: Role = "member"
    expires_at: datetime | None = None


class WorkspaceConfig(BaseModel):
    """A workspace and what it holds from the start."""

    model_config = ConfigDict(extra="forbid")

    slug: str = "demo"
    name: str = "Demo workspace"
    instrument_types: list[TypeConfig] = Field(default_factory=_instrument_types)
    market_types: list[TypeConfig] = Field(default_factory=_market_types)
    series_types: list[TypeConfig] = Field(default_factory=_series_types)
    webhooks: list[WebhookConfig] = Field(default_factory=list)
    tokens: list[TokenConfig] = Field(default_factory=list)


class Config(AnswerSwitches, ReadSwitches, WriteSwitches, JobSwitches):
    """Everything a simulator can be told, at start or (switches, limits) while it runs."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    workspaces: list[WorkspaceConfig] = Field(default_factory=lambda: [WorkspaceConfig()])
    """The workspaces; the first is the one ``Simulator.workspace_url`` means."""
    seed: int = 1
    """Seed of tokens, UUIDs and random faults: two runs are alike."""
    frozen_clock: bool = False
    """The clock stands still until it is advanced."""
    api_calls: int = Field(10_000_000, ge=0)
    """API calls in the billing period (section 17)."""
    items: int | None = Field(None, ge=0)
    """Database items, archived ones included (section 17); none: no limit."""
    overage: bool = False
    """Section 17: beyond a quota requests succeed and are billed."""
    rate_429: Literal["both", "quota", "burst"] = "both"
    """D19: which limits answer 429."""
    item_billing: Literal["one", "parts"] = "parts"
    """D9: a composite value is one item, or one plus its value items."""
    burst_per_second: float | None = Field(None, gt=0)
    """N2: refill of the token bucket of a token; none: no burst limit."""
    burst_size: int = Field(20, ge=1)
    """N2: size of that bucket."""
    events_kept: int = Field(200_000, ge=0)
    """Most events kept per workspace; older ones are forgotten."""
    log_kept: int = Field(20_000, ge=0)
    """Most requests kept in the request log."""
    cadenza: CadenzaConfig = Field(default_factory=CadenzaConfig)
    """The simulated Cadenza beside Ptolemy."""
    faults: list[Rule] = Field(default_factory=list)
    """The ordered fault plan."""
    fault_rates: FaultRates = Field(default_factory=FaultRates)
    """Seeded random faults."""

    @classmethod
    def preset(cls, name: PresetName, **overrides: Any) -> Self:
        """The configuration of a preset, with some keys changed.

        Args:
            name: ``guide``, ``reference`` or ``hostile``.
            overrides: Any keys of this class; those of ``cadenza`` change its own preset.
        """
        cadenza = overrides.pop("cadenza", {})
        if not isinstance(cadenza, CadenzaConfig):
            cadenza = CadenzaConfig.preset(name, **cadenza)
        return cls.model_validate({**PRESETS[name], **overrides, "cadenza": cadenza})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a YAML file of these keys; ``preset: NAME`` may be one of them."""
        keys = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        preset = keys.pop("preset", "reference")
        return cls.preset(preset, **keys)

    def changed(self, changes: dict[str, Any]) -> Self:
        """A validated copy with some keys changed; of ``cadenza`` the keys that are given."""
        cadenza = changes.get("cadenza", {})
        if not isinstance(cadenza, CadenzaConfig):
            cadenza = CadenzaConfig.model_validate({**self.cadenza.model_dump(), **cadenza})
        kept = self.model_dump(exclude={"cadenza"})
        return type(self).model_validate({**kept, **changes, "cadenza": cadenza})

    def token(self, slug: str, role: Role) -> str:
        """The made-up token every workspace has for each role."""
        digest = hashlib.sha256(f"{self.seed}:{slug}:{role}".encode()).hexdigest()
        return f"ptk_live_{digest}"
