"""The feed that a venue is published from, and what symbols a run is limited to mean there."""

from __future__ import annotations

from collections.abc import Sequence

from armillary.errors import ConfigurationError
from armillary.feeds.cadenza_definition import IDENTIFIER, CadenzaDefinition


def check_source(
    definition: CadenzaDefinition, venue: str, *, reads: str, refreshes: str, symbols: Sequence[str]
) -> None:
    """Whether syncing this feed brings what the refresh of the venue has freshened.

    Args:
        definition: the feed.
        venue: that is refreshed.
        reads: the Cadenza that the feed reads, as its account names the environment.
        refreshes: the Cadenza that is refreshed, likewise.
        symbols: to which the run is limited; empty for the whole venue.

    Raises:
        ConfigurationError: it does not; nothing was done.
    """
    if definition.venue.casefold() != venue.casefold():
        raise ConfigurationError(
            f"Feed {definition.name} is of venue {definition.venue}, and the run is to publish "
            f"{venue}.",
            next_step="Give a feed of that venue, or none for the usual one. Nothing was done.",
        )
    if reads != refreshes:
        raise ConfigurationError(
            f"Feed {definition.name} reads Cadenza {reads}, and the run refreshes Cadenza "
            f"{refreshes}: the workspace would get what was not refreshed.",
            next_step="Give the feed and the run the same account. Nothing was done.",
        )
    if symbols and "".join(definition.identifier.split()) != IDENTIFIER:
        raise ConfigurationError(
            f"The run is limited to symbols, and feed {definition.name} makes its identifiers by "
            f"{definition.identifier!r}: which instruments the symbols are cannot be told.",
            next_step=f"Leave the symbols out, or use a feed whose identifier is {IDENTIFIER!r}. "
            "Nothing was done.",
        )


def identifiers_of(
    definition: CadenzaDefinition, venue: str, symbols: Sequence[str]
) -> list[str] | None:
    """The identifiers of these symbols in Ptolemy; None for the whole venue (contract section 6).

    Args:
        definition: the feed, which may change the case of identifiers.
        venue: as Cadenza writes it.
        symbols: as Cadenza writes them.
    """
    if not symbols:
        return None
    plain = [f"{venue}:{symbol}" for symbol in symbols]
    if definition.identifier_case == "keep":
        return plain
    lower = definition.identifier_case == "lower"
    return [name.lower() if lower else name.upper() for name in plain]
