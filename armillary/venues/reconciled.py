"""What a comparison of Cadenza with Ptolemy found, for people and for scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from armillary.markdown import plain

Against = Literal["instruments", "listings"]

EXIT_CODES = {"Completed": 0, "Failed": 1}
"""Of the command. That the two sides differ is an answer, and no failure."""


@dataclass(frozen=True, slots=True)
class Found:
    """One instrument that is not the same on both sides."""

    identifier: str
    """Cadenza's; Ptolemy's for what Cadenza does not list."""
    status: str = ""
    """Cadenza's word; blank for what it does not list."""
    record: str = ""
    """What Ptolemy calls it: an identifier, or the local code of a listing. Blank: no record."""
    id: str = ""
    """UUID of that record."""


@dataclass(frozen=True, slots=True)
class Differing:
    """One size that is another number on each side."""

    identifier: str
    field: str
    cadenza: str
    """As Cadenza writes it."""
    ptolemy: str
    """As Ptolemy writes it; blank where it holds none."""
    record: str = ""
    id: str = ""


@dataclass(frozen=True)
class Findings:
    """All that is not the same."""

    missing_in_ptolemy: tuple[Found, ...] = ()
    """Listed there and not delisted, with no record here at all."""
    missing_in_cadenza: tuple[Found, ...] = ()
    """Active here, and not listed there under any status."""
    delisted_but_live: tuple[Found, ...] = ()
    live_but_archived: tuple[Found, ...] = ()
    suspended_but_trading: tuple[Found, ...] = ()
    """Listings with a suspension that is in force now."""
    unclear: tuple[Found, ...] = ()
    """Records whose local code means several instruments, or that share one: not compared."""
    differing: tuple[Differing, ...] = ()
    unknown_statuses: Mapping[str, int] = field(default_factory=dict)
    """Words of Cadenza that are not documented, with how many instruments have each (D11)."""
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each kind."""
        return {name: len(getattr(self, name)) for name in WORDS}


WORDS = {
    "missing_in_ptolemy": "missing in Ptolemy",
    "missing_in_cadenza": "missing in Cadenza",
    "delisted_but_live": "delisted there, live here",
    "live_but_archived": "live there, archived here",
    "suspended_but_trading": "trading there, suspended here",
    "unclear": "not to be told apart",
    "differing": "differing",
}
"""The kinds of finding, as a person reads them, in the order of a report."""


@dataclass(frozen=True)
class VenueComparison:
    """A venue in Cadenza and in Ptolemy, compared; its keys are public (the command's ``--json``).

    Cadenza's list was whole and so was Ptolemy's: otherwise there is no comparison.
    """

    environment: str
    """Of Cadenza: production, UAT, or a host."""
    venue: str
    workspace: str
    against: Against
    of: str
    """The instrument type, or the market, whose records were compared."""
    cadenza_instruments: int
    ptolemy_records: int
    """Archived ones included."""
    findings: Findings
    calls: Mapping[str, int]
    """API calls of this run to ``cadenza`` and to ``ptolemy``."""
    run_id: str
    state: Literal["Completed"] = "Completed"

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not any(self.findings.counts.values())

    @property
    def exit_code(self) -> int:
        """What the command exits with."""
        return EXIT_CODES[self.state]

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        facts = asdict(self)
        found = facts.pop("findings")
        state = facts.pop("state")
        return {"state": state, **facts, "counts": self.findings.counts, **found}


def headline(result: VenueComparison) -> str:
    """The answer in one line."""
    sides = (
        f"{result.venue} in {result.environment} ({result.cadenza_instruments:,} instruments) and "
        f"the {result.against} of {_of(result)} in workspace {result.workspace} "
        f"({result.ptolemy_records:,})"
    )
    told = [
        f"{count:,} {_words(name, count)}"
        for name, count in result.findings.counts.items()
        if count
    ]
    return f"{sides}: {', '.join(told)}." if told else f"{sides} agree."


def count_rows(result: VenueComparison) -> list[dict[str, str]]:
    """How many there are of each kind, as a table."""
    counts = result.findings.counts
    return [{"finding": words, "count": f"{counts[name]:,}"} for name, words in WORDS.items()]


def finding_rows(result: VenueComparison, most: int) -> list[dict[str, str]]:
    """What was found as a table, cut after so many rows; the last row says how many are left."""
    rows = list(_rows(result.findings))
    shown = rows[:most]
    if len(rows) > most:
        shown.append({**dict.fromkeys(rows[0], ""), "finding": f"… and {len(rows) - most:,} more"})
    return shown


def summary(result: VenueComparison, most: int) -> str:
    """The whole story as markdown; its table is cut after ``most`` rows."""
    parts = [
        f"# {result.venue} in {result.environment} and workspace {result.workspace}",
        f"**{headline(result)}** Nothing was written on either side.",
        _table(count_rows(result)),
    ]
    if rows := finding_rows(result, most):
        parts += ["## What was found", _table(rows)]
    parts += [f"Note: {note}" for note in result.findings.notes]
    parts.append(f"{cost(result)} Run `{result.run_id}`.")
    return "\n\n".join(parts)


def cost(result: VenueComparison) -> str:
    """The calls it took, in words."""
    told = " and ".join(f"{count:,} to {name.title()}" for name, count in result.calls.items())
    return f"API calls: {told}."


def _of(result: VenueComparison) -> str:
    kind = "type" if result.against == "instruments" else "market"
    return f"{kind} {result.of}"


def _words(name: str, count: int) -> str:
    if name == "differing":
        return "size that differs" if count == 1 else "sizes that differ"
    return WORDS[name]


def _rows(findings: Findings) -> Iterator[dict[str, str]]:
    for name, words in WORDS.items():
        for found in getattr(findings, name):
            yield _differing(found) if isinstance(found, Differing) else _found(words, found)


def _found(words: str, found: Found) -> dict[str, str]:
    return {
        "finding": words,
        "identifier": found.identifier,
        "in Cadenza": found.status,
        "in Ptolemy": found.record,
    }


def _differing(found: Differing) -> dict[str, str]:
    return {
        "finding": f"differing {found.field}",
        "identifier": found.identifier,
        "in Cadenza": found.cadenza,
        "in Ptolemy": found.ptolemy or "∅",
    }


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(map(plain, line))} |" for line in lines)
