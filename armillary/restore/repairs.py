"""Single records brought to what the backup has: where an import cannot, or did not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from armillary import progress
from armillary.api.collection import ErasableRecords, Records
from armillary.api.ptolemy import Ptolemy
from armillary.errors import (
    AnswerLost,
    Conflict,
    NotFound,
    RequestRejected,
    TransientError,
)
from armillary.restore.records import records_of

Verb = Literal["create", "revive", "archive"]


@dataclass(frozen=True)
class Repair:
    """What one record needs; carried out in the order archived → revived → patched."""

    number: int
    """Of the row in the backup."""
    uuid: str
    """In the target; blank for one to create."""
    create: Mapping[str, Any] | None = None
    revive: bool = False
    patch: Mapping[str, Any] | None = None
    archive: bool = False
    erase: bool = False
    """For good; only of types that can be."""


@dataclass(frozen=True)
class Repairer:
    """Carries out repairs of one workspace, several at once.

    Attributes:
        ptolemy: the workspace.
        in_flight: how many at once.
        go_on: called before each; raises to end it all (a lost lease).
    """

    ptolemy: Ptolemy
    in_flight: int
    go_on: Callable[[], None]

    def run(
        self, resource_type: str, repairs: Iterable[Repair], step: str, total: int
    ) -> dict[int, str]:
        """Carry them out; why some failed, by the number of the row.

        Raises:
            ApiError: what no other record would survive either: token, quota.
        """
        records, failed, done = records_of(self.ptolemy, resource_type), dict[int, str](), 0

        def one(repair: Repair) -> tuple[int, str]:
            self.go_on()
            try:
                _carry_out(records, repair)
            except (RequestRejected, TransientError) as error:
                return repair.number, _words(error)
            return repair.number, ""

        with ThreadPoolExecutor(self.in_flight, thread_name_prefix="repair") as pool:
            try:
                for number, why in pool.map(one, repairs):
                    if why:
                        failed[number] = why
                    done += 1
                    progress.say(step, done, total)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return failed


def _carry_out(records: Records, repair: Repair) -> None:
    if repair.create is not None:
        with suppress(AnswerLost):  # whether it is there is seen when the workspace is read back
            records.create(repair.create)
        return
    if repair.erase:
        _erase(records, repair.uuid)
        return
    if repair.revive:
        _revive(records, repair.uuid)
    if repair.patch:
        records.patch(repair.uuid, repair.patch)
    if repair.archive:
        _archive(records, repair.uuid)


def _revive(records: Records, uuid: str) -> None:
    """409 means "not archived" or "its name is taken": a look tells which (contract section 9)."""
    try:
        records.restore(uuid)
    except Conflict:
        if records.get(uuid).get("archived_at") is not None:
            raise


def _archive(records: Records, uuid: str) -> None:
    """404 and 409 may mean that it is archived: then a look cannot find it active."""
    try:
        records.archive(uuid)
    except (NotFound, Conflict):
        with suppress(NotFound):
            if records.get(uuid).get("archived_at") is None:
                raise


def _erase(records: Records, uuid: str) -> None:
    if not isinstance(records, ErasableRecords):
        raise TypeError(f"{records.path} cannot be erased")
    with suppress(NotFound):
        records.hard_delete(uuid)


def _words(error: RequestRejected | TransientError) -> str:
    said = error.detail or error.body_start
    return f"{error.message.removesuffix('.')}: {said}" if said else error.message
