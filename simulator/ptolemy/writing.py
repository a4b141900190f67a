"""What collections with writes have in common: create, patch, archive, restore, hard delete."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from simulator.exchange import Answer, Refusal
from simulator.ptolemy.call import Call
from simulator.ptolemy.collection import Collection, R

REFUSALS = (404, 409)


class WritableCollection(Collection[R]):
    """A collection whose records are made and changed through the API."""

    fields: ClassVar[frozenset[str]] = frozenset()
    """What a create body may hold."""
    fixed: ClassVar[frozenset[str]] = frozenset()
    """Those of them a PATCH may not change."""
    hard: ClassVar[bool] = False
    """Whether ``?hard=true`` exists (contract section 9)."""

    @abstractmethod
    def make(self, body: dict[str, Any]) -> R:
        """A new record from a body, judged but not stored.

        Raises:
            Refusal: 422 or 409.
        """

    @abstractmethod
    def change(self, record: R, body: dict[str, Any]) -> None:
        """Judge a PATCH body, then apply all of it.

        Raises:
            Refusal: 422 or 409; nothing is changed then.
        """

    def before_restore(self, record: R) -> None:
        """Raise 409 when a record may not come back."""

    def before_archive(self, record: R) -> None:
        """Raise 409 when a record may not be archived."""

    def after_create(self, record: R, caller: str) -> None:
        """What else a new record brings."""

    def after_archive(self, record: R) -> None:
        """What else is archived with a record."""

    def after_restore(self, record: R) -> None:
        """What else is restored with a record."""

    def cascade(self, record: R) -> None:
        """Remove what goes with a hard deleted record."""

    # What handlers and imports share.

    def insert(self, body: dict[str, Any], caller: str, record_id: str | None = None) -> R:
        """Create a record: judge, count its items, store, tell."""
        record = self.make(body)
        self.workspace.take_items(self.item_count(record))
        self.table.add(record, self.workspace.clock.now(), record_id=record_id)
        self.after_create(record, caller)
        self.workspace.tell(f"{self.noun}.created", record, caller, tuple(body))
        return record

    def update(self, record: R, body: dict[str, Any], caller: str) -> None:
        """Change a record: judge, store, tell."""
        self.change(record, body)
        record.updated_at = self.workspace.clock.now()
        self.workspace.tell(f"{self.noun}.updated", record, caller, tuple(body))

    def put_away(self, record: R, caller: str) -> None:
        """Archive a record and tell."""
        self.table.archive(record, self.workspace.clock.now())
        self.after_archive(record)
        self.workspace.tell(f"{self.noun}.archived", record, caller)

    # Handlers.

    def create(self, call: Call) -> Answer:
        """POST of the collection: 201."""
        call.query(())
        record = self.insert(call.body(self.fields), call.token.name)
        return self.shown(call, record, 201)

    def patch(self, call: Call) -> Answer:
        """PATCH of one record: 200."""
        call.query(())
        body = call.body(self.fields - self.fixed)
        record = self.find(call)
        status = call.config.patch_archived
        if record.archived_at is not None and status in REFUSALS:
            raise Refusal(status, f"{call.key!r} is archived", code="archived")
        self.update(record, body, call.token.name)
        return self.shown(call, record)

    def delete(self, call: Call) -> Answer:
        """DELETE: archive, or with ``hard=true`` for ever; 204."""
        query = call.query({"hard"})
        if query.get("hard", "false") not in ("true", "false"):
            raise Refusal(400, "hard must be true or false", field="hard")
        hard = query.get("hard") == "true"
        if hard and not self.hard:
            raise Refusal(422, f"A {self.noun} cannot be hard deleted", code="no_hard_delete")
        if hard and not call.token.may(call.config.hard_delete_role):
            raise Refusal(403, f"Hard delete needs the role {call.config.hard_delete_role}")
        record = self.lookup(call.key) if not hard else self.find(call)
        if record is None:
            raise Refusal(404, f"No {self.noun} {call.key!r} in this workspace", code="not_found")
        if hard:
            self.destroy(record, call.token.name)
            return Answer(204)
        if record.archived_at is not None:
            return self._archived_already(call)
        self.before_archive(record)
        self.put_away(record, call.token.name)
        return Answer(204)

    def restore(self, call: Call) -> Answer:
        """POST ``/restore``: 200, or 409 when active or taken."""
        call.query(())
        body = call.body(self.fields - self.fixed) if call.incoming.body.strip() else {}
        record = self.find_archived(call)
        if record.archived_at is None:
            raise Refusal(409, f"{call.key!r} is not archived", code="not_archived")
        identifier = record.identifier
        if self.named and identifier is not None and self.table.active(identifier) is not None:
            message = f"Another {self.noun} now has the identifier {identifier!r}"
            raise Refusal(409, message, code="identifier_taken")
        self.before_restore(record)
        if body:
            self.change(record, body)
        self.table.restore(record, self.workspace.clock.now())
        self.after_restore(record)
        self.workspace.tell(f"{self.noun}.restored", record, call.token.name)
        return self.shown(call, record)

    def find_archived(self, call: Call) -> R:
        """The record to restore: by UUID, else the archived one of the identifier, else active."""
        found = self.table.archived(self.workspace.folded(call.key)) if self.named else None
        return found or self.find(call)

    def destroy(self, record: R, caller: str) -> None:
        """Hard delete."""
        self.cascade(record)
        self.table.remove(record)
        self.workspace.give_items(self.item_count(record))
        self.workspace.tell(f"{self.noun}.deleted", record, caller)

    def _archived_already(self, call: Call) -> Answer:
        status = call.config.delete_archived
        if status not in REFUSALS:
            return Answer(204)
        raise Refusal(status, f"{call.key!r} is archived already", code="archived")
