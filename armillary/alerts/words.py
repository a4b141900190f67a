"""What a notification says: what, how it is, since when, what to do, and where the run is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from armillary.alerts.standing import Kind, News

MOST_CHARS = 1500
"""Of what the run said itself; its report has all of it."""

MOST_NAMED = 10
"""So many subjects of one run are named; of more, their number is told."""

_HOW = {
    Kind.WITHHELD: "is withheld and waits for a person",
    Kind.REJECTS: "was stopped by too many rejects",
    Kind.PARTIAL: "is not whole",
    Kind.FAILED: "failed",
    Kind.CRASHED: "crashed",
}

_ADVICE = {
    Kind.WITHHELD: (
        "Read the report of the run. If its changes are right, start it again with the approval "
        "that the report gives; if not, have the source mended. Everything else was done."
    ),
    Kind.REJECTS: (
        "Read the report of the run and mend the rejected rows, or ask the vendor for the file "
        "again; then start the run again."
    ),
    Kind.PARTIAL: "Read the report of the run: it names what is missing and how to get it.",
    Kind.FAILED: "Do what the message says, then start the run again.",
    Kind.CRASHED: (
        "Look at the log of the run and of its worker, then start the run again: nothing is done "
        "twice, and what it held is given back or ends by itself in a few minutes."
    ),
}


@dataclass(frozen=True)
class Told:
    """The end of a run, as a notification tells it."""

    state: str
    """Name of the final state."""
    message: str
    """What the run said; without secrets."""
    run: str
    """Name of the run."""
    url: str
    """Of the run in the UI; blank where nobody knows it."""


def subjects(news: Sequence[News]) -> str:
    """What it is about; several subjects of one run are told at once."""
    named = [each.subject.words for each in news[:MOST_NAMED]]
    more = len(news) - len(named)
    return "; ".join([*named, *([f"and {more:,} more"] if more else [])])


def title(news: Sequence[News]) -> str:
    """One line: the subject of a mail.

    Args:
        news: of one run, all good or all bad; at least one.
    """
    first = news[0]
    about = first.subject.words if len(news) == 1 else f"{len(news):,} subjects of one run"
    if first.cleared:
        return f"Armillary: {about} {'is' if len(news) == 1 else 'are'} good again"
    if len(news) > 1:
        return f"Armillary: trouble with {about}"
    return f"Armillary: {about} {_HOW[first.kind]}"


def text(news: Sequence[News], told: Told) -> str:
    """The notification itself, one fact a line.

    Args:
        news: of one run, all good or all bad; at least one.
        told: the end of that run.
    """
    first = news[0]
    since = f"{min(each.since for each in news):%Y-%m-%d %H:%M} UTC"
    lines = [f"What: {subjects(news)}", f"State: {told.state}"]
    if first.cleared:
        lines.append(f"It was: {first.before.value} since {since}")
    else:
        lines += [f"Since: {since}", f"Message: {_cut(told.message)}"]
        lines.append(f"What to do: {_ADVICE[first.kind]}")
    lines.append(f"Run: {told.run}" + (f", {told.url}" if told.url else ""))
    return "\n".join(lines)


def _cut(message: str) -> str:
    said = " ".join(message.split()) or "none"
    return said if len(said) <= MOST_CHARS else f"{said[:MOST_CHARS]} …"
