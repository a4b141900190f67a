"""One key for every point on which Cadenza's sources disagree (D) or say nothing (N).

The defaults are the readings of the vendor's client, with those of the pages where the two can be
told at once.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

AccountRole = Literal["viewer", "trader", "admin"]


class SessionSwitches(BaseModel):
    """How logins, refreshes and tokens behave."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    expires_at: Literal["seconds", "milliseconds", "absent"] = "seconds"
    """D1: unit of ``expiresAt``, or no such key."""
    expires_in: Literal["present", "absent"] = "present"
    """D1: whether a session tells ``expiresIn``."""
    access_seconds: float = Field(3600, gt=0)
    """Section 2: life of an access token by the simulator's clock."""
    refresh_seconds: float = Field(604_800, gt=0)
    """Section 2: life of a refresh token by the simulator's clock."""
    old_refresh_token: Literal["dies", "lives"] = "dies"  # noqa: S105 - a reading, no secret
    """N2: whether a refresh token can be used once or again and again."""
    second_login: Literal["keeps", "ends_first"] = "keeps"
    """N2: whether a login ends the earlier sessions of its account."""
    burst_per_second: float | None = Field(None, gt=0)
    """N1: refill of the token bucket of an account; none: no limit."""
    burst_size: int = Field(20, ge=1)
    """N1: size of that bucket."""
    retry_after: Literal["seconds", "none"] = "seconds"
    """N1: whether a 429 of that limit tells Retry-After."""


class EnvelopeSwitches(BaseModel):
    """What answers look like."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    errno_digits: Literal["five", "six"] = "six"
    """D8: numbers of refused logins and refreshes: 26001 and 26003, or 100001 and 100003."""
    errno_sign: Literal["negative", "positive"] = "negative"
    """D8: sign of every error number."""
    success_key: Literal["present", "absent"] = "present"
    """D14: whether an envelope tells ``success``."""
    errors_on_200: bool = False
    """D15: refusals come with status 200; those of the token (401) keep theirs."""
    status_case: Literal["upper", "lower"] = "upper"
    """D11: spelling of the status of instruments and venues."""
    health: Literal["healthy", "degraded", "unhealthy"] = "healthy"
    """D12: what the health answer says."""
    unhealthy_status: Literal[503, 200] = 503
    """D13: HTTP status of an unhealthy health answer."""
    gateway_body: Literal["envelope", "html", "empty"] = "envelope"
    """N11: body of a 502, 503 or 504 of the fault plan; html: the page of a proxy."""
    unknown_keys: Literal["absent", "present"] = "absent"
    """Not stated: envelopes and instruments carry keys nobody has heard of."""
    nulls: Literal["absent", "present"] = "absent"
    """Not stated: null where a value is expected: descriptions, order types, ``maxNotional``."""
    decimals: Literal["strings", "numbers"] = "strings"
    """Not stated: decimals as text, or as JSON numbers."""


class ListSwitches(BaseModel):
    """How lists of venues and instruments behave."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    list_limit_default: int = Field(50, ge=1)
    """D2: rows of a page when ``limit`` is not given (the page says 10)."""
    list_limit_max: int = Field(1000, ge=1)
    """D2: the largest page (the page says 100)."""
    large_limit: Literal["clamp", "refuse"] = "clamp"
    """N5: a larger ``limit`` is cut down or answered 400."""
    symbols_parameter: Literal["comma", "repeated", "either"] = "repeated"
    """D3: how ``symbols`` names several: with commas, repeated, or in either way."""
    status_parameter: Literal["status", "instrumentStatus", "either"] = "instrumentStatus"
    """D4: name of the status filter; the other name is ignored."""
    default_statuses: Literal["all", "tradable", "active"] = "all"
    """N3, N6: rows listed without a status filter; tradable: neither DELISTED nor DISABLED."""
    instrument_fields: Literal["sdk", "docs", "both"] = "sdk"
    """D5: keys of an instrument: as the client has them, as the page, or all of them."""
    security_type: Literal["kinds", "classes"] = "classes"
    """D10: what the filter ``securityType`` looks at: SPOT and its kin, or CRYPTO and its."""
    order: Literal["stable", "newest_first", "shuffled"] = "stable"
    """N3: order of a list; shuffled: another one at each request."""
    page_shift: int = 0
    """N3: rows that come (below 0: go) in front of the list before each further page."""
    page_shift_total: Literal["follows", "stays"] = "follows"
    """N3: whether ``total`` shows that, or as many rows go (come) at the end."""
    page_shift_readings: int | None = Field(None, ge=0)
    """N3: how many readings are shifted, from the first; none: all."""
    pagination: Literal["full", "no_total", "no_has_next", "nulls", "absent"] = "full"
    """N4: what a list tells of its pages; nulls: the keys are there without a value."""
    unknown_venue: Literal["empty", 400] = "empty"
    """N5: answer to the list of a venue that is not there."""
    symbol_case: Literal["sensitive", "insensitive"] = "sensitive"
    """N7: whether ``symbols`` look at case, in lists and syncs."""
    maintenance_list: Literal["kept", "empty"] = "kept"
    """N8: whether a venue that is not ONLINE still lists its instruments."""


class SyncSwitches(BaseModel):
    """How the refresh of a venue behaves."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    sync_symbols: Literal["optional", "list_required", "listed"] = "optional"
    """D6: ``symbols`` may be left out; must be there, ``[]`` for all; or must name some."""
    sync_answer: Literal["counts", "total", "both", "empty"] = "both"
    """D7: counts with the venue, ``total`` alone, both, or an empty object."""
    sync_role: AccountRole = "trader"
    """N9: the lowest role that may refresh a venue (else 403)."""
    sync_seconds: float = Field(0, ge=0)
    """N10: how long a sync holds its venue, by the simulator's clock; others are busy (22014)."""
    sync_pause_seconds: float = Field(0, ge=0)
    """N10: real seconds before a sync is answered; it holds its venue so long."""
    vanished: Literal["kept", "delisted"] = "delisted"
    """Section 7: what a sync does with instruments the exchange has no more."""
    unknown_symbols: Literal[404, 400, "skipped"] = 404
    """Section 9: a sync of symbols the exchange has not."""
