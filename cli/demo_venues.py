"""The middle of the demo: trading venues, refreshed in Cadenza and published into Ptolemy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from armillary.settings import Settings
from armillary.venues.outcome import VenuesResult
from armillary.venues.published import Published
from cli.publish import print_published, run_publish
from cli.venues import print_venues, run_venues

VENUE = "BINANCE"
PAIRS = ["BTC/USDT", "ETH/USDT"]
NEW_PAIR = "ARML/USDT"


@dataclass(frozen=True)
class VenueScene:
    """One step of the story."""

    title: str
    told: str
    state: str
    """The state the story needs; anything else means that the demo is broken."""
    play: Callable[[Settings], VenuesResult | Published]
    mode: Literal["apply"] = "apply"


def scenes(control_url: str) -> Iterator[VenueScene]:
    """The scenes, each to be played before the next one is taken.

    Args:
        control_url: of the simulator, where the exchanges are made to move.
    """

    def on_exchange(do: str, **what: Any) -> None:
        body = {"do": do, "venue": VENUE, **what}
        httpx.post(f"{control_url}/cadenza", json=body, timeout=60).raise_for_status()

    yield VenueScene(
        "The night's refresh of every venue",
        "Cadenza holds a copy of what each exchange lists. Every venue that is online is "
        "refreshed, each as a task run of its own; one that fails would leave the others alone.",
        "Completed",
        lambda settings: run_venues(settings, [], []),
    )
    for pair in PAIRS:
        on_exchange("change_on_exchange", symbol=pair, pipSize="0.05")
    yield VenueScene(
        f"Two pairs of {VENUE}, right now",
        "The exchange has changed the tick size of two pairs at noon. The same flow refreshes just "
        "those, by its parameters: from the command, from the form in the UI, or on a schedule.",
        "Completed",
        lambda settings: run_venues(settings, [VENUE], PAIRS),
    )
    on_exchange("list_on_exchange", rows=[{"symbol": NEW_PAIR}])
    yield VenueScene(
        f"{VENUE} lists a new pair: published everywhere",
        f"{NEW_PAIR} is listed now and needed in Ptolemy in a minute. One run refreshes the venue "
        "in Cadenza and then syncs it; today for the first time, so all its pairs are created. Its "
        "scope is the venue: no other venue's instrument can ever be archived by it.",
        "Completed",
        lambda settings: run_publish(settings, VENUE, [], "apply"),
    )


def show(result: VenuesResult | Published) -> None:
    """A result for a person."""
    if isinstance(result, VenuesResult):
        print_venues(result)
    else:
        print_published(result)
