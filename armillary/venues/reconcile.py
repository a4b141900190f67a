"""Cadenza's instruments of a venue against Ptolemy's records of it. Pure.

An instrument and a record are one when the record's local code is the symbol or the external
symbol, or when its instrument's identifier is the ``instrumentId``. A name that means several on
either side pairs nothing: a wrong pair would hide two differences and make up a third.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation

from armillary.venues.reconciled import Differing, Findings, Found
from armillary.venues.sides import (
    TRADING,
    CadenzaInstrument,
    CadenzaSide,
    PtolemyRecord,
    PtolemySide,
)

_Pairs = list[tuple[CadenzaInstrument, PtolemyRecord]]
_Key = tuple[Callable[[CadenzaInstrument], str], Callable[[PtolemyRecord], str]]

_KEYS: Sequence[_Key] = (
    (lambda instrument: instrument.symbol, lambda record: record.local_code),
    (lambda instrument: instrument.external_symbol, lambda record: record.local_code),
    (lambda instrument: instrument.identifier, lambda record: record.identifier),
)

_NAMES = {"tick_size": "tick size", "lot_size": "lot size"}


def reconcile(cadenza: CadenzaSide, ptolemy: PtolemySide) -> Findings:
    """Tell what is not the same on both sides.

    An instrument with a status nobody knows counts neither as live nor as delisted (contract D11):
    only its sizes are compared. So are those of every pair that is live here, delisted ones aside.
    """
    pairing = _Pairing(cadenza.instruments, ptolemy.records)
    unclear = list(pairing.unclear())
    absent = [found for found in pairing.instruments_left if not found.delisted]
    live = [pair for pair in pairing.pairs if not pair[1].archived]
    kept = [pair for pair in live if not pair[0].delisted]
    return Findings(
        missing_in_ptolemy=tuple(
            Found(found.identifier, found.status) for found in absent if found.known_status
        ),
        missing_in_cadenza=tuple(
            Found(record.identifier or record.name, "", record.name, record.id)
            for record in pairing.records_left
        ),
        delisted_but_live=_told(pair for pair in live if pair[0].delisted),
        live_but_archived=_told(
            (found, record)
            for found, record in pairing.pairs
            if record.archived and found.known_status and not found.delisted
        ),
        suspended_but_trading=_told(
            (found, record)
            for found, record in live
            if record.suspended and found.status == TRADING
        ),
        unclear=tuple(unclear),
        differing=tuple(_differing(kept, ptolemy.sizes)),
        unknown_statuses=_unknown(cadenza.instruments),
        notes=(
            *cadenza.notes,
            *ptolemy.notes,
            *_about_statuses(cadenza.instruments),
            *_about_case(pairing.by_case),
            *_about_sizes(kept, ptolemy.sizes),
        ),
    )


class _Pairing:
    """Which record is which instrument, and what is left on either side.

    Names are taken exactly first, then whatever their case (contract N7, Ptolemy's N3). Live
    instruments come before delisted ones, whose symbols are used again, and active records before
    archived ones.
    """

    def __init__(
        self, instruments: Sequence[CadenzaInstrument], records: Sequence[PtolemyRecord]
    ) -> None:
        self.pairs: _Pairs = []
        self.by_case: _Pairs = []
        """Those of the pairs whose names differ in upper and lower case."""
        self.instruments_left = list(instruments)
        self.records_left = [record for record in records if not record.archived]
        """Active ones alone: an archived record that means nothing is as it should be."""
        self._archived = [record for record in records if record.archived]
        for fold in (False, True):
            for delisted in (False, True):
                self._join_active(delisted=delisted, fold=fold)
        for fold in (False, True):
            self._join_archived(fold=fold)

    def unclear(self) -> Iterator[Found]:
        """Take out of what is left whatever could be a pair, if only it were the only one."""
        named: defaultdict[str, list[CadenzaInstrument]] = defaultdict(list)
        for instrument in self.instruments_left:
            for name in _names(instrument):
                named[name].append(instrument)
        taken: set[int] = set()
        for record in list(self.records_left):
            names = {record.local_code.casefold(), record.identifier.casefold()} - {""}
            several = {id(found): found for name in names for found in named.get(name, ())}
            if several:
                taken |= {id(record), *several}
                yield _unclear(several.values(), record)
        self.instruments_left = [one for one in self.instruments_left if id(one) not in taken]
        self.records_left = [one for one in self.records_left if id(one) not in taken]

    def _join_active(self, *, delisted: bool, fold: bool) -> None:
        for key in _KEYS:
            instruments = [one for one in self.instruments_left if one.delisted == delisted]
            self._add(_only_pairs(instruments, self.records_left, key, fold=fold), fold=fold)

    def _join_archived(self, *, fold: bool) -> None:
        for key in _KEYS:
            live = [one for one in self.instruments_left if not one.delisted]
            # Of several that were archived one after the other, the one that came last.
            last = {_name(key[1](record), fold=fold): record for record in self._archived}
            self._add(_only_pairs(live, list(last.values()), key, fold=fold), fold=fold)

    def _add(self, pairs: _Pairs, *, fold: bool) -> None:
        self.pairs += pairs
        if fold:
            self.by_case += pairs
        gone = {id(part) for pair in pairs for part in pair}
        self.instruments_left = [one for one in self.instruments_left if id(one) not in gone]
        self.records_left = [one for one in self.records_left if id(one) not in gone]
        self._archived = [one for one in self._archived if id(one) not in gone]


def _only_pairs(
    instruments: Iterable[CadenzaInstrument],
    records: Iterable[PtolemyRecord],
    key: _Key,
    *,
    fold: bool,
) -> _Pairs:
    """Pairs of which neither side has another candidate by this key."""
    theirs, ours = key
    found: defaultdict[str, tuple[list[CadenzaInstrument], list[PtolemyRecord]]]
    found = defaultdict(lambda: ([], []))
    for instrument in instruments:
        found[_name(theirs(instrument), fold=fold)][0].append(instrument)
    for record in records:
        found[_name(ours(record), fold=fold)][1].append(record)
    return [
        (listed[0], held[0])
        for name, (listed, held) in found.items()
        if name and len(listed) == len(held) == 1
    ]


def _names(instrument: CadenzaInstrument) -> set[str]:
    return {theirs(instrument).casefold() for theirs, _ in _KEYS} - {""}


def _unclear(several: Collection[CadenzaInstrument], record: PtolemyRecord) -> Found:
    statuses = dict.fromkeys(found.status for found in several)
    identifiers = ", ".join(found.identifier for found in several)
    return Found(identifiers, ", ".join(statuses), record.name, record.id)


def _name(text: str, *, fold: bool) -> str:
    return text.casefold() if fold else text


def _told(pairs: Iterable[tuple[CadenzaInstrument, PtolemyRecord]]) -> tuple[Found, ...]:
    return tuple(
        Found(found.identifier, found.status, record.name, record.id) for found, record in pairs
    )


def _differing(pairs: _Pairs, sizes: Iterable[str]) -> Iterator[Differing]:
    for found, record in pairs:
        for name in sorted(sizes, reverse=True):
            there, here = found.sizes.get(name, ""), record.sizes.get(name, "")
            if there and not _same_number(there, here):
                yield Differing(found.identifier, name, there, here, record.name, record.id)


def _same_number(first: str, second: str) -> bool:
    """``0.10`` is ``0.1``; what is no number is compared as it is written."""
    numbers = (_number(first), _number(second))
    if None in numbers:
        return first == second
    return numbers[0] == numbers[1]


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _unknown(instruments: Iterable[CadenzaInstrument]) -> dict[str, int]:
    words = Counter(found.status for found in instruments if not found.known_status)
    return {word or "(blank)": count for word, count in words.most_common()}


def _about_statuses(instruments: Sequence[CadenzaInstrument]) -> Iterator[str]:
    example = next((found for found in instruments if not found.known_status), None)
    if example is not None:
        told = ", ".join(f"{word} {count:,}" for word, count in _unknown(instruments).items())
        yield (
            f"Cadenza has instruments with a status nobody knows ({told}), the first is "
            f"{example.identifier}: they count neither as live nor as delisted."
        )


def _about_case(pairs: _Pairs) -> Iterator[str]:
    if pairs:
        found, record = pairs[0]
        yield (
            f"Taken for the same although upper and lower case differ: {len(pairs):,}. The first "
            f"is {found.identifier} in Cadenza and {record.name} in Ptolemy."
        )


def _about_sizes(pairs: _Pairs, sizes: frozenset[str]) -> Iterator[str]:
    for name, words in _NAMES.items():
        silent = sum(1 for found, _ in pairs if not found.sizes.get(name))
        if silent and name in sizes:
            yield (
                f"Cadenza tells no {words} of some instruments that are in both ({silent:,}): "
                "theirs was not compared."
            )
