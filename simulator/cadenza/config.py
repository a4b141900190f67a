"""The configuration of the simulated Cadenza: switches, accounts, venues."""

from __future__ import annotations

from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from simulator.cadenza.presets import CADENZA_PRESETS, PresetName
from simulator.cadenza.switches import (
    AccountRole,
    EnvelopeSwitches,
    ListSwitches,
    SessionSwitches,
    SyncSwitches,
)

VenueStatus = Literal["ONLINE", "OFFLINE", "MAINTENANCE"]

NAMES: Final = (
    "BINANCE",
    "OKX",
    "DERIBIT",
    "BYBIT",
    "HYPERLIQUID",
    "IBKR",
    "BITFINEX",
    "WINTERMUTE",
    "MOCK",
)
"""The venues of a configuration that names none."""


class AccountConfig(BaseModel):
    """Somebody who may log in."""

    model_config = ConfigDict(extra="forbid")

    email: str = "trader@example.com"
    password: str = "practice"  # noqa: S105 - opens nothing but this simulator
    role: AccountRole = "trader"


class VenueConfig(BaseModel):
    """A venue and what its exchange lists from the start."""

    model_config = ConfigDict(extra="forbid")

    name: str
    status: VenueStatus = "ONLINE"
    instruments: list[dict[str, Any]] | None = None
    """Rows with ``symbol`` and any other keys; none: a dozen made-up ones."""
    copied: bool = True
    """Whether Cadenza has them from the start; else the first sync brings them."""


def _venues() -> list[VenueConfig]:
    away: dict[str, VenueStatus] = {"BITFINEX": "MAINTENANCE", "WINTERMUTE": "OFFLINE"}
    return [VenueConfig(name=name, status=away.get(name, "ONLINE")) for name in NAMES]


class CadenzaConfig(SessionSwitches, EnvelopeSwitches, ListSwitches, SyncSwitches):
    """Everything the simulated Cadenza can be told."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    accounts: list[AccountConfig] = Field(default_factory=lambda: [AccountConfig()], min_length=1)
    """The accounts; the first is the one the simulator's start line names."""
    venues: list[VenueConfig] = Field(default_factory=_venues)
    """The venues, in the order of the venue list."""

    @classmethod
    def preset(cls, name: PresetName, **overrides: Any) -> Self:
        """The configuration of a preset, with some keys changed."""
        return cls.model_validate({**CADENZA_PRESETS[name], **overrides})
