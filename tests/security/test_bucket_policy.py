"""The bucket policies of docs/security.md: with each in force its job works, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Catalogue
from armillary.backup.place import BucketPlace
from armillary.backup.prune import apply
from armillary.backup.retention import Retention
from armillary.backup.verify import verify
from armillary.errors import ArmillaryError, ConfigurationError
from armillary.restore.compare_backups import changes_between
from armillary.restore.proof import write_proof
from armillary.runs.lease import held
from armillary.runs.store import open_store
from simulator import Config, Simulator
from simulator.config import WorkspaceConfig
from tests.backup.by_hand import back_up
from tests.backup.conftest import NAME, place, s3, s3_server, shelf
from tests.backup.made import Shelf
from tests.backup.pruning import begin_upload, folders, night, planned
from tests.backup.workspace import seed
from tests.restore.by_hand import restore
from tests.restore.drills import drill
from tests.runs.s3 import Fault, LoopbackS3
from tests.security.gate import Gate, actions_of, in_force
from tests.security.pages import policies

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["place", "s3", "s3_server", "shelf"]

PREFIX, RUNS = "desk", "runs"

REMOVING = {
    "s3:ListBucketVersions",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:GetObjectRetention",
}


def policy(name: str) -> dict[str, Any]:
    """As the page has it, with the names of these tests."""
    names = {"BUCKET": NAME, "PREFIX": PREFIX, "RUNS": RUNS}
    found: dict[str, Any] = _renamed(policies()[name], names)
    return found


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    for name, own in names.items():
        value = value.replace(name, own)
    return value


@pytest.fixture
def versions(s3: S3Client) -> None:
    """The bucket keeps versions."""
    s3.put_bucket_versioning(Bucket=NAME, VersioningConfiguration={"Status": "Enabled"})


@pytest.fixture
def bucket(place: BucketPlace) -> Bucket:
    return Bucket(place)


@pytest.fixture
def source() -> Iterator[Simulator]:
    with Simulator(Config()) as sim:
        seed(sim, 3, days=1)
        yield sim


def test_the_page_has_these_policies() -> None:
    assert set(policies()) == {"backup", "read", "prove", "prune", "runs"}
    for each in policies().values():
        assert each["Version"] == "2012-10-17"


def test_a_backup_needs_no_right_to_remove(
    source: Simulator, bucket: Bucket, versions: None, s3_server: LoopbackS3, shelf: Shelf
) -> None:
    with in_force(policy("backup"), bucket=NAME) as gate:
        first = back_up(source, bucket)
        assert first.state == "COMPLETE"
        folder = f"demo/{first.manifest.backup_id}" if first.manifest else ""
        # A file whose parts break is taken back.
        s3_server.faults = [Fault("PUT", "instruments.json", status="400 BadDigest", times=9)]
        with pytest.raises(ArmillaryError):
            bucket.upload(f"{folder}/instruments.json", _Twice(), metadata={})  # type: ignore[arg-type]
        s3_server.behave()
        assert list(bucket.unfinished_uploads("")) == []
        assert bucket.delete([f"{folder}/manifest.json"])[0].reason
    assert gate.used == actions_of(policy("backup"))
    assert gate.refused <= REMOVING
    assert f"{folder}/manifest.json" in shelf.keys()  # noqa: SIM118 - no mapping


class _Twice:
    """Two parts of the smallest size."""

    def __init__(self) -> None:
        self._left = 11 * 1024**2

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        given = min(self._left, size if size >= 0 else self._left)
        self._left -= given
        return b"1" * given


def test_reading_is_enough_to_verify_restore_and_compare(
    source: Simulator, bucket: Bucket, versions: None
) -> None:
    assert back_up(source, bucket).state == "COMPLETE"
    with in_force(policy("read"), bucket=NAME) as gate, Simulator(Config(seed=2)) as target:
        found = Catalogue(bucket, "demo").get("latest")
        for depth in ("present", "content"):
            assert verify(bucket, found, depth=depth).state == "Completed"
        assert restore(target, bucket).result.state == "Completed"
        changes_between(bucket, found, found)
    assert gate.refused == set()
    assert gate.used == actions_of(policy("read"))
    with in_force(policy("read"), bucket=NAME), pytest.raises(ConfigurationError) as caught:
        bucket.prove()
    assert "_probe is denied (AccessDenied: Access Denied)" in str(caught.value)
    assert "The credentials need s3:PutObject" in str(caught.value)


def test_a_proof_writes_its_own_page_alone(
    source: Simulator, bucket: Bucket, versions: None
) -> None:
    assert back_up(source, bucket).state == "COMPLETE"
    scratch = Config(seed=3, workspaces=[WorkspaceConfig(slug="scratch")])
    with in_force(policy("prove"), bucket=NAME) as gate, Simulator(scratch) as sim:
        drilled = drill(sim, bucket, 2)
        folder = Catalogue(bucket, "demo").get("latest").folder
        write_proof(bucket, folder, drilled, "0" * 64)
        with pytest.raises(ConfigurationError, match="s3:PutObject"):
            bucket.write(f"{folder}/manifest.json", b"forged")
    assert gate.used == actions_of(policy("prove"))
    assert gate.refused == {"s3:PutObject"}


@pytest.mark.parametrize("kept", [False, True], ids=["plain", "versions"])
def test_pruning_removes_and_writes_nothing(
    bucket: Bucket, s3: S3Client, shelf: Shelf, kept: bool
) -> None:
    if kept:
        s3.put_bucket_versioning(Bucket=NAME, VersioningConfiguration={"Status": "Enabled"})
    for days in (1, 2):
        shelf.backup(night(days))
    begin_upload(shelf, f"demo/{night(2)}/instruments.json")
    catalogue = Catalogue(bucket, "demo")
    with in_force(policy("prune"), bucket=NAME) as gate:
        made = planned(catalogue, Retention(keep_last=1))
        done = apply(made, bucket)
        assert (done.state, done.removed) == ("Completed", [night(2)])
        with pytest.raises(ConfigurationError, match="s3:PutObject"):
            bucket.write("demo/x", b"1")
    assert folders(shelf) == [f"demo/{night(1)}"]
    assert gate.refused == {"s3:PutObject"}
    left_out = {"s3:DeleteObject"} if kept else {"s3:DeleteObjectVersion"}
    assert gate.used | left_out >= actions_of(policy("prune"))
    assert gate.used <= actions_of(policy("prune"))


def test_without_the_right_to_remove_pruning_says_what_stays(
    bucket: Bucket, versions: None, shelf: Shelf
) -> None:
    for days in (1, 2):
        shelf.backup(night(days))
    before = shelf.keys()
    made = planned(Catalogue(bucket, "demo"), Retention(keep_last=1))
    with in_force(policy("backup"), bucket=NAME):
        done = apply(made, bucket)
    assert shelf.keys() == before
    assert done.state == "Partial"
    assert "s3:ListBucketVersions" in str(done.as_dict()) or "AccessDenied" in str(done.as_dict())


def test_run_records_need_one_folder(s3: S3Client, s3_server: LoopbackS3) -> None:
    runs = open_store(f"s3://{NAME}/{RUNS}", endpoint_url=s3_server.url)
    with in_force(policy("runs"), bucket=NAME) as gate:
        with held(runs, "w", "sync", owner="run A") as lease:
            lease.renew()
        runs.write("w/runs/1/plan.json", b"{}")
        assert list(runs.list("w/runs/")) == ["w/runs/1/plan.json"]
        runs.delete("w/runs/1/plan.json")
    assert gate.used == actions_of(policy("runs"))
    assert gate.refused == set()
    elsewhere = open_store(f"s3://{NAME}/{PREFIX}", endpoint_url=s3_server.url)
    with in_force(policy("runs"), bucket=NAME), pytest.raises(ConfigurationError) as caught:
        elsewhere.write("demo/manifest.json", b"forged")
    assert "AccessDenied" in str(caught.value)


def test_the_gate_refuses_what_nobody_allowed() -> None:
    """Else all of the above would prove nothing."""
    gate = Gate()
    assert gate.used == gate.refused == set()
    forged: dict[str, Any] = {"Statement": []}
    with in_force(forged, bucket=NAME) as closed:
        bucket = Bucket(BucketPlace(NAME, prefix=PREFIX, endpoint_url="http://127.0.0.1:1"))
        with pytest.raises(ConfigurationError, match="s3:GetObject"):
            bucket.read("x")
    assert closed.denied == {("s3:GetObject", f"arn:aws:s3:::{NAME}/{PREFIX}/x")}
