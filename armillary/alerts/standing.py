"""How a subject stands, from run to run, and what of it is news.

One small JSON object per subject below ``alerts/`` in the run records. It is written by
compare-and-swap: of two runs that learn the same, one tells it. Losing it is safe, and whatever is
wrong with it never fails a run: what is bad is then told once more.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from armillary.alerts.subject import Subject
from armillary.errors import ConfigurationError
from armillary.runs.objects import Versioned
from armillary.runs.store import RunStore

logger = logging.getLogger(__name__)

TRIES = 5
"""Conditional writes in a row that another run won; after them, what is bad is told anyway."""


class Kind(StrEnum):
    """How the last run of a subject left it."""

    GOOD = "good"
    WITHHELD = "withheld"
    """Waits for a person."""
    REJECTS = "rejects"
    """Stopped by too many rejects."""
    PARTIAL = "partial"
    FAILED = "failed"
    CRASHED = "crashed"
    """The process died. To people it is the same trouble as a failure, told once."""


_SAME = {Kind.CRASHED: Kind.FAILED}


class Standing(msgspec.Struct, frozen=True):
    """How a subject stands, and since when."""

    kind: Kind
    since: datetime
    """When it turned good, or bad; another kind of bad does not change it."""
    run_id: str
    """The run that was told last, or that found it good again."""


@dataclass(frozen=True)
class News:
    """Something that people have not been told yet."""

    subject: Subject
    kind: Kind
    before: Kind
    since: datetime
    """When the trouble began: for good news, the one that is over."""

    @property
    def cleared(self) -> bool:
        """Whether it is good news."""
        return self.kind is Kind.GOOD


_read = msgspec.json.Decoder(Standing).decode


def learn(
    store: RunStore, subject: Subject, kind: Kind, *, run_id: str, now: datetime
) -> News | None:
    """Note how a run left its subject; returns what is news, None where nothing is.

    Never raises: where nothing can be kept, what is bad is news, and what is good is not.

    Args:
        store: the run records all workers share.
        subject: what the run was about.
        kind: how the run left it.
        run_id: of the run.
        now: when it ended.
    """
    try:
        return _learn(store, subject, kind, run_id, now)
    except ConfigurationError as error:
        logger.warning("How %s stands cannot be kept: %s", subject.words, error)
        return None if kind is Kind.GOOD else News(subject, kind, Kind.GOOD, now)


def _learn(
    store: RunStore, subject: Subject, kind: Kind, run_id: str, now: datetime
) -> News | None:
    news: News | None = None
    for _ in range(TRIES):
        found = store.read_versioned(subject.key)
        before = _standing(found, now)
        news = _news(subject, before, kind, now)
        if news is None:
            return None
        since = now if news.cleared or before.kind is Kind.GOOD else before.since
        after = msgspec.json.encode(Standing(kind, since, run_id))
        if _written(store, subject.key, after, found):
            return news
    # Something wins every time: rather twice than never.
    return None if kind is Kind.GOOD else news


def _standing(found: Versioned | None, now: datetime) -> Standing:
    """What was kept; a subject nobody knows was good, a damaged record means trouble."""
    if found is None:
        return Standing(Kind.GOOD, now, "")
    try:
        return _read(found.content)
    except msgspec.DecodeError:
        return Standing(Kind.FAILED, now, "")


def _news(subject: Subject, before: Standing, kind: Kind, now: datetime) -> News | None:
    known = before.run_id != ""
    same = _SAME.get(before.kind, before.kind) is _SAME.get(kind, kind)
    if same and (known or kind is Kind.GOOD):
        return None
    since = now if before.kind is Kind.GOOD else before.since
    return News(subject, kind, before.kind, since)


def _written(store: RunStore, key: str, content: bytes, found: Versioned | None) -> bool:
    """Whether this run's word is the one that is kept."""
    if found is None and store.create(key, content):
        return True
    if found is not None and store.swap(key, content, found.version):
        return True
    return store.read(key) == content  # the answer to an own write may have been lost
