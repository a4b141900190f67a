"""Tags: a tree of slugs, and the records that carry them (contract section 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from simulator.exchange import Answer, Refusal
from simulator.ptolemy import filters
from simulator.ptolemy.call import Call, is_text, optional_text, text
from simulator.ptolemy.collection import Collection
from simulator.ptolemy.records import Record
from simulator.ptolemy.typed import SLUG
from simulator.ptolemy.writing import WritableCollection

if TYPE_CHECKING:
    from simulator.ptolemy.workspace import Workspace


class Tag(Record):
    """A tag; its identifier is its path such as ``#equity#aus``."""

    __slots__ = ("name", "parent", "slug")

    def __init__(self, slug: str, name: str, parent: Tag | None) -> None:
        super().__init__(f"{parent.path if parent else ''}#{slug}")
        self.parent = parent
        self.slug = slug
        self.name = name

    @property
    def path(self) -> str:
        """The path from the root."""
        return self.identifier or ""

    def is_below(self, other: Record) -> bool:
        """Whether the tag is a descendant of another."""
        return self.path.startswith(f"{other.identifier}#")


class Tags(WritableCollection[Tag]):
    """``/instrument-tags`` or ``/time-series-tags``."""

    fields: ClassVar[frozenset[str]] = frozenset({"name", "slug", "parent_id"})
    hard: ClassVar[bool] = True
    items: ClassVar[int] = 0

    def __init__(
        self, workspace: Workspace, path: str, noun: str, carriers: Collection[Any]
    ) -> None:
        self.path = path  # type: ignore[misc]
        self.noun = noun  # type: ignore[misc]
        self._carriers = carriers
        super().__init__(workspace)
        carriers.tag_test = self.carried
        self.tag_test = self._descends

    def lookup(self, key: str) -> Tag | None:
        """By UUID, path, or the slug of a root."""
        path = key if key.startswith("#") else f"#{key}"
        return self.table.by_id(key) or self.table.active(path) or self.table.archived(path)

    def present(self, record: Tag) -> dict[str, Any]:
        """A tag as answers show it."""
        presenter = self.workspace.presenter
        return {
            "id": record.id,
            "name": record.name,
            "slug": record.slug,
            "path": record.path,
            **presenter.reference("parent", record.parent),
            **presenter.times(record),
        }

    def make(self, body: dict[str, Any]) -> Tag:
        """Judge a create body."""
        slug, name = _slug(text(body, "slug")), text(body, "name")
        tag = Tag(slug, name, self._parent(body))
        self._free(tag.path, None)
        return tag

    def change(self, record: Tag, body: dict[str, Any]) -> None:
        """Judge and apply; the paths of the whole subtree follow."""
        name = text(body, "name") if "name" in body else record.name
        slug = _slug(text(body, "slug")) if "slug" in body else record.slug
        parent = self._parent(body) if "parent_id" in body else record.parent
        if parent is not None and (parent is record or parent.is_below(record)):
            raise Refusal(409, "A tag cannot be below itself", code="tag_cycle")
        path = f"{parent.path if parent else ''}#{slug}"
        if path != record.path:
            self._free(path, record)
        below = self._below(record)
        old = record.path
        record.name, record.slug, record.parent = name, slug, parent
        for tag in [record, *below]:
            self.table.rename(tag, path + tag.path.removeprefix(old))

    def before_archive(self, record: Tag) -> None:
        """The subtree goes first (section 9)."""
        for tag in self._below(record):
            if tag.archived_at is None:
                self.table.archive(tag, self.workspace.clock.now())

    def before_hard_delete(self, record: Tag) -> None:
        """Blocked while anything hangs on it."""
        carried = any(record in row.tags for row in self._carriers.table.rows)
        if self._below(record) or carried:
            raise Refusal(409, "The tag is in use", code="tag_in_use")

    def delete(self, call: Call) -> Answer:
        """Hard delete is blocked while the tag is in use."""
        if call.incoming.query.get("hard") == "true":
            self.before_hard_delete(self.find(call))
        return super().delete(call)

    # Assignments.

    def add(self, call: Call) -> Answer:
        """POST ``/{carrier}/{id}/tags``: one more."""
        body = call.body({"tag_id", "tag"})
        carrier = self._carriers.find(call)
        tag = self._assignable(body.get("tag_id", body.get("tag")))
        if tag not in carrier.tags:
            carrier.tags = (*carrier.tags, tag)
        return self._shown(carrier, 201)

    def replace(self, call: Call) -> Answer:
        """PUT ``/{carrier}/{id}/tags``: exactly these."""
        keys = call.json()
        if not isinstance(keys, list):
            raise Refusal(422, "The body must be a list of tags", code="invalid_type")
        carrier = self._carriers.find(call)
        carrier.tags = tuple(dict.fromkeys(self._assignable(key) for key in keys))
        return self._shown(carrier, 200)

    def _shown(self, carrier: Record, status: int) -> Answer:
        rows = [self.present(tag) for tag in carrier.tags if isinstance(tag, Tag)]
        return Answer(status, {"data": rows})

    def _assignable(self, key: Any) -> Tag:
        tag = self.lookup(key) if is_text(key) else None
        if tag is None:
            raise Refusal(422, f"No tag {key!r}", code="reference", field="tag_id")
        if tag.archived_at is not None:
            raise Refusal(422, f"The tag {tag.path} is archived", code="archived", field="tag_id")
        return tag

    # Filters.

    def carried(self, condition: filters.Condition, asks_archived: bool) -> filters.Predicate:
        """``tagged`` and ``tagged_with_descendants`` on the carriers."""
        if condition.op == "is_descendant_of":
            raise filters.refuse("is_descendant_of is for tags only")
        wanted = self._wanted(condition)
        counts = self.workspace.config.archived_tags == "when_asked" and asks_archived
        below = condition.op == "tagged_with_descendants"
        return lambda record: any(
            (tag is wanted or (below and tag.is_below(wanted)))
            and (counts or tag.archived_at is None)
            for tag in record.tags
        )

    def _descends(self, condition: filters.Condition, _asks_archived: bool) -> filters.Predicate:
        if condition.op != "is_descendant_of":
            raise filters.refuse(f"{condition.op} is not for tags")
        wanted = self._wanted(condition)
        return lambda tag: tag.is_below(wanted)

    def _wanted(self, condition: filters.Condition) -> Tag:
        tag = self.lookup(condition.value) if is_text(condition.value) else None
        if tag is None:
            raise filters.refuse(f"No tag {condition.value!r}")
        return tag

    def _parent(self, body: dict[str, Any]) -> Tag | None:
        key = optional_text(body, "parent_id")
        return None if key is None else self._assignable(key)

    def _below(self, record: Tag) -> list[Tag]:
        return [tag for tag in self.table.rows if tag.is_below(record)]

    def _free(self, path: str, holder: Tag | None) -> None:
        other = self.table.active(path)
        if other is not None and other is not holder:
            raise Refusal(409, f"The tag {path} exists", code="tag_taken", field="slug")


def _slug(given: str) -> str:
    if not SLUG.fullmatch(given):
        raise Refusal(422, f"slug: {given!r} is not allowed", code="invalid_slug", field="slug")
    return given
