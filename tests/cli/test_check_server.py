"""``armillary check`` against a real Prefect server with everything that runs by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from pydantic import SecretStr

from armillary import __version__
from armillary.alerts.described import described
from armillary.backup.manifest import MANIFEST, encode
from armillary.readiness import Finding, Level
from armillary.runs.folder_store import FolderStore
from armillary.settings import Settings
from armillary.sync.ground import open_workspace
from cli.prefect_server import free_port
from simulator import Config, Simulator
from tests.backup.conftest import bucket, place, s3, s3_server, shelf
from tests.backup.made import Shelf, manifest_of
from tests.sync.chain import csv_file, vendor, vendor_rows

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

    from armillary.backup.place import BucketPlace

__all__ = ["bucket", "place", "s3", "s3_server", "shelf"]

pytestmark = pytest.mark.flow

NAME = "checked"
"""Of all blocks, deployments and the pool: the server is the session's."""

SYNC, BACKUP, VENUES = (
    f"{flow}/{NAME}" for flow in ("sync-instruments", "backup-workspace", "sync-venues")
)


def ref(kind: str, name: str = NAME) -> dict[str, Any]:
    return {"$ref": {"block_document_slug": f"{kind}/{name}"}}


DESCRIBED: list[dict[str, Any]] = [
    {
        "name": NAME,
        "entrypoint": f"flows.{flow.replace('-', '_')}.{flow.replace('-', '_')}",
        "version": __version__,
        "parameters": parameters,
        "work_pool": {"name": NAME},
        "schedules": [
            {
                "slug": "early",
                "cron": "0 5 * * *",
                "timezone": "Asia/Tokyo",
                "active": True,
                "parameters": more,
            }
        ],
    }
    for flow, parameters, more in (
        (
            "sync-instruments",
            {"workspace": ref("ptolemy-workspace"), "feed": ref("file-feed")},
            {"feed": ref("cadenza-feed")},
        ),
        (
            "backup-workspace",
            {"workspace": ref("ptolemy-workspace"), "store": ref("backup-store")},
            {},
        ),
        ("sync-venues", {"account": ref("cadenza-account")}, {"venues": ["OKX"]}),
        (
            "verify-backup",
            {"store": ref("backup-store"), "scratch": ref("ptolemy-workspace", f"{NAME}-scratch")},
            {},
        ),
    )
]


class Ground:
    """A server on which everything is as it should be, to be harmed."""

    def __init__(self, client: SyncPrefectClient, folder: Path, sim: Simulator) -> None:
        self.client = client
        self.sim = sim
        self.path = folder / "prefect.yaml"
        self.path.write_text(yaml.safe_dump({"deployments": DESCRIBED}))
        self.store = FolderStore(folder / "records")
        self.deployments: dict[str, Any] = {}
        self.blocks: dict[str, Any] = {}

    def found(self, **changed: Any) -> dict[str, Finding]:
        from cli.check_server import Server  # noqa: PLC0415 - after the server's settings

        settings = Settings(heartbeat_url=SecretStr("https://hc.example/s3cret"), **changed)
        told = list(Server(settings, self.path).findings(self.store))
        assert len({one.subject for one in told}) == len(told), "each line once"
        return {one.subject: one for one in told}

    def save(self, block: Any, name: str = NAME) -> None:
        block.save(name, overwrite=True)
        self.blocks[f"{block.get_block_type_slug()}/{name}"] = block

    def deploy(self) -> None:
        from prefect.client.schemas.actions import DeploymentScheduleCreate  # noqa: PLC0415
        from prefect.client.schemas.schedules import CronSchedule  # noqa: PLC0415

        for entry in DESCRIBED:
            flow = entry["entrypoint"].split(".")[1].replace("_", "-")
            (schedule,) = entry["schedules"]
            self.deployments[f"{flow}/{NAME}"] = self.client.create_deployment(
                self.client.create_flow_from_name(flow),
                NAME,
                version=entry["version"],
                parameters=entry["parameters"],
                work_pool_name=NAME,
                tags=["armillary"],
                schedules=[
                    DeploymentScheduleCreate(
                        schedule=CronSchedule(cron=schedule["cron"], timezone="Asia/Tokyo"),
                        slug=schedule["slug"],
                        active=True,
                        parameters=schedule["parameters"],
                    )
                ],
            )

    def ask(self, method: str, path: str, **more: Any) -> None:
        """What the client has no method for."""
        self.client._client.request(method, path, **more).raise_for_status()

    def hear_of(self, worker: str) -> None:
        beat = {"name": worker, "heartbeat_interval_seconds": 3600}
        self.ask("POST", f"/work_pools/{NAME}/workers/heartbeat", json=beat)

    def run_a_sync(self) -> str:
        from prefect.states import Completed  # noqa: PLC0415

        run = self.client.create_flow_run_from_deployment(self.deployments[SYNC], name="morning")
        self.client.set_flow_run_state(run.id, Completed(name="Withheld"), force=True)
        return str(run.id)

    def clear(self) -> None:
        for deployment in self.deployments.values():
            self.client.delete_deployment(deployment)
        for block, saved in self.blocks.items():
            saved.delete(block.partition("/")[2])
        for automation in self.client.read_automations():
            self.client.delete_automation(automation.id)
        self.client.delete_work_pool(NAME)


