"""Which role of a robot is enough for what: as docs/security.md says, with a token of that role."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import flows
from armillary.backup.bucket import Bucket
from armillary.backup.place import BucketPlace
from armillary.errors import ArmillaryError
from blocks import BackupStore, CadenzaAccount, FileFeed, PtolemyWorkspace
from flows.backup_workspace import backup_workspace
from flows.compare_venue import compare_venue
from flows.publish_venue import publish_venue
from flows.revert_run import revert_run
from flows.sync_instruments import sync_instruments
from simulator import Config, Simulator
from simulator.config import WorkspaceConfig
from tasks import venues
from tests.backup.by_hand import back_up
from tests.backup.conftest import bucket, place, s3, s3_server
from tests.backup.workspace import seed
from tests.restore.by_hand import restore
from tests.restore.drills import drill
from tests.security.pages import roles
from tests.sync.chain import csv_file, vendor, vendor_rows
from tests.venues.conftest import IMPATIENT

__all__ = ["bucket", "place", "s3", "s3_server"]

pytestmark = pytest.mark.flow

VENUES = [{"name": "BINANCE", "instruments": [{"symbol": "BTC/USDT"}]}]
READS = ("/filter", "/count")


@dataclass
class World:
    """Two workspaces, a bucket with a backup, and robots of one role."""

    sim: Simulator
    bucket: Bucket
    store: BackupStore
    feed: FileFeed

    def workspace(self, role: str = "viewer") -> PtolemyWorkspace:
        token = self.sim.config.token("demo", role)  # type: ignore[arg-type]
        return PtolemyWorkspace(url=f"{self.sim.url}/v1", workspace="demo", token=token)

    @property
    def venue(self) -> tuple[CadenzaAccount, str, PtolemyWorkspace]:
        desk = self.sim.cadenza
        url, email, password = self.sim.cadenza_url, desk.email, desk.password
        account = CadenzaAccount(url=url, email=email, password=password)
        return account, "BINANCE", self.workspace()

    def an_earlier_run(self) -> str:
        """Of a robot that may write."""
        member = self.workspace("member")
        state = sync_instruments(member, self.feed, mode="apply", return_state=True)
        assert state.name == "Completed", state.message
        self.sim.reset_calls()
        return str(state.state_details.flow_run_id)

    @contextmanager
    def another(self, slug: str = "demo") -> Iterator[Simulator]:
        """A workspace that the backup is not of, in which every robot is a Viewer."""
        seed(self.sim, 2, days=1)
        assert back_up(self.sim, self.bucket).state == "COMPLETE"
        self.sim.reset_calls()
        with Simulator(Config(seed=2, workspaces=[WorkspaceConfig(slug=slug)])) as sim:
            with pytest.MonkeyPatch.context() as patch:
                token = sim.token_for("viewer")
                patch.setattr(sim, "token_for", lambda role, workspace=None: token)
                yield sim
            assert written(sim) == set()


def ended(state: Any) -> str:
    """Why it failed; blank if it did not."""
    return str(state.message) if state.type.value == "FAILED" else ""


def restored(world: World, mode: str, rows: list[dict[str, Any]]) -> str:
    """The steps of the flow, without Prefect."""
    with world.another() as sim:
        sim.seed(rows)
        try:
            result = restore(sim, world.bucket, mode=mode, on_existing="skip").result
        except ArmillaryError as error:
            return str(error)
        return result.stopped


def drilled(world: World) -> str:
    """The same."""
    with world.another("scratch") as sim, pytest.raises(ArmillaryError) as caught:
        drill(sim, world.bucket, 1)
    return str(caught.value)


OTHER = [{"identifier": "co000000.xasx", "name": "Other", "type_id": "equity"}]

ATTEMPTS: dict[tuple[str, str], Callable[[World], str]] = {
    ("sync-instruments", "plan"): lambda world: ended(
        sync_instruments(world.workspace(), world.feed, return_state=True)
    ),
    ("sync-instruments", "apply"): lambda world: ended(
        sync_instruments(world.workspace(), world.feed, mode="apply", return_state=True)
    ),
    ("revert-run", "plan"): lambda world: ended(
        revert_run(world.workspace(), world.an_earlier_run(), return_state=True)
    ),
    ("revert-run", "apply"): lambda world: ended(
        revert_run(world.workspace(), world.an_earlier_run(), mode="apply", return_state=True)
    ),
    ("publish-venue", "plan"): lambda world: ended(publish_venue(*world.venue, return_state=True)),
    ("publish-venue", "apply"): lambda world: ended(
        publish_venue(*world.venue, mode="apply", return_state=True)
    ),
    ("compare-venue", "always"): lambda world: ended(
        compare_venue(*world.venue, return_state=True)
    ),
    ("backup-workspace", "always"): lambda world: ended(
        backup_workspace(world.workspace(), world.store, return_state=True)
    ),
    ("restore-workspace", "plan, empty target"): lambda world: restored(world, "plan", []),
    ("restore-workspace", "plan, target with data"): lambda world: restored(world, "plan", OTHER),
    ("restore-workspace", "apply"): lambda world: restored(world, "apply", []),
    ("verify-backup", "restore"): drilled,
}

WITHOUT = {"compare-backups", "prune-backups", "sync-venues"}
"""They are given no workspace of Ptolemy."""


@pytest.fixture
def world(
    prefect_server: None,
    bucket: Bucket,
    place: BucketPlace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    monkeypatch.setattr(venues, "PATIENCE", IMPATIENT)
    monkeypatch.setenv("ARMILLARY_POLL_SECONDS", "0.02")
    store = BackupStore(bucket=place.bucket, prefix=place.prefix, endpoint_url=place.endpoint_url)
    feed = FileFeed(**dict(vendor(csv_file(tmp_path / "v.csv", vendor_rows(2)))))
    with Simulator(Config.preset("reference", cadenza={"venues": VENUES})) as sim:
        yield World(sim, bucket, store, feed)


def written(sim: Simulator) -> set[str]:
    """Requests to Ptolemy that were carried out and changed something, or made a job."""
    return {
        f"{entry['method']} {entry['template']}"
        for entry in sim.log()
        if entry["method"] in {"POST", "PATCH", "PUT", "DELETE"}
        and not entry["template"].startswith("/api/v3")
        and not entry["template"].endswith(READS)
        and entry["status"] < 400
    }


def test_the_page_names_every_flow_and_each_way_to_run_it() -> None:
    named = {flow for flow, _ in roles()}
    modules = [module.name.replace("_", "-") for module in pkgutil.iter_modules(flows.__path__)]
    assert named == set(modules)
    needed = {way for way, role in roles().items() if role != "none"}
    assert needed == ATTEMPTS.keys()
    free = {flow for (flow, _), role in roles().items() if role == "none"}
    assert free == WITHOUT | {"verify-backup"}


@pytest.mark.parametrize(
    ("flow", "way"), [pytest.param(*each, id=": ".join(each)) for each in ATTEMPTS]
)
def test_a_viewer_may_do_what_the_page_says_and_writes_nothing(
    world: World, flow: str, way: str
) -> None:
    """Contract sections 2, 13 and 14."""
    why = ATTEMPTS[flow, way](world)
    assert written(world.sim) == set()
    if roles()[flow, way] == "Viewer":
        assert why == ""
        return
    assert " 403: the token may not do this: its role, or the item quota" in why
    assert "It said: The role viewer may not do this" in why
    assert "Give the robot the role Member." in why


def test_a_member_may_back_up(world: World) -> None:
    """The other way round: nobody needs more than a Member; the other flows' own tests are one."""
    seed(world.sim, 1, days=1)
    state = backup_workspace(world.workspace("member"), world.store, return_state=True)
    assert state.name == "Completed", state.message
