"""Which business date a market's trading calendar expects of a delivery."""

from __future__ import annotations

import functools
import importlib
import warnings
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from typing import Any

from armillary.errors import ConfigurationError

_EARLIEST_ZONE = timedelta(hours=14)
_WINDOW_DAYS = 120
"""Longer than thirty trading days and the longest closure of a market together."""


def expected_date(calendar: str, now: datetime, *, lag_days: int) -> date | None:
    """The latest business date that a delivery should have by now.

    Args:
        calendar: name of a market in the library, such as XNYS.
        now: with a time zone; the market's own day counts.
        lag_days: trading days the date may lie back: 0 the trading day of today (or the last one
            before a day without trade), 1 the last one that has ended.

    Returns:
        The date; None where the installed library does not know the market's holidays so far.

    Raises:
        ConfigurationError: the library is not installed, or knows no such market.
    """
    for last in ((now + _EARLIEST_ZONE).date(), now.date()):
        market = _market(calendar, last)
        if market is not None:
            today = now.astimezone(market.tz).date()
            sessions: list[date] = [session.date() for session in market.sessions]
            begun = [day for day in sessions if day <= today]
            return begun[-1] if lag_days == 0 else [day for day in begun if day < today][-lag_days]
    return None


@functools.lru_cache(maxsize=16)
def _market(calendar: str, last: date) -> Any:
    library = _library(calendar)
    if calendar not in library.get_calendar_names():
        close = get_close_matches(calendar, library.get_calendar_names(), n=3)
        guess = f" Did you mean {' or '.join(close)}?" if close else ""
        raise ConfigurationError(
            f"There is no trading calendar {calendar!r}.{guess}",
            next_step="Nothing was written. Give sanity.calendar the market's code, such as XNYS, "
            "XLON or XASX.",
        )
    first = last - timedelta(days=_WINDOW_DAYS)
    with warnings.catch_warnings():
        # The library speaks to an older pandas; what is said of that concerns its makers.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return library.get_calendar(calendar, start=first.isoformat(), end=last.isoformat())
        except ValueError:
            return None  # some markets tell their holidays year by year


def _library(calendar: str) -> Any:
    """Imported here: it brings pandas, which takes seconds and which no other feed needs."""
    try:
        return importlib.import_module("exchange_calendars")
    except ImportError:
        raise ConfigurationError(
            f"The feed names the trading calendar {calendar}, and the library of calendars is not "
            "installed.",
            next_step="Nothing was written. Install the extra `calendars` (pip install "
            "'armillary[calendars]'), or take sanity.calendar out of the feed.",
        ) from None
