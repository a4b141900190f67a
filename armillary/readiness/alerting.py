"""Is anybody told: the automations of automations.yaml, and the blocks that they send to?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from armillary.readiness.finding import Finding, Level

MAKE = "armillary alerts makes and mends them, and changes no others."


@dataclass(frozen=True)
class Automation:
    """An automation, as a server has it."""

    name: str
    enabled: bool
    blocks: tuple[str, ...]
    """That it sends to, as in ``custom-webhook/alerts``."""
    lost: int = 0
    """So many blocks that it sends to are gone."""


def check_automations(names: Sequence[str], there: Sequence[Automation]) -> Iterator[Finding]:
    """Whether each automation is there and active, and sends to a block that is there.

    Args:
        names: of automations.yaml.
        there: all automations of the server.
    """
    subject = "automations"
    ours = [one for one in there if one.name in names]
    missing = [name for name in names if name not in {one.name for one in ours}]
    resting = [one.name for one in ours if not one.enabled]
    if not ours:
        found = f"none of the {len(names)} of automations.yaml is on the server: nobody is told"
        yield Finding(subject, Level.WARNING, found, MAKE)
        return
    if missing:
        yield Finding(subject, Level.WARNING, f"not on the server: {_listed(missing)}", MAKE)
    if resting:
        todo = "Turn it on in the UI, under Automations."
        yield Finding(subject, Level.WARNING, f"switched off: {_listed(resting)}", todo)
    if not missing and not resting:
        found = f"all {len(names)} of automations.yaml are on the server, and switched on"
        yield Finding(subject, Level.OK, found)
    yield _notifications(ours)


def _notifications(ours: Sequence[Automation]) -> Finding:
    subject = "notifications"
    lost = [one.name for one in ours if one.lost]
    if lost:
        return Finding(
            subject,
            Level.FAILED,
            f"the block is gone that these send to: {_listed(lost)}",
            f"Make the block that automations.yaml names, then: {MAKE}",
        )
    blocks = sorted({block for one in ours for block in one.blocks})
    if not blocks:
        return Finding(subject, Level.WARNING, "no automation sends any: nobody is told", MAKE)
    return Finding(
        subject, Level.OK, f"go to {', '.join(blocks)}, which is there; none was sent to try it"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
