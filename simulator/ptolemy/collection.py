"""What all collections have in common: listing, filtering, counting, finding."""

from __future__ import annotations

import builtins
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from simulator.exchange import Answer, Refusal
from simulator.ptolemy import filters, paging, selection
from simulator.ptolemy.call import Call
from simulator.ptolemy.comparisons import Reader
from simulator.ptolemy.cursors import question
from simulator.ptolemy.records import Record, Table, UuidSource

if TYPE_CHECKING:
    from simulator.ptolemy.workspace import Workspace

R = TypeVar("R", bound=Record)
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Collection(ABC, Generic[R]):
    """One collection of a workspace and its handlers."""

    path: ClassVar[str]
    """Below the workspace, without slash."""
    noun: ClassVar[str]
    """The resource as events name it."""
    narrowing: ClassVar[frozenset[str]] = frozenset()
    """Shorthand parameters that are references."""
    group_field: ClassVar[str] = ""
    """The one of these the table is grouped by."""
    named: ClassVar[bool] = True
    """Whether records have an identifier and a name (and ``q`` works)."""
    bare_in_samples: ClassVar[bool] = False
    """Whether samples show single objects bare (D1)."""
    includes: ClassVar[frozenset[str]] = frozenset()
    items: ClassVar[int] = 1
    """Database items a record counts as (section 17); 0: not billable."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.table: Table[R] = Table(UuidSource(f"{workspace.seed}:{workspace.slug}:{self.path}"))
        self.tag_test: Callable[[filters.Condition, bool], filters.Predicate] | None = None
        self._readers = self.readers()

    # What a collection says of itself.

    def readers(self) -> dict[str, Reader]:
        """The fields filters and sort may name; a collection adds its own."""
        found = [
            Reader("id", "text", lambda record: record.id),
            Reader("created_at", "time", lambda record: record.created_at),
            Reader("archived_at", "time", lambda record: record.archived_at),
        ]
        if self.named:
            found.append(Reader("identifier", "text", lambda record: record.identifier))
            found.append(Reader("name", "text", lambda record: record.name))
        return {reader.name: reader for reader in found}

    @abstractmethod
    def present(self, record: R) -> dict[str, Any]:
        """A record as answers show it."""

    def owner(self, key: str) -> Record | None:  # noqa: ARG002 - only some collections have one
        """The record of the group field by UUID or identifier."""
        return None

    def included(self, what: str, record: R) -> list[Record]:  # noqa: ARG002
        """The records an ``include`` token adds for one row."""
        return []

    def item_count(self, record: R) -> int:  # noqa: ARG002
        """Database items of one record."""
        return self.items

    # Finding.

    def reader(self, name: str) -> Reader:
        """The reader of a field.

        Raises:
            Refusal: 400 for a field filters do not know here.
        """
        found = self._readers.get(name)
        if found is None:
            raise filters.refuse(f"Unknown field {name!r} for {self.path}")
        return found

    def warnings(self, compiled: filters.Filter) -> list[str]:  # noqa: ARG002
        """Soft validation of a filter (section 3)."""
        return []

    def lookup(self, key: str) -> R | None:
        """A record by UUID or identifier, archived ones included."""
        found = self.table.by_id(key) if UUID.fullmatch(key) else None
        if found is not None or not self.named:
            return found
        folded = self.workspace.folded(key)
        pair = (self.table.active(folded), self.table.archived(folded))
        first, second = pair if self.workspace.config.identifier_winner == "active" else pair[::-1]
        return first or second

    def candidates(self, keys: list[Any]) -> list[R]:
        """Every record, archived or not, with one of these identifiers, by creation."""
        found: dict[int, R] = {}
        for key in keys:
            for record in self.table.holders(str(key)):
                found[record.number] = record
        return [found[number] for number in sorted(found)]

    def find(self, call: Call, key: str | None = None) -> R:
        """The record of the path.

        Raises:
            Refusal: 404; by N4 also for the identifier of an archived record.
        """
        key = call.key if key is None else key
        found = self.lookup(key)
        hidden = (
            found is not None
            and found.archived_at is not None
            and found.id != key.lower()
            and not call.config.get_finds_archived_identifier
        )
        if found is None or hidden:
            raise Refusal(404, f"No {self.noun} {key!r} in this workspace", code="not_found")
        return found

    # Handlers.

    def list(self, call: Call) -> Answer:
        """GET of the collection."""
        allowed = {*self.narrowing, "archived", "ids", "limit", "after", "include"}
        query = call.query(allowed | {"q"} if self.named else allowed)
        chosen = selection.from_query(self, call, query)
        answer = paging.page(call, chosen, query, question(self.path, query), self.present)
        tokens = [token for token in query.get("include", "").split(",") if token]
        return self._include(answer, tokens, asked="include" in query)

    def filter(self, call: Call) -> Answer:
        """POST ``/filter``."""
        body = self._filter_body(call)
        if isinstance(body.get("limit"), str):
            raise Refusal(400, "limit must be a number", field="limit")
        chosen = selection.from_body(self, call, body)
        answer = paging.page(call, chosen, body, question(self.path, body), self.present)
        tokens = body.get("include") or []
        if not isinstance(tokens, list):
            raise Refusal(400, "include must be a list", field="include")
        return self._include(answer, tokens, asked="include" in body)

    def count(self, call: Call) -> Answer:
        """POST ``/count``; the body of the answer is N7."""
        style = call.config.count_body
        if style == "refused":
            raise Refusal(404, "Nothing is here", code="not_found")
        body = self._filter_body(call)
        number = sum(1 for _ in selection.from_body(self, call, body).every())
        if style == "bare":
            return Answer(200, number)
        value = {"count": number}
        return Answer(200, value if style == "count" else {"data": value})

    def get(self, call: Call) -> Answer:
        """GET of one record."""
        query = call.query({"include"})
        record = self.find(call)
        answer = call.single(self.present(record), bare=self.bare_in_samples)
        answer.rows = [record]
        tokens = [token for token in query.get("include", "").split(",") if token]
        return self._include(answer, tokens, asked="include" in query)

    def shown(self, call: Call, record: R, status: int = 200) -> Answer:
        """The answer to a write."""
        return call.single(self.present(record), status, bare=self.bare_in_samples)

    def _filter_body(self, call: Call) -> dict[str, Any]:
        call.query(())
        allowed = {*selection.BODY_KEYS, *self.narrowing, "archived"}
        return call.body(allowed if self.named else allowed - {"q"})

    def _include(self, answer: Answer, tokens: builtins.list[Any], *, asked: bool) -> Answer:
        if not asked:
            return answer
        included: dict[str, builtins.list[Any]] = {}
        for token in tokens:
            if token not in self.includes:
                raise Refusal(400, f"include does not know {token!r}", field="include")
            found: dict[str, Record] = {}
            for row in answer.rows or []:
                found.update((record.id, record) for record in self.included(token, row))
            for record in found.values():
                shower = self.workspace.collection_of(record)
                included.setdefault(shower.noun, []).append(shower.present(record))
            if not found:
                included.setdefault(token, [])
        if isinstance(answer.value, dict):
            answer.value = {**answer.value, "included": included}
        return answer