@pytest.fixture
def ground(
    prefect_server: None, tmp_path: Path, place: BucketPlace, shelf: Shelf
) -> Iterator[Ground]:
    from prefect.blocks.notifications import CustomWebhookNotificationBlock  # noqa: PLC0415
    from prefect.client.orchestration import get_client  # noqa: PLC0415
    from prefect.client.schemas.actions import WorkPoolCreate  # noqa: PLC0415

    from blocks import (  # noqa: PLC0415
        BackupStore,
        CadenzaAccount,
        CadenzaFeed,
        FileFeed,
        PtolemyWorkspace,
    )
    from cli.automations import ensure  # noqa: PLC0415

    config = Config(workspaces=[{"slug": "demo"}, {"slug": "scratch"}])
    with Simulator(config) as sim, get_client(sync_client=True) as client:
        made = Ground(client, tmp_path, sim)
        account = CadenzaAccount(
            url=sim.cadenza_url,
            email=sim.cadenza.email,
            password=SecretStr(sim.cadenza.password),
        )
        feed = vendor(csv_file(tmp_path / "vendor.csv", vendor_rows(1)))
        client.create_work_pool(WorkPoolCreate(name=NAME, type="process"))
        for name, workspace in ((NAME, "demo"), (f"{NAME}-scratch", "scratch")):
            token = SecretStr(sim.token_for("member", workspace))
            made.save(PtolemyWorkspace(url=f"{sim.url}/v1", workspace=workspace, token=token), name)
        made.save(
            BackupStore(bucket=place.bucket, prefix=place.prefix, endpoint_url=place.endpoint_url)
        )
        made.save(account)
        made.save(CadenzaFeed.for_venue(account, "BINANCE"))
        made.save(FileFeed(**dict(feed)))
        made.save(CustomWebhookNotificationBlock(name="x", url="http://127.0.0.1:9"))
        ensure(described(block=f"custom-webhook/{NAME}"))
        made.deploy()
        made.hear_of("worker-1")
        yield made
        made.clear()


def backed_up(shelf: Shelf) -> None:
    backup_id = f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}"
    shelf.put(f"demo/{backup_id}/{MANIFEST}", encode(manifest_of(backup_id)))


