"""From a list or filter request to the rows it means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simulator.exchange import Refusal
from simulator.ptolemy import filters
from simulator.ptolemy.call import is_text
from simulator.ptolemy.comparisons import Reader
from simulator.ptolemy.records import Record, following

if TYPE_CHECKING:
    from simulator.ptolemy.call import Call
    from simulator.ptolemy.collection import Collection

DEFAULT_LIMIT = 50
PAGE_KEYS = frozenset({"limit", "after", "include"})
BODY_KEYS = PAGE_KEYS | {"filter", "sort", "q"}


@dataclass(slots=True)
class Selection:
    """Candidates in creation order, what they must meet, and the order asked for."""

    rows: list[Any]
    matches: filters.Predicate
    sort: list[tuple[Reader, bool]] = field(default_factory=list)
    """Readers with whether they sort descending; empty: by creation."""
    descending: bool = False
    warnings: list[str] = field(default_factory=list)

    def every(self) -> Iterator[Any]:
        """All matching rows, by creation."""
        return filter(self.matches, self.rows)

    def after(self, number: int | None) -> Iterator[Any]:
        """The matching rows after a creation number, in the direction asked for."""
        rows = following(self.rows, number, descending=self.descending)
        return filter(self.matches, rows)

    def sorted(self) -> list[Any]:
        """All matching rows in the order asked for; nulls last."""
        rows = list(self.every())
        for reader, descending in reversed(self.sort):
            rows.sort(key=_sort_key(reader, descending), reverse=descending)
        return rows


def from_query(collection: Collection[Any], call: Call, query: dict[str, str]) -> Selection:
    """What a GET list means."""
    archived = query.get("archived")
    if archived not in (None, "true", "false", "all"):
        raise Refusal(400, "archived must be true, false or all", field="archived")
    tests = [_by_archived(call, archived)]
    rows = collection.table.rows
    if "ids" in query and call.config.ids_lookup != "ignored":
        rows = _by_ids(collection, call, query["ids"])
        if archived is None and call.config.ids_lookup != "active_only":
            tests = []
    for name in collection.narrowing & query.keys():
        rows, test = _narrowed(collection, rows, name, query[name])
        tests.append(test)
    if "q" in query:
        tests.append(_full_text(query["q"]))
    return _ordered(collection, call, Selection(rows, _both(tests)))


def from_body(collection: Collection[Any], call: Call, body: dict[str, Any]) -> Selection:
    """What a POST filter, count or export filter means."""
    compiled = None
    if body.get("filter") is not None:
        compiled = filters.Compiler(collection.reader, collection.tag_test, call.config).compile(
            body["filter"]
        )
    tests = [_archived_of_filter(call, body, compiled)]
    rows = collection.table.rows
    warnings: list[str] = []
    if compiled is not None:
        tests.append(compiled.matches)
        rows = _indexed(collection, call, rows, compiled)
        warnings = collection.warnings(compiled)
    for name in collection.narrowing & body.keys():
        if not is_text(body[name]):
            raise Refusal(400, f"{name} must be a string", field=name)
        rows, test = _narrowed(collection, rows, name, body[name])
        tests.append(test)
    if body.get("q") is not None:
        if not is_text(body["q"]):
            raise Refusal(400, "q must be a string", field="q")
        tests.append(_full_text(body["q"]))
    selection = Selection(rows, _both(tests), _sort(collection, body.get("sort")))
    selection.warnings = warnings
    return _ordered(collection, call, selection)


def for_export(
    collection: Collection[Any], call: Call, body: dict[str, Any], *, archived: bool
) -> Selection:
    """What an export means: ``include_archived`` decides, whatever the filter switches say."""
    compiled = None
    rows = collection.table.rows
    if body.get("filter") is not None:
        compiled = _compiled(collection, call, body["filter"])
        rows = _indexed(collection, call, rows, compiled)
    tests: list[filters.Predicate] = [filters.everything if archived else _is_active]
    if compiled is not None:
        tests.append(compiled.matches)
    return Selection(rows, _both(tests))


def _compiled(collection: Collection[Any], call: Call, node: Any) -> filters.Filter:
    compiler = filters.Compiler(collection.reader, collection.tag_test, call.config)
    return compiler.compile(node)


def _by_archived(call: Call, archived: str | None) -> filters.Predicate:
    if archived == "all" or (archived == "true" and call.config.archived_true == "include"):
        return filters.everything
    if archived == "true":
        return _is_archived
    return _is_active


def _archived_of_filter(
    call: Call, body: dict[str, Any], compiled: filters.Filter | None
) -> filters.Predicate:
    way = call.config.archived_both_filter
    if "archived" in body:
        if way not in ("key", "either"):
            raise Refusal(422, "Unknown field 'archived'", code="unknown_field", field="archived")
        given = body["archived"]
        text = str(given).lower() if isinstance(given, bool) else given
        if text not in ("true", "false", "all"):
            raise Refusal(400, "archived must be true, false or all", field="archived")
        return _by_archived(call, text)
    if call.config.filter_archived == "all":
        return filters.everything
    if compiled is None or not compiled.asks_archived:
        return _is_active
    if way in ("condition", "either"):
        return filters.everything
    required = {leaf.field for leaf in compiled.required}
    return filters.everything if "archived_at" in required else _is_active


def _is_active(record: Record) -> bool:
    return record.archived_at is None


def _is_archived(record: Record) -> bool:
    return record.archived_at is not None


def _both(tests: list[filters.Predicate]) -> filters.Predicate:
    tests = [test for test in tests if test is not filters.everything]
    if not tests:
        return filters.everything
    if len(tests) == 1:
        return tests[0]
    return lambda record: all(test(record) for test in tests)


def _full_text(wanted: str) -> filters.Predicate:
    part = wanted.casefold()
    return lambda record: (
        part in (record.identifier or "").casefold() or part in record.name.casefold()
    )


def _by_ids(collection: Collection[Any], call: Call, text: str) -> list[Any]:
    config = call.config
    keys = [key for key in text.split(",") if key]
    if config.ids_lookup == "refused":
        raise Refusal(400, "Unknown query parameter 'ids'", field="ids")
    if config.ids_max is not None and len(keys) > config.ids_max:
        raise Refusal(400, f"At most {config.ids_max} ids in one request", field="ids")
    found: dict[int, Any] = {}
    for key in keys:
        record = collection.lookup(key)
        if record is not None:
            found[record.number] = record
        elif config.ids_lookup == "unknown_is_404":
            raise Refusal(404, f"No {collection.noun} {key!r}", code="not_found")
    return [found[number] for number in sorted(found)]


def _narrowed(
    collection: Collection[Any], rows: list[Any], name: str, key: str
) -> tuple[list[Any], filters.Predicate]:
    reader = collection.reader(name)
    wanted = reader.resolve(key) if reader.resolve else key
    if name == collection.group_field and rows is collection.table.rows:
        owner = collection.owner(key)
        return (collection.table.group(owner) if owner else []), filters.everything
    return rows, lambda record: reader.get(record) == wanted


def _indexed(
    collection: Collection[Any], call: Call, rows: list[Any], compiled: filters.Filter
) -> list[Any]:
    """Fewer candidates where an index knows them; the predicate still decides."""
    for leaf in compiled.required:
        if leaf.op not in ("eq", "in") or leaf.value is None:
            continue
        wanted = leaf.value if leaf.op == "in" else [leaf.value]
        if leaf.field == "identifier" and call.config.eq_case == "sensitive":
            return collection.candidates(wanted)
        if leaf.field == collection.group_field and len(wanted) == 1:
            owner = collection.owner(wanted[0])
            rows = collection.table.group(owner) if owner else []
    return rows


def _sort(collection: Collection[Any], given: Any) -> list[tuple[Reader, bool]]:
    if given is None:
        return []
    if not isinstance(given, list):
        raise Refusal(400, "sort must be a list", field="sort")
    order = []
    for entry in given:
        good = (
            isinstance(entry, dict)
            and entry.keys() <= {"field", "direction"}
            and is_text(entry.get("field"))
            and entry.get("direction", "asc") in ("asc", "desc")
        )
        if not good:
            raise Refusal(400, "A sort entry has field and direction (asc, desc)", field="sort")
        order.append((collection.reader(entry["field"]), entry.get("direction") == "desc"))
    return order


def _ordered(collection: Collection[Any], call: Call, selection: Selection) -> Selection:
    """Apply the default order, and walk instead of sort where the order is that of creation."""
    if not selection.sort and call.config.default_order == "identifier":
        selection.sort = [(collection.reader("identifier"), False)] if collection.named else []
    elif not selection.sort:
        selection.descending = call.config.default_order == "created_descending"
    elif [reader.name for reader, _ in selection.sort] == ["created_at"]:
        selection.descending = selection.sort[0][1]
        selection.sort = []
    return selection


def _sort_key(reader: Reader, descending: bool) -> Callable[[Any], tuple[bool, Any]]:
    def key(record: Any) -> tuple[bool, Any]:
        value = reader.get(record)
        if value is None:
            return (not descending, 0)
        if reader.kind == "number":
            return (descending, float(value))
        return (descending, value)

    return key
