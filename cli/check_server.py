"""What ``armillary check`` asks of a Prefect server: what runs by itself stands on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import prefect
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateName,
)
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from armillary.readiness.deployments import (
    Deployment,
    blocks_in,
    check_deployments,
    described_in,
    parameter_sets,
    venues_in,
)
from armillary.readiness.finding import Finding, Level, looked_at, words_of
from armillary.readiness.machine import check_heartbeat, check_zones
from armillary.readiness.stores import check_runs
from armillary.readiness.workers import Pool, Worker, WorkersRun, check_pool, check_shared_runs
from armillary.runs.store import RunStore
from armillary.settings import Settings
from cli.check_alerts import about_alerts
from cli.check_blocks import NamedBlocks

ANSWER_SECONDS = 10.0
A_PAGE = 200
TAG = "armillary"
"""Of the deployments of this collection."""

SYNC = "sync-instruments"
LEFT_A_RECORD = ["Completed", "CompletedWithRejects", "Withheld", "Planned", "PlannedWithheld"]
"""States of syncs that leave a record for certain."""

LATELY = timedelta(days=7)


class Server:
    """The Prefect server that is configured, and what was found on it."""

    def __init__(self, settings: Settings, described: Path | None) -> None:
        """Nothing is asked yet.

        Args:
            settings: of this machine.
            described: a prefect.yaml; None where there is none.
        """
        self._settings = settings
        self._path = described
        self._described: list[Deployment] = []
        self._deployed: list[Deployment] = []
        self._ids: dict[str, Any] = {}
        self._pools: list[Pool] = []
        self._blocks: NamedBlocks | None = None

    @property
    def ptolemy_urls(self) -> list[str]:
        """Addresses of Ptolemy, by the workspaces that deployments name."""
        return self._blocks.ptolemy_urls if self._blocks else []

    def findings(self, store: RunStore) -> Iterator[Finding]:
        """Everything that can be said of it; only a server that does not answer ends this early.

        Args:
            store: run records of this machine.
        """
        # Prefect's client repeats by itself for over a minute, and says nothing meanwhile.
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            client = get_client(httpx_settings={"timeout": ANSWER_SECONDS}, sync_client=True)
            with client:
                yield from self._asked(client, store)

    def _asked(self, client: SyncPrefectClient, store: RunStore) -> Iterator[Finding]:
        answering = _server(client)
        yield answering
        if answering.level is Level.FAILED:
            yield check_runs(store)
            return
        yield from looked_at("deployments", lambda: self._deployments(client))
        yield check_zones(self._zones())
        if self._deployed:
            for pool in sorted({one.pool for one in self._deployed if one.pool}):
                yield from looked_at(f"work pool {pool}", _later(self._pool, client, pool))
            self._blocks = NamedBlocks(self._deployed, self._settings)
            yield from self._blocks.findings()
            yield from looked_at("alerts", lambda: about_alerts(client, self._path))
            yield check_heartbeat(self._settings.heartbeat_url.get_secret_value())
        yield from looked_at("run records", lambda: self._runs(client, store))

    def _zones(self) -> set[str]:
        return {zone for one in (*self._described, *self._deployed) for zone in one.zones}

    def _deployments(self, client: SyncPrefectClient) -> Iterator[Finding]:
        everything = _deployments(client)
        if self._path is None:
            self._deployed = [one for one, found in everything if TAG in found.tags]
            yield Finding(
                "deployments",
                Level.WARNING,
                f"{len(self._deployed)} with the tag {TAG} are on the server; there is no "
                "prefect.yaml to compare them with",
                "Name the file that you deploy from with --prefect-file.",
            )
        else:
            self._described = described_in(self._path)
            names = {one.name for one in self._described}
            self._deployed = [one for one, _ in everything if one.name in names]
            yield from check_deployments(self._described, self._deployed)
        self._ids = {one.name: found.id for one, found in everything}

    def _pool(self, client: SyncPrefectClient, name: str) -> Iterator[Finding]:
        pool = _pool(client, name)
        if pool:
            self._pools.append(pool)
        yield check_pool(name, pool, datetime.now(UTC))

    def _runs(self, client: SyncPrefectClient, store: RunStore) -> Iterator[Finding]:
        yield check_shared_runs(store, self._pools, self._newest(client))

    def _newest(self, client: SyncPrefectClient) -> WorkersRun | None:
        """The last sync that a worker made into a workspace which could be opened."""
        opened = self._blocks.workspace_ids if self._blocks else {}
        syncs = {
            self._ids[one.name]: one
            for one in self._deployed
            if one.flow == SYNC and one.given[0].get("workspace") in opened
        }
        if not syncs:
            return None
        state = FlowRunFilterState(name=FlowRunFilterStateName(any_=LEFT_A_RECORD))
        runs = client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=list(syncs))),
            # What is older may have been cleared away.
            flow_run_filter=FlowRunFilter(
                state=state, end_time=FlowRunFilterEndTime(after_=datetime.now(UTC) - LATELY)
            ),
            sort=FlowRunSort.END_TIME_DESC,
            limit=20,
        )
        for run in runs:
            # A form or a schedule may have named another workspace than the deployment does.
            workspace = opened.get(blocks_in(run.parameters).get("workspace", ""))
            if workspace and run.deployment_id in syncs:
                name = f"{run.name} of {syncs[run.deployment_id].name}"
                return WorkersRun(name, f"{workspace}/runs/{run.id}/plan.json")
        return None


def _later(
    look: Callable[..., Iterator[Finding]], *arguments: Any
) -> Callable[[], Iterator[Finding]]:
    return lambda: look(*arguments)


def _server(client: SyncPrefectClient) -> Finding:
    """Whether it answers, lets us in, and is no older than what is installed here."""
    subject = "Prefect server"
    where = _shown(str(PREFECT_API_URL.value() or ""))
    try:
        theirs = client.api_version()
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        if status == httpx.codes.NOT_FOUND:
            return Finding(subject, Level.OK, f"{where} answers, and does not tell its version")
        return Finding(
            subject,
            Level.FAILED,
            f"{where} answered {status}",
            "It asks for credentials: set PREFECT_API_KEY or PREFECT_API_AUTH_STRING."
            if status in {401, 403}
            else "Look at the server's log.",
        )
    except (httpx.HTTPError, ValueError) as error:
        return Finding(
            subject,
            Level.FAILED,
            f"{where} does not answer ({words_of(error)})",
            "Start it, or correct PREFECT_API_URL. No schedule runs while it is away.",
        )
    ours = prefect.__version__
    if _minor(theirs) < _minor(ours):
        return Finding(
            subject,
            Level.WARNING,
            f"{where} is {theirs}, older than the {ours} that is installed here",
            "Upgrade the server before its workers.",
        )
    return Finding(subject, Level.OK, f"{where} is {theirs}; {ours} is installed here")


def _minor(version: str) -> tuple[int, ...]:
    parts = version.split(".")[:2]
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()


def _shown(address: str) -> str:
    """Without user, password and query."""
    url = httpx.URL(address)
    return str(url.copy_with(username=None, password=None, query=None))


def _deployments(client: SyncPrefectClient) -> Sequence[tuple[Deployment, DeploymentResponse]]:
    """Everything that is deployed, also what is not of this collection."""
    found: list[DeploymentResponse] = []
    for page in count():
        rows = client.read_deployments(limit=A_PAGE, offset=page * A_PAGE)
        found += rows
        if len(rows) < A_PAGE:
            break
    flows = {flow_id: client.read_flow(flow_id).name for flow_id in {one.flow_id for one in found}}
    return [(_deployment(one, flows[one.flow_id]), one) for one in found]


def _deployment(found: DeploymentResponse, flow: str) -> Deployment:
    sets = parameter_sets(found.parameters, [one.parameters for one in found.schedules])
    zones = (getattr(one.schedule, "timezone", None) for one in found.schedules)
    return Deployment(
        name=f"{flow}/{found.name}",
        version=found.version or "",
        pool=found.work_pool_name or "",
        schedules={one.slug or str(one.id): one.active for one in found.schedules},
        zones=frozenset(zone for zone in zones if zone),
        given=tuple(blocks_in(one) for one in sets),
        venues=frozenset(venue for one in sets for venue in venues_in(one)),
        paused=found.paused,
    )


def _pool(client: SyncPrefectClient, name: str) -> Pool | None:
    try:
        pool = client.read_work_pool(name)
    except ObjectNotFound:
        return None
    workers = client.read_workers_for_work_pool(name)
    return Pool(
        name,
        pool.type,
        paused=pool.is_paused,
        workers=tuple(
            Worker(one.name, one.status == "ONLINE", one.last_heartbeat_time) for one in workers
        ),
    )