def test_everything_is_ready_and_then_hardly_anything(ground: Ground, shelf: Shelf) -> None:
    backed_up(shelf)
    run_id = ground.run_a_sync()
    workspace_id = workspace_of(ground)
    ground.store.write(f"{workspace_id}/runs/{run_id}/plan.json", b"{}")

    ready = ground.found()
    doubtful = {subject for subject, one in ready.items() if one.level is not Level.OK}
    assert doubtful == {"last proof of demo", "run records"}, ready
    assert ready["run records"].level is Level.WARNING, "a folder, and all workers are here"
    assert f"(morning of {SYNC}) is there" in ready["run records"].found
    assert ready["deployments"].found == "all 4 of prefect.yaml are on the server"
    assert ready["schedules"].found == "all 4 are active"
    assert ready["time zones"].found == "known: Asia/Tokyo"
    assert ready[f"work pool {NAME}"].found.startswith("of type process; online: worker-1 (heard")
    assert ready[f"ptolemy-workspace/{NAME}"].found == "the token opens demo"
    assert ready[f"ptolemy-workspace/{NAME}-scratch, for drills"].found == (
        "scratch matches *scratch* and holds no active row"
    )
    assert ready[f"file-feed/{NAME}"].found.startswith("type equity has all")
    assert ready[f"file-feed/{NAME}, source"].found.endswith("bytes, and may be read")
    assert ready[f"backup-store/{NAME}"].found.endswith("takes, gives and lists")
    assert " min old" in ready["last backup of demo"].found
    assert f"custom-webhook/{NAME}" in ready["notifications"].found
    assert "hc.example" not in str(ready)
    assert ground.sim.cadenza.password not in str(ready)

    harm(ground)
    worse = ground.found(scratch_pattern="*drill*")
    for subject, level, words in (
        ("deployments", Level.FAILED, f"not on the server: {VENUES}"),
        ("their versions", Level.WARNING, f"{BACKUP} (0.0.9)"),
        ("schedules", Level.WARNING, f"paused or missing: {BACKUP} (early)"),
        (f"work pool {NAME}", Level.FAILED, "never had a worker"),
        (f"backup-store/{NAME}", Level.FAILED, "not on the server, and named by backup-workspace"),
        (f"ptolemy-workspace/{NAME}", Level.FAILED, "401"),
        (f"ptolemy-workspace/{NAME}-scratch, role", Level.WARNING, "Viewer"),
        (f"ptolemy-workspace/{NAME}-scratch, for drills", Level.FAILED, "(*drill*)"),
        (f"file-feed/{NAME}, source", Level.WARNING, "vendor.csv is not there now"),
        (f"cadenza-feed/{NAME}, BINANCE", Level.WARNING, "BINANCE is OFFLINE"),
        ("automations", Level.WARNING, "armillary: good again"),
        ("notifications", Level.FAILED, "the block is gone that these send to"),
    ):
        assert (subject, worse[subject].level) == (subject, level), worse
        assert words in worse[subject].found
        assert worse[subject].todo, subject
    assert f"Make a block of the type backup-store with the name {NAME}" in (
        worse[f"backup-store/{NAME}"].todo
    )

    ground.save(ground.blocks[f"ptolemy-workspace/{NAME}"])
    ground.run_a_sync()
    elsewhere = ground.found()["run records"]
    assert elsewhere.level is Level.FAILED
    assert "lacks the record of a worker's last run (morning of " in elsewhere.found


def workspace_of(ground: Ground) -> str:
    with ground.blocks[f"ptolemy-workspace/{NAME}"].connect() as ptolemy:
        return open_workspace(ptolemy, "demo").id


def harm(ground: Ground) -> None:
    """As much at once as keeps each line apart from the others."""
    client = ground.client
    client.delete_deployment(ground.deployments.pop(VENUES))
    (schedule,) = client.read_deployment(ground.deployments[BACKUP]).schedules
    path = f"/deployments/{ground.deployments[BACKUP]}"
    ground.ask("PATCH", path, json={"version": "0.0.9"})
    ground.ask("PATCH", f"{path}/schedules/{schedule.id}", json={"active": False})
    ground.ask("DELETE", f"/work_pools/{NAME}/workers/worker-1")
    ground.blocks.pop(f"backup-store/{NAME}").delete(NAME)
    ground.blocks.pop(f"custom-webhook/{NAME}").delete(NAME)
    good = ground.blocks[f"ptolemy-workspace/{NAME}"]
    good.model_copy(update={"token": SecretStr("ptk_live_revoked")}).save(NAME, overwrite=True)
    scratch = ground.blocks[f"ptolemy-workspace/{NAME}-scratch"]
    viewer = SecretStr(ground.sim.token_for("viewer", "scratch"))
    scratch.model_copy(update={"token": viewer}).save(f"{NAME}-scratch", overwrite=True)
    ground.sim.cadenza.set_status("BINANCE", "OFFLINE")
    Path(ground.blocks[f"file-feed/{NAME}"].url).unlink()
    for one in client.read_automations():
        if one.name.endswith("good again"):
            client.delete_automation(one.id)


def test_a_server_that_is_away_is_one_line(prefect_server: None, tmp_path: Path) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415

    from cli.check_server import Server  # noqa: PLC0415

    address = f"http://somebody:s3cret@127.0.0.1:{free_port()}/api"
    with temporary_settings({PREFECT_API_URL: address}):
        told = list(Server(Settings(), None).findings(FolderStore(tmp_path)))
    assert [(one.subject, one.level) for one in told] == [
        ("Prefect server", Level.FAILED),
        ("run records", Level.WARNING),
    ]
    assert "does not answer (ConnectError)" in told[0].found
    assert "s3cret" not in str(told)
