"""The two sides of a comparison: what Cadenza lists of a venue, and what Ptolemy holds of it.

Cadenza's side is read here, Ptolemy's in ``holdings`` and ``listings``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from armillary.api.cadenza import Cadenza
from armillary.api.cadenza.models import DELISTED
from armillary.errors import ConfigurationError, FeedRefused
from armillary.feeds.venue_delivery import STATUSES, as_columns, whole_list

SIZES = {"tick_size": "pipSize", "lot_size": "lotSize"}
"""The fields that are compared, by Ptolemy's name and by Cadenza's (contract section 6)."""

TRADING = "ACTIVE"
"""The status of an instrument that can be traded at its venue."""

_COLUMNS = ("instrumentId", "symbol", "externalSymbol", "status", *SIZES.values())

_NOT_COMPARED = "Nothing was compared."


@dataclass(frozen=True, slots=True)
class CadenzaInstrument:
    """An instrument as Cadenza lists it; a part it does not tell is blank.

    ``identifier`` is the opaque ``instrumentId`` (contract N7), ``status`` upper case, ``sizes``
    decimals as text by Ptolemy's names of them.
    """

    identifier: str
    symbol: str
    external_symbol: str
    status: str
    sizes: Mapping[str, str]

    @classmethod
    def of(cls, columns: Mapping[str, Any]) -> CadenzaInstrument:
        """Take what is compared of the columns a feed has (``as_columns``)."""
        texts = {name: str(columns[name]).strip() for name in _COLUMNS}
        return cls(
            identifier=texts["instrumentId"],
            symbol=texts["symbol"],
            external_symbol=texts["externalSymbol"],
            status=texts["status"],
            sizes={name: texts[theirs] for name, theirs in SIZES.items()},
        )

    @property
    def delisted(self) -> bool:
        """Whether the venue has it no more."""
        return self.status == DELISTED

    @property
    def known_status(self) -> bool:
        """Whether its status is one of those documented."""
        return self.status in STATUSES


@dataclass(frozen=True, slots=True)
class PtolemyRecord:
    """An instrument or a listing of Ptolemy.

    ``identifier`` is that of the instrument, blank for a listing whose instrument was not looked
    up; ``local_code`` is blank for an instrument. ``suspended`` is of listings, and of now.
    """

    id: str
    identifier: str
    local_code: str
    archived: bool
    sizes: Mapping[str, str]
    suspended: bool = False

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.local_code or self.identifier or self.id


@dataclass(frozen=True)
class CadenzaSide:
    """All that Cadenza lists of one venue."""

    venue: str
    instruments: Sequence[CadenzaInstrument]
    notes: tuple[str, ...] = ()

    def telling_codes(self) -> frozenset[str]:
        """The symbols, also external ones, that mean one instrument and no other."""
        codes = Counter(
            code
            for instrument in self.instruments
            for code in {instrument.symbol, instrument.external_symbol} - {""}
        )
        return frozenset(code for code, count in codes.items() if count == 1)


@dataclass(frozen=True)
class PtolemySide:
    """All that a workspace holds of one venue, archived records included."""

    workspace: str
    records: Sequence[PtolemyRecord]
    sizes: frozenset[str] = field(default_factory=lambda: frozenset(SIZES))
    """Which of the sizes its records can hold at all."""
    notes: tuple[str, ...] = ()


def cadenza_side(cadenza: Cadenza, venue: str) -> CadenzaSide:
    """Read a venue's instruments as a feed does: whole and while it is online, or not at all.

    Args:
        cadenza: the client.
        venue: its name, in any case.

    Raises:
        ConfigurationError: Cadenza has no such venue.
        FeedRefused: it is not online before and after, or its list is empty or not whole: all
            that a list lacks would count as missing (contract N3, N8).
        ApiError: Cadenza could not be read.
    """
    name = venue.strip()
    if not name:
        raise ConfigurationError(
            f"No venue is named. {_NOT_COMPARED}", next_step="Name one, for example BINANCE."
        )
    try:
        found = whole_list(cadenza, name)
    except FeedRefused as refused:
        raise FeedRefused(
            f"{refused.message} {_NOT_COMPARED}",
            next_step="Compare again when the venue is ONLINE and its list at rest.",
        ) from refused
    except ConfigurationError as wrong:
        raise ConfigurationError(
            f"{wrong.message} {_NOT_COMPARED}", next_step="Name one of Cadenza's venues."
        ) from wrong
    # A feed writes the name so into Ptolemy, however Cadenza writes it.
    name = name.upper()
    instruments = tuple(CadenzaInstrument.of(as_columns(row, name)) for row in found.rows)
    return CadenzaSide(name, instruments, (*found.notes, *_removals(instruments)))


def _removals(instruments: Sequence[CadenzaInstrument]) -> list[str]:
    if any(instrument.delisted for instrument in instruments):
        return []
    return [
        "Cadenza lists no DELISTED instrument. If it keeps them out of the list (contract N6), "
        "what it delisted is told as missing in Cadenza."
    ]
