"""How long a job is thought to take: when it is asked for, and what that costs before it runs.

Nothing documents how fast Ptolemy imports and exports. The figures here are assumptions, on the
slow side of what was seen, and every place that shows what comes of them says so.
"""

from __future__ import annotations

import math

from armillary.backup.job_runner import Patience

ROWS_PER_SECOND = 5000
"""Assumed of imports and exports alike."""

ANSWER_SECONDS = 0.2
"""Assumed of a single request."""

IN_FLIGHT = 10
"""Assumed of requests under way at once (``max_in_flight`` of a workspace, unless said)."""

LONGEST_FIRST_POLL_SECONDS = 10.0

LEAST_PATIENCE_SECONDS = 120.0
LEAST_IMPORT_SECONDS = 900.0
TIMES_AS_LONG = 4

LEAST_POLLS = 2
"""A job is seldom done when it is asked for the first time."""


def patience_for(rows: int, *, first_poll_seconds: float, deadline_seconds: float) -> Patience:
    """How to wait for a job of so many rows: a large one is not asked for at once.

    Args:
        rows: the job has, or is thought to have.
        first_poll_seconds: when a small job is asked for first.
        deadline_seconds: how long any job may take.
    """
    first = min(rows / (2 * ROWS_PER_SECOND), LONGEST_FIRST_POLL_SECONDS)
    return Patience(
        first_poll_seconds=max(first, first_poll_seconds), deadline_seconds=deadline_seconds
    )


def job_calls(rows: int) -> int:
    """Calls one job is thought to take: submitted once, asked for until it is done."""
    patience = patience_for(rows, first_poll_seconds=1.0, deadline_seconds=math.inf)
    wait, polls, passed = patience.first_poll_seconds, 0, 0.0
    while passed < job_seconds(rows) or polls < LEAST_POLLS:
        passed += wait
        wait = min(wait * patience.growth, patience.most_poll_seconds)
        polls += 1
    return 1 + polls


def job_seconds(rows: int) -> float:
    """Seconds one job is thought to take."""
    return rows / ROWS_PER_SECOND


def patience_seconds(calls: int) -> float:
    """How long a job may take that stands for so many requests, one after another.

    An export nobody works on must not keep a run for hours that pages could have read in minutes.
    """
    return max(LEAST_PATIENCE_SECONDS, TIMES_AS_LONG * calls * ANSWER_SECONDS)


def import_seconds(rows: int) -> float:
    """How long an import of so many rows may take before it is given up."""
    return max(LEAST_IMPORT_SECONDS, TIMES_AS_LONG * job_seconds(rows))


def request_seconds(calls: int) -> float:
    """Seconds so many single requests are thought to take, several under way at once."""
    return calls * ANSWER_SECONDS / IN_FLIGHT
