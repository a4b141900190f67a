"""Is all of prefect.yaml on the server, of this version, and does it start by itself?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from armillary import __version__
from armillary.errors import ConfigurationError
from armillary.readiness.finding import Finding, Level

DEPLOY = "From the root of the clone: prefect --no-prompt deploy --all"

Given = Mapping[str, str]
"""Parameters of one set that name a block, with the block, as in ``feed: file-feed/vendor``."""


@dataclass(frozen=True)
class Deployment:
    """A deployment, as prefect.yaml describes it or as a server has it.

    Attributes:
        name: with its flow's, as in ``backup-workspace/backup-nightly``.
        version: of the deployment.
        pool: work pool that its runs go to.
        schedules: whether each is active, by its slug.
        zones: time zones of the schedules.
        given: the blocks it names: by its own parameters, then with those of each schedule.
        venues: of Cadenza that its parameters name.
        paused: whether no schedule counts.
    """

    name: str
    version: str
    pool: str
    schedules: Mapping[str, bool]
    zones: frozenset[str]
    given: tuple[Given, ...]
    venues: frozenset[str] = frozenset()
    paused: bool = False

    @property
    def flow(self) -> str:
        """The name of its flow."""
        return self.name.partition("/")[0]


def described_in(path: Path) -> list[Deployment]:
    """The deployments of a prefect.yaml.

    Raises:
        ConfigurationError: it cannot be read as one.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return [_described(entry) for entry in content["deployments"]]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read as a prefect.yaml ({type(error).__name__}).",
            next_step="Name the file that you deploy from with --prefect-file.",
        ) from None


def _described(entry: Mapping[str, Any]) -> Deployment:
    # A flow without a name of its own is called after its function; ours are (a test says so).
    flow = str(entry["entrypoint"]).replace(":", ".").rpartition(".")[2].replace("_", "-")
    schedules = entry.get("schedules") or []
    names = {
        str(one.get("slug") or number): bool(one.get("active", True))
        for number, one in enumerate(schedules, start=1)
    }
    sets = parameter_sets(entry.get("parameters"), [one.get("parameters") for one in schedules])
    return Deployment(
        name=f"{flow}/{entry['name']}",
        version=str(entry.get("version") or ""),
        pool=str((entry.get("work_pool") or {}).get("name") or ""),
        schedules=names,
        zones=frozenset(str(one["timezone"]) for one in schedules if one.get("timezone")),
        given=tuple(blocks_in(one) for one in sets),
        venues=frozenset(venue for one in sets for venue in venues_in(one)),
    )


def parameter_sets(own: Any, of_schedules: Sequence[Any]) -> list[Mapping[str, Any]]:
    """What a run may be started with: the deployment's own parameters, and with each schedule's."""
    base: dict[str, Any] = dict(own or {})
    return [base, *({**base, **(more or {})} for more in of_schedules)]


def blocks_in(parameters: Mapping[str, Any]) -> dict[str, str]:
    """The blocks that parameters name by reference: by slug, else by id."""
    found = {}
    for name, value in parameters.items():
        reference = value.get("$ref") if isinstance(value, Mapping) else None
        if isinstance(reference, Mapping):
            block = reference.get("block_document_slug") or reference.get("block_document_id")
            found[name] = str(block)
        elif isinstance(reference, str):
            found[name] = reference
    return found


def venues_in(parameters: Mapping[str, Any]) -> set[str]:
    """The venues of Cadenza that parameters name."""
    named = [parameters.get("venue"), *(parameters.get("venues") or [])]
    return {venue.strip() for venue in named if isinstance(venue, str) and venue.strip()}


def check_deployments(
    described: Sequence[Deployment], deployed: Sequence[Deployment]
) -> Iterator[Finding]:
    """Whether what is described is there, of this version, with its schedules at work.

    Args:
        described: of prefect.yaml.
        deployed: what the server has of it.
    """
    subject, there = "deployments", {found.name: found for found in deployed}
    if not there:
        yield Finding(
            subject,
            Level.WARNING,
            f"none of the {len(described)} of prefect.yaml is on the server: nothing starts by "
            "itself",
            f"{DEPLOY}. For commands alone none is needed.",
        )
        return
    missing = [one.name for one in described if one.name not in there]
    if missing:
        yield Finding(
            subject,
            Level.FAILED,
            f"not on the server: {', '.join(missing)}",
            f"{DEPLOY}. Take out of prefect.yaml what you do not use.",
        )
    else:
        yield Finding(subject, Level.OK, f"all {len(described)} of prefect.yaml are on the server")
    yield _versions(deployed)
    yield from _schedules(described, there)


def _versions(deployed: Sequence[Deployment]) -> Finding:
    subject = "their versions"
    other = [
        f"{one.name} ({one.version or 'none'})" for one in deployed if one.version != __version__
    ]
    if not other:
        return Finding(subject, Level.OK, f"{__version__}, as installed here")
    return Finding(
        subject,
        Level.WARNING,
        f"not of {__version__}, which is installed here: {', '.join(other)}",
        f"{DEPLOY}. Workers need the same version as well.",
    )


def _schedules(
    described: Sequence[Deployment], there: Mapping[str, Deployment]
) -> Iterator[Finding]:
    """Those that should be active and are not; one that is paused in prefect.yaml is meant so."""
    subject, wanted, resting = "schedules", 0, []
    for one in described:
        found = there.get(one.name)
        asked = [slug for slug, active in one.schedules.items() if active]
        if found is None or not asked:
            continue
        wanted += len(asked)
        still = [slug for slug in asked if found.paused or not found.schedules.get(slug)]
        if still:
            resting.append(f"{one.name} ({', '.join(still)})")
    if not resting:
        yield Finding(subject, Level.OK, f"all {wanted} are active")
        return
    yield Finding(
        subject,
        Level.WARNING,
        f"paused or missing: {', '.join(resting)}",
        "Nothing of these starts by itself: turn the schedule on at its deployment in the UI; if "
        "it is missing there, deploy again.",
    )
