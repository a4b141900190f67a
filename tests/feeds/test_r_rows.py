"""Every row of the catalogue's sources by request has a test; R09: the lease while one is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from armillary.feeds import read_feed
from armillary.feeds.rest_delivery import rest_delivery
from armillary.runs.lease import held, lease_key
from armillary.runs.store import open_store
from simulator import Simulator
from tests.feeds.rest_vendor import Answer, Asked, rest_vendor, rows
from tests.feeds.vendor import DATA_TYPES
from tests.runs.leases import lying, wait_until

TESTS = Path(__file__).parents[1]
FILES = (
    "feeds/test_rest_rows.py",
    "feeds/test_sql_delivery.py",
    "feeds/test_r_rows.py",
    "real/test_postgresql.py",
)


def test_every_row_has_a_test() -> None:
    named: set[str] = set()
    for file in FILES:
        named |= set(re.findall(r"^def test_(r\d\d)_", (TESTS / file).read_text(), re.MULTILINE))
    assert sorted(named) == [f"r{number:02}" for number in range(1, 10)]


def test_r09_the_lease_is_renewed_while_a_slow_source_is_read(tmp_path: Path) -> None:
    """Each page comes only after a renewal; a short life would be lost on a busy machine."""
    store = open_store(str(tmp_path / "records"))
    key = lease_key("w-1", "sync vendor-rest")
    seen: list[str] = []

    def slowly(asked: Asked) -> Answer:
        before = lying(store, key)["expires_at"]
        wait_until(lambda: lying(store, key)["expires_at"] > before, seconds=30)
        seen.append(lying(store, key)["expires_at"])
        start = int(asked.query["offset"])
        return Answer({"data": {"items": rows(4)[start : start + 2]}, "meta": {"count": 4}})

    with rest_vendor() as vendor:
        vendor.answer = slowly
        feed = vendor.feed(paging={"style": "offset"}, total="meta.count")
        with held(store, "w-1", "sync vendor-rest", owner="run A", life_seconds=3) as lease:
            taken = lease.expires_at
            reading = read_feed(feed, DATA_TYPES, lambda: rest_delivery(feed))
            lease.check()
            assert lease.expires_at > taken
    assert reading.records.height == 4
    assert len(set(seen)) == 2


@pytest.mark.flow
def test_r09_a_flow_reads_its_source_under_the_lease(
    prefect_server: None, sim: Simulator, runs_folder: Path
) -> None:
    """And a feed of a service goes all the way into the workspace."""
    from blocks import PtolemyWorkspace, RestFeed  # noqa: PLC0415 - after the server's settings
    from flows.sync_instruments import sync_instruments  # noqa: PLC0415

    found: list[bool] = []

    def answer(asked: Asked) -> Answer:
        leases = list(runs_folder.rglob("leases/*.json"))
        found.append(len(leases) == 1 and 'released_at":null' in leases[0].read_text())
        assert asked.headers["authorization"] == "Bearer s3cr3t-t0k3n"
        return Answer({"data": {"items": rows(5)}, "meta": {"count": 5}})

    with rest_vendor() as vendor:
        vendor.answer = answer
        facts = dict(vendor.feed(total="meta.count", name_template="{isin}"))
        state = sync_instruments(
            PtolemyWorkspace(url=f"{sim.url}/v1", workspace="demo", token=sim.token),
            RestFeed(**facts, token="s3cr3t-t0k3n"),
            "apply",
            return_state=True,
        )
    assert state.name == "Completed", state.message
    assert found == [True]
    assert {row["identifier"] for row in sim.state()["instruments"]} == {
        f"T{number}.xasx" for number in range(5)
    }
    for path in runs_folder.rglob("*"):
        assert not path.is_file() or b"s3cr3t-t0k3n" not in path.read_bytes()
