"""Which venues and symbols a run refreshes: settled before the first one is touched."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from armillary.api.cadenza import Venue
from armillary.errors import ConfigurationError

MOST_SUGGESTIONS = 3
LEAST_LIKENESS = 0.6


@dataclass(frozen=True)
class Choice:
    """What a run refreshes."""

    venues: tuple[Venue, ...]
    """In the order of Cadenza's list."""
    skipped: tuple[Venue, ...] = ()
    """Not ONLINE, and not asked for by name."""
    symbols: tuple[str, ...] = ()
    """What the one venue is limited to; empty for whole venues."""
    notes: tuple[str, ...] = ()


def chosen(
    listed: Sequence[Venue], venues: Sequence[str] | None, symbols: Sequence[str] | None
) -> Choice:
    """What is meant by the parameters of a run.

    An empty list, or one of blanks, is what a form sends for "not given". Names of venues are
    compared without case. A venue that is asked for by name is refreshed whatever the list says
    of it: the list may be older than the person's knowledge.

    Args:
        listed: Cadenza's own list of venues.
        venues: names; not given means every ONLINE venue.
        symbols: limits the refresh of one venue.

    Raises:
        ConfigurationError: a venue is not in the list, no venue is ONLINE, or symbols are given
            without exactly one venue. Nothing was asked of any venue.
    """
    names, cleaned = _given(venues), _given(symbols)
    if cleaned and len({name.casefold() for name in names}) != 1:
        raise ConfigurationError(
            f"symbols are given together with {_venues_in_words(names)}.",
            next_step="Name exactly one venue with them, or leave symbols out. No venue was "
            "refreshed.",
        )
    wanted, notes = _upper_cased(cleaned)
    if not names:
        return _all_online(listed)
    found = _named(listed, names)
    return Choice(
        venues=tuple(venue for venue in listed if venue.name in found),
        symbols=wanted,
        notes=(*notes, *_offline_notes(listed, found)),
    )


def _given(values: Iterable[str] | None) -> list[str]:
    """Trimmed, each once, without blanks."""
    return list(dict.fromkeys(stripped for value in values or () if (stripped := value.strip())))


def _upper_cased(symbols: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Symbols as Cadenza writes them, and a note where that was not as they were given (C12)."""
    typed = [symbol for symbol in symbols if symbol == symbol.lower() != symbol.upper()]
    wanted = dict.fromkeys(symbol.upper() if symbol in typed else symbol for symbol in symbols)
    if not typed:
        return tuple(wanted), ()
    changed = ", ".join(f"{symbol} as {symbol.upper()}" for symbol in typed)
    return tuple(wanted), (f"Cadenza writes symbols in upper case: took {changed}.",)


def _all_online(listed: Sequence[Venue]) -> Choice:
    online = tuple(venue for venue in listed if venue.online)
    if online:
        return Choice(online, tuple(venue for venue in listed if not venue.online))
    if not listed:
        raise ConfigurationError(
            "Cadenza lists no venue for this account.",
            next_step="Ask Cadenza's support to open venues for the account, or use another one.",
        )
    told = ", ".join(f"{venue.name} is {venue.status}" for venue in listed)
    raise ConfigurationError(
        f"No venue is ONLINE: {told}.",
        next_step="Start the run again when one is, or name a venue to refresh it nevertheless.",
    )


def _named(listed: Sequence[Venue], names: Sequence[str]) -> set[str]:
    exact = {venue.name for venue in listed}
    folded = {venue.name.casefold(): venue.name for venue in reversed(listed)}
    unknown = [name for name in names if name not in exact and name.casefold() not in folded]
    if unknown:
        raise ConfigurationError(
            " ".join(_unknown_in_words(name, folded) for name in unknown),
            next_step=f"No venue was refreshed. Cadenza lists for this account: "
            f"{', '.join(sorted(exact)) or 'none'}.",
        )
    return {name if name in exact else folded[name.casefold()] for name in names}


def _unknown_in_words(name: str, folded: dict[str, str]) -> str:
    close = difflib.get_close_matches(name.casefold(), folded, MOST_SUGGESTIONS, LEAST_LIKENESS)
    meant = f" Did you mean {' or '.join(folded[each] for each in close)}?" if close else ""
    return f"Cadenza has no venue {name!r}.{meant}"


def _offline_notes(listed: Sequence[Venue], found: set[str]) -> list[str]:
    return [
        f"{venue.name} is {venue.status} in Cadenza's list; it was asked for by name, so the "
        "refresh is tried."
        for venue in listed
        if venue.name in found and not venue.online
    ]


def _venues_in_words(names: Sequence[str]) -> str:
    return f"{len(names)} venues ({', '.join(names)})" if names else "no venue"
