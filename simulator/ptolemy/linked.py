"""Collections whose records have no identifier of their own and belong to other records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from simulator.exchange import Refusal
from simulator.ptolemy.call import text as text_of
from simulator.ptolemy.collection import Collection
from simulator.ptolemy.comparisons import Reader
from simulator.ptolemy.records import Record
from simulator.ptolemy.writing import WritableCollection

R = TypeVar("R", bound=Record)


class LinkedCollection(WritableCollection[R]):
    """Listings, suspensions, calendars, values: found by UUID only."""

    named: ClassVar[bool] = False
    attribute: ClassVar[Mapping[str, str]] = {}
    """Reference field to the slot of a record that holds it."""

    def linked(self, name: str) -> Collection[Any]:
        """The collection a reference field points into."""
        return self.workspace.linked(name)

    def readers(self) -> dict[str, Reader]:
        """Also the references."""
        found = super().readers()
        for name, slot in self.attribute.items():
            found[name] = Reader(name, "reference", _id_of(slot), self._resolver(name))
        return found

    def owner(self, key: str) -> Record | None:
        """The record the group field points at."""
        return self.linked(self.group_field).lookup(key)

    def referred(self, body: dict[str, Any], name: str) -> Any:
        """The record a required reference field names.

        Raises:
            Refusal: 422 when it is missing or names nothing.
        """
        key = text_of(body, name)
        record = self.linked(name).lookup(key)
        if record is None:
            noun = self.linked(name).noun
            raise Refusal(422, f"{name}: no {noun} {key!r}", code="reference", field=name)
        return record

    def references(self, record: R) -> dict[str, Any]:
        """The references as answers show them (D2)."""
        shown: dict[str, Any] = {}
        for name, slot in self.attribute.items():
            other = getattr(record, slot)
            shown.update(self.workspace.presenter.reference(name.removesuffix("_id"), other))
        return shown

    def twin(self, body: dict[str, Any]) -> R | None:  # noqa: ARG002 - not all have a natural key
        """The active record an import row means when it cannot name a UUID."""
        return None

    def _resolver(self, name: str) -> Any:
        def resolve(key: str) -> str | None:
            record = self.linked(name).lookup(key)
            return record.id if record else None

        return resolve


class DeletedCollection(LinkedCollection[R]):
    """Records whose archiving no page describes: DELETE removes them (contract section 9)."""

    def put_away(self, record: R, caller: str) -> None:
        """Remove for ever, or archive, by the switch ``delete_unlisted``; told as *deleted*."""
        if self.workspace.config.delete_unlisted == "deleted":
            self.destroy(record, caller)
            return
        self.table.archive(record, self.workspace.clock.now())
        self.workspace.tell(f"{self.noun}.deleted", record, caller)


def _id_of(slot: str) -> Any:
    def get(record: Any) -> str | None:
        other = getattr(record, slot)
        return other.id if other else None

    return get
