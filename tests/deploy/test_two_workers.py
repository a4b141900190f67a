"""What a schedule starts on one worker is approved on another: between them a bucket alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from pydantic import SecretStr

from blocks import FileFeed, PtolemyWorkspace
from simulator import Simulator
from tests.deploy.machines import Machine, ended, worker
from tests.runs.s3 import LoopbackS3
from tests.servers import ROOT, Server, own_server
from tests.sync.chain import csv_file, open_client, seeded, vendor, vendor_rows

pytestmark = [pytest.mark.flow, pytest.mark.long]

HELD = vendor_rows(30)
DELIVERED = HELD[:20]
"""Ten are missing, which the feed's limits withhold until a person approves it."""

EVERY_SECONDS = 20
TAKEN_SECONDS = 120

BUCKET = "shared"
DEPLOYED = ("sync-weekdays", "sync-by-hand")


@dataclass(frozen=True)
class Site:
    """What the machines share."""

    server: Server
    client: SyncPrefectClient
    s3: LoopbackS3
    sim: Simulator

    @property
    def environment(self) -> dict[str, str]:
        """All that a worker is given."""
        return {
            "PREFECT_API_URL": f"{self.server.url}/api",
            "ARMILLARY_RUNS": f"s3://{BUCKET}/runs",
            "ARMILLARY_STORE_ENDPOINT_URL": self.s3.url,
            "AWS_ENDPOINT_URL": self.s3.url,
            "AWS_ACCESS_KEY_ID": "made-up",
            "AWS_SECRET_ACCESS_KEY": "made-up",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def summary(self, run_id: UUID) -> dict[str, Any]:
        """The result of a run, as its record in the bucket tells it."""
        found = self.s3.client.list_objects_v2(Bucket=BUCKET, Prefix="runs/")["Contents"]
        (key,) = [one["Key"] for one in found if one["Key"].endswith(f"{run_id}/summary.json")]
        body = self.s3.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        result: dict[str, Any] = json.loads(body)
        return result


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    s3 = LoopbackS3()
    s3.client.create_bucket(Bucket=BUCKET)
    with own_server(tmp_path_factory.mktemp("prefect")) as server, Simulator() as sim:
        sim.seed(seeded(HELD))
        with server.client() as client:
            client.create_work_pool(WorkPoolCreate(name="default", type="process"))
            yield Site(server, client, s3, sim)
    s3.stop()


def save_blocks(site: Site, folder: Path) -> None:
    """A workspace, and a feed that is not the one of the deployment."""
    PtolemyWorkspace(
        url=f"{site.sim.url}/v1", workspace="demo", token=SecretStr(site.sim.token)
    ).save("main")
    delivery = csv_file(folder / "delivery.csv", DELIVERED)
    site.s3.client.upload_file(str(delivery), BUCKET, "delivery.csv")
    feed = vendor(delivery, name="second", url=f"s3://{BUCKET}/delivery.csv")
    FileFeed(**dict(feed)).save("second")


def described(folder: Path) -> Path:
    """prefect.yaml with a schedule that fires within seconds, for a feed named by reference."""
    content = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    content["deployments"] = [one for one in content["deployments"] if one["name"] in DEPLOYED]
    for deployment in content["deployments"]:
        if deployment["name"] == "sync-weekdays":
            deployment["schedules"] = [
                {
                    "slug": "second",
                    "interval": EVERY_SECONDS,
                    "timezone": "UTC",
                    "active": True,
                    "parameters": {"feed": {"$ref": {"block_document_slug": "file-feed/second"}}},
                }
            ]
    path = folder / "prefect.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def scheduled_run(client: SyncPrefectClient, machine: Machine) -> UUID:
    """The first run that the scheduler has made and a worker has taken; there will be no other."""
    deadline = time.monotonic() + TAKEN_SECONDS
    while time.monotonic() < deadline:
        for run in client.read_flow_runs():
            if run.state is not None and not run.state.is_scheduled():
                deployment = client.read_deployment_by_name("sync-instruments/sync-weekdays")
                (schedule,) = deployment.schedules
                client.update_deployment_schedule(deployment.id, schedule.id, active=False)
                return run.id
        time.sleep(0.3)
    raise AssertionError(machine.log.read_text()[-3000:])


def test_a_scheduled_run_of_one_worker_is_approved_on_another(site: Site, tmp_path: Path) -> None:
    """Neither has a disk that outlives it, nor a folder of the code that it may write into.

    The deployment names ``file-feed/vendor``, which does not exist here: the reference in the
    schedule's parameters is what counts, and it is resolved in the process of the run.
    """
    save_blocks(site, tmp_path)
    with worker(tmp_path / "first", site.environment) as first:
        path = described(tmp_path)
        deployed = site.server.command(
            *["prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(path)]
        )
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        run = ended(site.client, scheduled_run(site.client, first), first)
        assert run.auto_scheduled
        assert run.parameters["feed"] == {"$ref": {"block_document_slug": "file-feed/second"}}
        assert run.state is not None
        assert run.state.name == "Withheld", first.log.read_text()[-3000:]
        assert run.name == "sync second into demo (apply)"
        left_behind = [path for path in first.files() if "runs" in path or "summary" in path]
        assert left_behind == []
    assert not first.home.exists()
    assert archived(site) == 0

    by_hand = site.client.read_deployment_by_name("sync-instruments/sync-by-hand")
    again = site.client.create_flow_run_from_deployment(
        by_hand.id,
        parameters={
            "feed": {"$ref": {"block_document_slug": "file-feed/second"}},
            "mode": "apply",
            "approve": site.summary(run.id)["digest"],
        },
    )
    with worker(tmp_path / "second", site.environment) as second:
        done = ended(site.client, again.id, second)
        assert done.state is not None
        assert done.state.name == "Completed", second.log.read_text()[-3000:]
        assert list(second.working.iterdir()) == []
    assert archived(site) == 10
    assert site.summary(done.id)["applied"]["archive"] == 10


def archived(site: Site) -> int:
    """How many instruments the workspace has archived."""
    with open_client(site.sim) as ptolemy:
        pages = ptolemy.instruments.list_pages(archived="true", limit=100)
        return sum(bool(row["archived_at"]) for page in pages for row in page.rows)
