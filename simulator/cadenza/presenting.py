"""Instruments and envelopes as the switches want them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from simulator.cadenza.config import CadenzaConfig
from simulator.cadenza.practice import Row
from simulator.exchange import Answer, NumberText

DECIMALS: Final = (
    "lotSize",
    "pipSize",
    "minQuantity",
    "maxQuantity",
    "minNotional",
    "maxNotional",
    "icebergMinQuantity",
    "strikePrice",
)
_SHARED: Final[tuple[str, ...]] = (
    "instrumentId",
    "venue",
    "symbol",
    "baseAsset",
    "quoteAsset",
    "status",
    "minQuantity",
    "maxQuantity",
    "minNotional",
)
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")


def enveloped(value: Any, config: CadenzaConfig, **more: Any) -> Answer:
    """A good answer (contract section 3)."""
    body: dict[str, Any] = {"data": value}
    if config.success_key == "present":
        body["success"] = True
    body |= {"errno": 0, "error": None, **more}
    if config.unknown_keys == "present":
        body["traceLevel"] = "basic"
    return Answer(200, body)


def spelled(status: str, config: CadenzaConfig) -> str:
    """A status by D11."""
    return status.lower() if config.status_case == "lower" else status


def presented(row: Row, config: CadenzaConfig) -> Row:
    """An instrument by D5, D11 and the switches of values."""
    if config.instrument_fields == "docs":
        shown = _as_the_page(row)
    elif config.instrument_fields == "sdk":
        shown = dict(row)
    else:
        shown = {**row, **_as_the_page(row)}
    if isinstance(shown.get("status"), str):
        shown["status"] = spelled(shown["status"], config)
    if config.decimals == "numbers":
        for key in DECIMALS:
            text = shown.get(key)
            if isinstance(text, str) and _NUMBER.fullmatch(text):
                shown[key] = NumberText(text)
    if config.nulls == "present":
        shown |= {key: None for key in ("description", "maxNotional") if key in shown}
        if isinstance(shown.get("orderTypes"), list):
            shown["orderTypes"] = [*shown["orderTypes"], None]
    if config.unknown_keys == "present":
        shown["settlementRail"] = {"name": "T+0"}
    return shown


def _as_the_page(row: Row) -> Row:
    shown: Row = {key: row[key] for key in _SHARED if key in row}
    shown["securityType"] = row.get("instrumentType")
    shown["pricePrecision"] = _places(row.get("pipSize"))
    shown["quantityPrecision"] = _places(row.get("lotSize"))
    return shown


def _places(step: Any) -> int | None:
    """Digits behind the point of a step, needless zeros left out: 2 for ``0.01``."""
    if not isinstance(step, str) or not _NUMBER.fullmatch(step):
        return None
    exponent = Decimal(step).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else None
