"""Which rows of a backup are restored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from armillary.errors import ConfigurationError
from armillary.restore.order import RESTORE_ORDER

OF_MARKETS = frozenset({"markets", "market_calendars"})
"""What hangs on no instrument."""


@dataclass(frozen=True)
class Selection:
    """Types and, for a part, the names of instruments and markets.

    Attributes:
        resource_types: in the order of a restore.
        instruments: identifiers; only these, with all that hangs on them. None for all.
        markets: identifiers; only these, with their calendars. None for all.
    """

    resource_types: tuple[str, ...] = RESTORE_ORDER
    instruments: frozenset[str] | None = None
    markets: frozenset[str] | None = None

    @classmethod
    def of(
        cls, resource_types: Sequence[str] | None, identifiers: Sequence[str] | None
    ) -> Selection:
        """What a person asked for; an empty list from a form is "not given".

        Instruments by name bring what hangs on them and nothing else: the markets they are listed
        on must be there.

        Raises:
            ConfigurationError: a type does not exist, or hangs on no instrument.
        """
        asked = tuple(resource_types or ())
        unknown = sorted(set(asked) - set(RESTORE_ORDER))
        if unknown:
            raise ConfigurationError(
                f"There is no resource type {', '.join(unknown)}.",
                next_step=f"Choose from: {', '.join(RESTORE_ORDER)}.",
            )
        chosen = tuple(kind for kind in RESTORE_ORDER if not asked or kind in asked)
        if not identifiers:
            return cls(chosen)
        if alien := [kind for kind in asked if kind in OF_MARKETS]:
            raise ConfigurationError(
                f"{' and '.join(alien)} hang on no instrument, so identifiers of instruments "
                "choose nothing of them.",
                next_step="Restore them in a run of their own, without identifiers.",
            )
        chosen = tuple(kind for kind in chosen if kind not in OF_MARKETS)
        return cls(chosen, frozenset(identifiers), frozenset())

    @property
    def whole(self) -> bool:
        """Whether every row of its types is chosen."""
        return self.instruments is None and self.markets is None

    @property
    def words(self) -> str:
        """The same for equal selections, and another for every other."""
        return repr(
            (
                self.resource_types,
                None if self.instruments is None else sorted(self.instruments),
                None if self.markets is None else sorted(self.markets),
            )
        )

    def has(self, resource_type: str, key: tuple[str, ...]) -> bool:
        """Whether a row is chosen, by its natural key, which begins with what it hangs on."""
        names = self.markets if resource_type in OF_MARKETS else self.instruments
        return names is None or key[0] in names

    def may_be(self, resource_type: str, row: Mapping[str, Any]) -> bool:
        """Whether a row without a natural key would be chosen, as far as it tells by itself."""
        names = self.markets if resource_type in OF_MARKETS else self.instruments
        column = "market_id" if resource_type in OF_MARKETS else "instrument_id"
        return names is None or row.get(column) in names
