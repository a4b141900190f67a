"""Is Cadenza ready: the platform, the account, a venue that a feed is of?

Costs a login, the health and the list of venues.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from armillary.api.cadenza import Cadenza
from armillary.errors import ArmillaryError
from armillary.readiness.finding import Finding, Level, failed


def check_cadenza(cadenza: Cadenza, block: str = "") -> Finding:
    """Whether Cadenza is well, lets the account in, and has venues online.

    Args:
        cadenza: a client of the account; its health is asked without a token (contract section 4).
        block: that holds the account; blank for the environment.
    """
    where = f"Cadenza {cadenza.connection.environment}"
    subject = f"{block}, {where}" if block else where
    try:
        health = cadenza.health()
        venues = cadenza.venues()
    except ArmillaryError as error:
        return failed(subject, error)
    online = sum(venue.online for venue in venues)
    found = f"{online} of {len(venues)} venues online"
    if health.status != "healthy":
        ill = sorted(part for part, status in health.checks.items() if status != "healthy")
        parts = f" ({', '.join(ill)})" if ill else ""
        level = Level.WARNING if health.up else Level.FAILED
        advice = "Refreshes may fail; look again later, or ask Cadenza's support."
        return Finding(subject, level, f"says it is {health.status}{parts}; {found}", advice)
    if not online:
        return Finding(
            subject,
            Level.WARNING,
            f"the account works; {found}",
            "No venue can be refreshed or published now; look again later.",
        )
    return Finding(subject, Level.OK, f"healthy, the account works; {found}")


def check_venues(cadenza: Cadenza, names: Iterable[str], block: str) -> Iterator[Finding]:
    """Whether the venues that deployments or feeds name are there; nothing where all are online.

    Args:
        cadenza: a client of the account.
        names: of venues, in any case.
        block: or whatever else names them, for people.
    """
    known = {venue.name.upper(): venue for venue in cadenza.venues()}
    for name in sorted({name.upper() for name in names}):
        venue = known.get(name)
        if venue is None:
            yield Finding(
                f"{block}, {name}",
                Level.FAILED,
                f"Cadenza has no venue {name}; it has {', '.join(sorted(known)) or 'none'}",
                "Correct the name.",
            )
        elif not venue.online:
            yield Finding(
                f"{block}, {name}",
                Level.WARNING,
                f"{name} is {venue.status}",
                "It can be neither refreshed nor published now; look again later.",
            )
