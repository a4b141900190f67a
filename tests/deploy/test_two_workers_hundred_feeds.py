"""A hundred feeds over two workers: one work pool, one token, one limit for both.

The Prefect server keeps its data in PostgreSQL, as one that serves several workers should: its own
file is locked now and then under so many runs, and then a run that could not be begun is lost.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import (
    GlobalConcurrencyLimitCreate,
    WorkPoolCreate,
    WorkPoolUpdate,
)
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import FlowRun
from pydantic import SecretStr

from blocks import FileFeed, PtolemyWorkspace
from simulator import Simulator
from tests.deploy.machines import Machine, worker
from tests.deploy.test_two_workers import BUCKET, Site
from tests.real.postgresql import PostgreSql, postgresql
from tests.runs.s3 import LoopbackS3
from tests.servers import ROOT, Server, own_server
from tests.sync.chain import csv_file, vendor, vendor_rows

pytestmark = [pytest.mark.flow, pytest.mark.long, pytest.mark.timeout(3600)]

FEEDS = 100
RECORDS = 3
SLOTS = 4
AT_ONCE = 4
"""Runs of the pool on both workers together: each is a process."""

DELAY = 0.1
SLOW = {"path": "/instruments*", "action": "delay", "seconds": DELAY, "times": None}
ALL_SECONDS = 3000
TAKEN = "submitted to infrastructure"
"""What a worker says of each run that it has started."""


@dataclass(frozen=True)
class Crowd:
    """The site, with its hundred feeds registered."""

    site: Site
    names: list[str]


@pytest.fixture
def crowd(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    s3 = LoopbackS3()
    s3.client.create_bucket(Bucket=BUCKET)
    with (
        postgresql() as database,
        own_server(tmp_path_factory.mktemp("prefect"), database=_asyncpg(database)) as server,
        Simulator() as sim,
        server.client() as client,
    ):
        client.create_work_pool(WorkPoolCreate(name="default", type="process"))
        client.update_work_pool("default", WorkPoolUpdate(concurrency_limit=AT_ONCE))
        client.create_global_concurrency_limit(
            GlobalConcurrencyLimitCreate(name="ptolemy", limit=SLOTS)
        )
        site = Site(server, client, s3, sim)
        yield Crowd(site, [_registered(site, tmp_path, number) for number in range(FEEDS)])
    s3.stop()


def _asyncpg(database: PostgreSql) -> SecretStr:
    """The address as Prefect wants it."""
    address = database.address().get_secret_value()
    return SecretStr(address.replace("postgresql://", "postgresql+asyncpg://"))


def _registered(site: Site, folder: Path, number: int) -> str:
    """A feed of three records that owns an exchange of its own."""
    name, mic = f"feed-{number:03}", f"x{number:03}"
    delivery = csv_file(folder / f"{name}.csv", vendor_rows(RECORDS, mic=mic))
    site.s3.client.upload_file(str(delivery), BUCKET, f"{name}.csv")
    feed = vendor(
        delivery,
        name=name,
        url=f"s3://{BUCKET}/{name}.csv",
        identifier=f"{{id}}.{mic}",
        scope={"exchange": [mic]},
    )
    FileFeed(**dict(feed)).save(name)
    return name


def test_a_hundred_feeds_over_two_workers_keep_to_one_limit(crowd: Crowd, tmp_path: Path) -> None:
    site = crowd.site
    PtolemyWorkspace(
        url=f"{site.sim.url}/v1",
        workspace="demo",
        token=SecretStr(site.sim.token),
        concurrency_limit="ptolemy",
    ).save("main")
    _deploy(site.server)
    deployment = site.client.read_deployment_by_name("sync-instruments/sync-by-hand").id
    site.sim.faults = [SLOW]
    for name in crowd.names:
        site.client.create_flow_run_from_deployment(
            deployment,
            parameters={
                "feed": {"$ref": {"block_document_slug": f"file-feed/{name}"}},
                "mode": "apply",
            },
        )
    with (
        worker(tmp_path / "first", site.environment) as first,
        worker(tmp_path / "second", site.environment) as second,
    ):
        runs = _all_ended(site.client, deployment, (first, second))
        taken = [one.log.read_text().count(TAKEN) for one in (first, second)]
    states = Counter(run.state.name for run in runs if run.state is not None)
    assert states == {"Completed": FEEDS}
    assert sum(taken) >= FEEDS
    assert min(taken) >= FEEDS // 10, taken
    assert len(site.sim.state()["instruments"]) == FEEDS * RECORDS
    asked = [entry for entry in site.sim.log() if entry["template"].startswith("/instruments")]
    most = _most_at_once([entry["at"] for entry in asked])
    assert 1 < most <= SLOTS
    assert _taken(site.client) == 0


def _deploy(server: Server) -> None:
    done = server.command(
        *["prefect", "--no-prompt", "deploy", "--name", "sync-by-hand"],
        *["--prefect-file", str(ROOT / "prefect.yaml")],
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _all_ended(
    client: SyncPrefectClient, deployment: UUID, machines: tuple[Machine, ...]
) -> list[FlowRun]:
    chosen = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment]))
    deadline = time.monotonic() + ALL_SECONDS
    while True:
        runs = client.read_flow_runs(flow_run_filter=chosen, limit=FEEDS)
        if len(runs) == FEEDS and all(run.state and run.state.is_final() for run in runs):
            return runs
        assert time.monotonic() < deadline, [one.log.read_text()[-2000:] for one in machines]
        time.sleep(2)


def _most_at_once(moments: list[float]) -> int:
    """How many requests of ``DELAY`` seconds each were under way together."""
    return max(sum(1 for other in moments if one - DELAY < other <= one) for one in moments)


def _taken(client: SyncPrefectClient) -> int:
    return client.read_global_concurrency_limit_by_name("ptolemy").active_slots
