"""Files of a backup read by workers of a Dask scheduler in this process."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from prefect_aws.credentials import AwsCredentials
from pydantic import SecretStr

from armillary import progress
from armillary.backup.bucket import Bucket
from armillary.backup.file_look import FileLook
from armillary.backup.manifest import FileEntry
from armillary.backup.place import BucketPlace
from armillary.backup.readers import BytesRead
from armillary.backup.verify import files_to_read, verify
from armillary.errors import (
    ArmillaryError,
    ConfigurationError,
    RunStopped,
    StoreFailed,
    TransferFailed,
)
from blocks import BackupStore
from tasks import dask_readers
from tasks.dask_readers import DaskReaders, ReadingErrand, readers_for
from tasks.dask_runner import shared_event
from tests.backup import conftest as of_backups
from tests.backup.made import Shelf, entry_of
from tests.backup.test_readers import harmed, the_backup

s3_server, s3, place = of_backups.s3_server, of_backups.s3, of_backups.place
bucket, shelf = of_backups.bucket, of_backups.shelf


def store_of(place: BucketPlace, **more: Any) -> BackupStore:
    return BackupStore(
        bucket=place.bucket, prefix=place.prefix, endpoint_url=place.endpoint_url, **more
    )


@pytest.mark.parametrize("part", [None, (2, 3)])
def test_a_cluster_finds_what_threads_find(
    dask: Any, bucket: Bucket, shelf: Shelf, place: BucketPlace, part: tuple[int, int] | None
) -> None:
    harmed(shelf)
    backup, said = the_backup(bucket), list[progress.Progress]()
    with progress.listening(said.append):
        found = verify(bucket, backup, slice=part, readers=DaskReaders(dask, store_of(place)))
    assert found == verify(bucket, backup, slice=part)
    wanted = sum(entry.stored_bytes for entry in files_to_read(backup, "content", part))
    assert {(it.step, it.total) for it in said} == {("reading back, bytes", wanted)}
    assert said[-1].done == found.bytes_read


def test_how_far_a_worker_has_come_is_told_while_it_reads(
    dask: Any, bucket: Bucket, shelf: Shelf, place: BucketPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_readers, "TELL_SECONDS", 0.0)
    shelf.backup()
    noted: list[tuple[int, int]] = []
    of_reading = BytesRead.note

    def note(self: Any, number: int, count: int) -> None:
        noted.append((number, count))
        of_reading(self, number, count)

    monkeypatch.setattr(BytesRead, "note", note)
    verify(bucket, the_backup(bucket), readers=DaskReaders(dask, store_of(place)))
    assert len(noted) > 7
    assert {number for number, _ in noted} == set(range(7))


def asked_of(place: BucketPlace, **more: Any) -> ReadingErrand:
    entry, _ = entry_of("markets", [])
    look = FileLook("demo/1", "1", entry, read=True, follow=True)
    return ReadingErrand(store_of(place, **more), look, 0, "reading-1")


def test_no_secret_in_what_travels_is_shown(place: BucketPlace) -> None:
    secrets = ["AKIAMADEUP", "made-up-key", "made-up-session"]
    credentials = AwsCredentials(
        aws_access_key_id=secrets[0],
        aws_secret_access_key=SecretStr(secrets[1]),
        aws_session_token=secrets[2],
    )
    errand = asked_of(place, credentials=credentials)
    assert not [secret for secret in secrets if secret in repr(errand)]
    arrived: ReadingErrand = pickle.loads(pickle.dumps(errand))
    assert arrived == errand
    assert arrived.store.open().place == "s3://backups/desk"


def test_what_a_worker_could_not_do_is_told_as_its_own(
    dask: Any, bucket: Bucket, shelf: Shelf, place: BucketPlace
) -> None:
    shelf.backup()
    unusable = store_of(place).model_copy(update={"endpoint_url": "no address"})
    with pytest.raises(ConfigurationError) as raised:
        verify(bucket, the_backup(bucket), readers=DaskReaders(dask, unusable))
    assert raised.value.message.startswith(
        "On a worker of the Dask cluster: The way to the backup store s3://backups/desk is not"
    )
    assert raised.value.advice == "Check region, endpoint and credentials of the backup store."


@pytest.mark.parametrize("kind", [StoreFailed, ConfigurationError, RunStopped, TransferFailed])
def test_errors_travel_with_their_advice(kind: type[ArmillaryError]) -> None:
    arrived: ArmillaryError = pickle.loads(pickle.dumps(kind("What.", next_step="Do.")))
    assert (type(arrived), str(arrived)) == (kind, "What. Do.")


class Dying(DaskReaders):
    """Readers of a cluster whose workers die of every file."""

    def __init__(self, client: Any, store: BackupStore) -> None:
        super().__init__(self, store)
        self._dask = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dask, name)

    def submit(self, work: Any, *given: Any, pure: bool) -> Any:
        del work, given
        return self._dask.submit(_killed, pure=pure)


def _killed() -> None:
    raise MemoryError


def test_workers_that_die_say_nothing_of_the_backup(
    dask: Any, bucket: Bucket, shelf: Shelf, place: BucketPlace
) -> None:
    shelf.backup()
    with pytest.raises(RunStopped) as raised:
        verify(bucket, the_backup(bucket), readers=Dying(dask, store_of(place)))
    assert str(raised.value) == (
        "The Dask cluster of ARMILLARY_TASK_RUNNER did not read the backup to its end. "
        "time_series_values.json.zst could not be read: MemoryError. That says nothing of the "
        "backup. Look at the logs of its workers (often they have too little memory), and verify "
        "again; without ARMILLARY_TASK_RUNNER threads of this process read the files."
    )


def test_a_run_that_is_stopped_stops_its_workers(dask: Any, place: BucketPlace) -> None:
    errand = asked_of(place)
    flag = shared_event(errand.name, dask)
    flag.set()
    told = dask.submit(_asked_once, errand, pure=False).result()
    assert told == "RunStopped: The run was stopped."
    flag.clear()
    assert dask.submit(_asked_once, errand, pure=False).result() == "goes on"


def _asked_once(errand: ReadingErrand) -> str:
    passed = dask_readers._telling(errand)
    try:
        patched = dask_readers.TELL_SECONDS
        dask_readers.TELL_SECONDS = 0.0
        passed(1)
    except RunStopped as error:
        return repr(error)
    finally:
        dask_readers.TELL_SECONDS = patched
    return "goes on"


def large(count: int, size: int) -> list[FileEntry]:
    entry, _ = entry_of("markets", [])
    fields = {name: getattr(entry, name) for name in FileEntry.__struct_fields__}
    return [FileEntry(**fields | {"bytes": size}) for _ in range(count)]


@pytest.mark.parametrize(
    ("chosen", "count", "size"),
    [
        ("threads", 3, dask_readers.LARGE_BYTES),
        ("tcp://10.1.2.3:8786", 1, dask_readers.LARGE_BYTES),
        ("tcp://10.1.2.3:8786", 3, dask_readers.LARGE_BYTES // 4),
    ],
)
def test_what_is_small_asks_for_no_cluster(
    place: BucketPlace, monkeypatch: pytest.MonkeyPatch, chosen: str, count: int, size: int
) -> None:
    monkeypatch.setenv("ARMILLARY_TASK_RUNNER", chosen)
    with readers_for(store_of(place), large(count, size)) as readers:
        assert readers is None


def test_a_cluster_that_cannot_be_used_is_told_before_anything_is_read(
    place: BucketPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARMILLARY_TASK_RUNNER", "tcp://10.1.2.3:8786")
    entries = large(2, dask_readers.LARGE_BYTES // 2)
    with (
        pytest.raises(ConfigurationError, match="Nothing was read"),
        readers_for(store_of(place), entries),
    ):
        pass
