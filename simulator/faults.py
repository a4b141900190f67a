"""The fault plan: ordered rules, then seeded random faults (reliability 1.1)."""

from __future__ import annotations

import random
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from simulator.exchange import Incoming, Location

Action = Literal[
    "status",
    "delay",
    "drop_before",
    "drop_after",
    "truncate",
    "html",
    "empty",
    "wrong_content_type",
    "redirect",
    "slow_drip",
    "blackhole",
    "expired_cursor",
    "early_last_page",
    "repeat_page",
    "same_cursor",
    "null_cursor_with_more",
    "reorder",
    "duplicate_rows",
    "change_between_pages",
    "job",
]

PAGE_ACTIONS: Final = frozenset(
    {
        "early_last_page",
        "repeat_page",
        "same_cursor",
        "null_cursor_with_more",
        "reorder",
        "duplicate_rows",
    }
)
"""Faults that alter a list; on any other answer they do nothing."""


class Change(BaseModel):
    """A write the simulator makes itself, uncounted, with the rights of an admin."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    method: str
    path: str
    json_body: Any = Field(None, alias="json")


class JobScript(BaseModel):
    """How the job made by the matched request goes wrong (J01 to J05, J12, J19)."""

    model_config = ConfigDict(extra="forbid")

    status: str | None = None
    """End state, also one nobody has heard of; ``processing``: never ends."""
    errors: list[Any] | None = None
    no_link: bool = False
    lost: bool = False
    """The job answers 404 after its creation."""
    empty_file: bool = False
    polls: int | None = None
    """GETs until it is final, instead of ``job_polls``."""
    rows_imported: int | None = None
    """Told instead of the truth."""


class Rule(BaseModel):
    """One fault: which requests, when, and what happens to them."""

    model_config = ConfigDict(extra="forbid")

    method: str = "*"
    path: str = "*"
    """Template (``/instruments/{id}``) or glob of the path below the workspace."""
    workspace: str | None = None
    """Workspace as written in the path; none: any."""
    contains: str | None = None
    """Text that must occur in the path, the query or the body."""
    after: int = Field(0, ge=0)
    """Matching requests that pass unharmed first."""
    nth: int | None = Field(None, ge=1)
    """Only this matching request, instead of ``after`` and ``times``."""
    times: int | None = Field(1, ge=1)
    """How many requests are hit; none: all that follow."""

    action: Action
    work: bool = False
    """For status, html, empty, blackhole: do the work first, then answer so."""
    status: int = Field(500, ge=100, le=599)
    headers: dict[str, str] = Field(default_factory=dict)
    body: str | None = None
    """Body of status and html faults; none: the service's own error body."""
    retry_after: str | int | None = None
    """Retry-After as given; ``date:N`` becomes the HTTP date N seconds from now."""
    seconds: float = Field(0.0, ge=0)
    """Length of a delay; upper bound of a blackhole (0: 300)."""
    bytes: int = Field(10, ge=0)
    """Body bytes sent before a truncation; bytes a second of a slow drip."""
    how: Literal["reset", "close"] = "reset"
    """How a connection is dropped: RST or FIN."""
    location: str = "https://elsewhere.example.invalid/login"
    changes: list[Change] = Field(default_factory=list)
    """Made after the page was read, for change_between_pages."""
    job: JobScript = Field(default_factory=JobScript)

    def matches(self, incoming: Incoming, location: Location) -> bool:
        """Whether the request is one this rule is about."""
        return (
            self.method in ("*", incoming.method)
            and (self.workspace in (None, location.scope))
            and (
                self.path == location.template
                or fnmatchcase(location.path, self.path)
                or fnmatchcase(location.template, self.path)
            )
            and (self.contains is None or _contains(incoming, self.contains))
        )


class FaultRates(BaseModel):
    """Chances, 0 to 1, that a request suffers a fault; of the first that strikes."""

    model_config = ConfigDict(extra="forbid")

    status_500: float = Field(0.0, ge=0, le=1)
    status_503: float = Field(0.0, ge=0, le=1)
    status_429: float = Field(0.0, ge=0, le=1)
    drop_before: float = Field(0.0, ge=0, le=1)
    drop_after: float = Field(0.0, ge=0, le=1)
    truncate: float = Field(0.0, ge=0, le=1)
    html: float = Field(0.0, ge=0, le=1)
    empty: float = Field(0.0, ge=0, le=1)
    delay: float = Field(0.0, ge=0, le=1)
    delay_seconds: float = Field(0.05, ge=0)
    duplicate_rows: float = Field(0.0, ge=0, le=1)
    reorder: float = Field(0.0, ge=0, le=1)
    expired_cursor: float = Field(0.0, ge=0, le=1)
    path: str = "*"
    """Glob of the paths that are at risk."""


class FaultPlan:
    """Decides, request by request, what goes wrong."""

    def __init__(self, rules: Iterable[Rule], rates: FaultRates, seed: int) -> None:
        self._rules = list(rules)
        self._seen = [0] * len(self._rules)
        self._rates = rates
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._chances = [
            (name, rate)
            for name, rate in rates.model_dump(exclude={"path", "delay_seconds"}).items()
            if rate > 0
        ]

    def decide(self, incoming: Incoming, location: Location) -> Rule | None:
        """The fault of this request; the first rule that is due wins."""
        for position, rule in enumerate(self._rules):
            if not rule.matches(incoming, location):
                continue
            self._seen[position] += 1
            if _due(rule, self._seen[position]):
                return rule
        return self._at_random(location) if self._chances else None

    def _at_random(self, location: Location) -> Rule | None:
        if not fnmatchcase(location.path, self._rates.path):
            return None
        throw = self._random.random()
        for name, rate in self._chances:
            throw -= rate
            if throw < 0:
                return self._rule(name)
        return None

    def _rule(self, name: str) -> Rule:
        if name.startswith("status_"):
            status = int(name[len("status_") :])
            return Rule(
                action="status", status=status, retry_after=1 if name == "status_429" else None
            )
        return Rule.model_validate({"action": name, "seconds": self._rates.delay_seconds})


def _due(rule: Rule, seen: int) -> bool:
    if rule.nth is not None:
        return seen == rule.nth
    return seen > rule.after and (rule.times is None or seen <= rule.after + rule.times)


def _contains(incoming: Incoming, text: str) -> bool:
    return (
        text in incoming.raw_path
        or text in incoming.query_string
        or text.encode() in incoming.body[:65536]
    )
