"""Named sets of readings: as the documentation pages, as the client, as awkward as allowed."""

from __future__ import annotations

from typing import Any, Final, Literal

PresetName = Literal["guide", "reference", "hostile"]

GUIDE: Final[dict[str, Any]] = {
    "errno_digits": "five",
    "list_limit_default": 10,
    "list_limit_max": 100,
    "symbols_parameter": "comma",
    "status_parameter": "status",
    "instrument_fields": "docs",
    "security_type": "kinds",
    "sync_answer": "counts",
}

REFERENCE: Final[dict[str, Any]] = {
    "list_limit_default": 50,
    "list_limit_max": 1000,
    "symbols_parameter": "repeated",
    "status_parameter": "instrumentStatus",
    "instrument_fields": "sdk",
    "security_type": "classes",
    "sync_answer": "both",
}

HOSTILE: Final[dict[str, Any]] = {
    "expires_at": "milliseconds",
    "expires_in": "absent",
    "second_login": "ends_first",
    "errno_digits": "five",
    "errno_sign": "positive",
    "success_key": "absent",
    "status_case": "lower",
    "health": "degraded",
    "gateway_body": "html",
    "unknown_keys": "present",
    "nulls": "present",
    "decimals": "numbers",
    "list_limit_max": 7,
    "instrument_fields": "both",
    "status_parameter": "status",
    "order": "newest_first",
    "pagination": "no_has_next",
    "unknown_venue": 400,
    "maintenance_list": "empty",
    "sync_symbols": "list_required",
    "sync_answer": "total",
    "vanished": "kept",
    "unknown_symbols": 400,
    "burst_per_second": 200.0,
    "burst_size": 40,
}

CADENZA_PRESETS: Final[dict[PresetName, dict[str, Any]]] = {
    "guide": GUIDE,
    "reference": REFERENCE,
    "hostile": HOSTILE,
}
