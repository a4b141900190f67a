"""The filter grammar of contract section 5, compiled to a predicate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from simulator.config import Config
from simulator.exchange import Refusal
from simulator.ptolemy import comparisons
from simulator.ptolemy.comparisons import Reader
from simulator.ptolemy.records import Record

Predicate = Callable[[Any], bool]

ORDERINGS: Final = ("lt", "lte", "gt", "gte")
TAG_OPERATORS: Final = ("tagged", "tagged_with_descendants", "is_descendant_of")
OPERATORS: Final = (
    *("eq", "ne", "in", "not_in", "like", "is_null"),
    *ORDERINGS,
    *TAG_OPERATORS,
)
NEEDED_KEYS: Final = {"field", "op", "value"}


@dataclass(slots=True)
class Condition:
    """One leaf of a filter."""

    field: str
    op: str
    value: Any


@dataclass(slots=True)
class Filter:
    """A compiled filter."""

    matches: Predicate
    leaves: list[Condition] = field(default_factory=list)
    required: list[Condition] = field(default_factory=list)
    """Conditions every row must meet: what an index can be asked for."""

    @property
    def asks_archived(self) -> bool:
        """Whether ``archived_at`` is mentioned anywhere."""
        return any(leaf.field == "archived_at" for leaf in self.leaves)


Lookup = Callable[[str], Reader]
TagTest = Callable[[Condition, bool], Predicate]


def refuse(message: str) -> Refusal:
    """A 400 for a filter that breaks the grammar."""
    return Refusal(400, message, code="invalid_filter", field="filter")


class Compiler:
    """Compiles filters of one collection."""

    def __init__(self, lookup: Lookup, tag_test: TagTest | None, config: Config) -> None:
        self._lookup = lookup
        self._tag_test = tag_test
        self._config = config
        self._leaves: list[Condition] = []

    def compile(self, node: Any) -> Filter:
        """Compile a whole filter.

        Raises:
            Refusal: 400 when it breaks the grammar.
        """
        self._collect(node, depth=0)
        asks_archived = any(leaf.field == "archived_at" for leaf in self._leaves)
        matches = self._node(node, asks_archived)
        return Filter(matches, self._leaves, _required(node, self._config))

    def _collect(self, node: Any, depth: int) -> None:
        if depth > 50:  # noqa: PLR2004 - "arbitrary" nesting still needs an end
            raise refuse("The filter is nested too deeply")
        if not isinstance(node, dict):
            raise refuse(f"A filter node must be an object, not {type(node).__name__}")
        if "field" in node or "op" in node:
            self._leaves.append(_condition(node))
            return
        unknown = set(node) - {"and", "or"}
        if unknown:
            raise refuse(f"Unknown key in filter: {min(unknown)!r}")
        for key in ("and", "or"):
            if key in node and not isinstance(node[key], list):
                raise refuse(f"{key!r} must be a list of conditions")
            for child in node.get(key, ()):
                self._collect(child, depth + 1)

    def _node(self, node: dict[str, Any], asks_archived: bool) -> Predicate:
        if "field" in node:
            return self._leaf(_condition(node), asks_archived)
        parts: list[Predicate] = []
        if "and" in node:
            every = [self._node(child, asks_archived) for child in node["and"]]
            parts.append(_all(every))
        if "or" in node:
            some = [self._node(child, asks_archived) for child in node["or"]]
            parts.append(_any(some))
        return _any(parts) if self._config.and_or == "either" and parts else _all(parts)

    def _leaf(self, condition: Condition, asks_archived: bool) -> Predicate:
        if condition.op in TAG_OPERATORS:
            if self._tag_test is None or self._config.tagged_filters == "refused":
                raise refuse(f"{condition.op} is not supported here")
            return self._tag_test(condition, asks_archived)
        reader = self._lookup(condition.field)
        if condition.op == "is_null" or condition.value is None:
            return _null_test(reader, condition)
        if condition.op in ORDERINGS:
            if reader.kind == "text" and self._config.text_ordering == "refused":
                raise refuse(f"{condition.op} is not possible on the text field {condition.field}")
            return comparisons.ordering(reader, condition.op, condition.value)
        if condition.op == "like":
            return comparisons.like(reader, condition.value)
        fold = self._config.eq_case == "insensitive"
        wanted = condition.value if condition.op in ("in", "not_in") else [condition.value]
        negate = condition.op in ("ne", "not_in")
        return comparisons.membership(reader, wanted, fold=fold, negate=negate)


def _condition(node: dict[str, Any]) -> Condition:
    if set(node) != NEEDED_KEYS:
        wrong = sorted(set(node) ^ NEEDED_KEYS)
        raise refuse(f"A condition has exactly field, op and value; look at {', '.join(wrong)}")
    name, op, value = node["field"], node["op"], node["value"]
    if not isinstance(name, str) or op not in OPERATORS:
        raise refuse(f"Unknown operator {op!r}; known: {', '.join(OPERATORS)}")
    if op in ("in", "not_in"):
        good = isinstance(value, list) and all(
            isinstance(entry, str | int) and not isinstance(entry, bool) for entry in value
        )
        if not good:
            raise refuse(f"{op} needs a list of strings or numbers")
    elif op == "is_null":
        if not isinstance(value, bool):
            raise refuse("is_null needs true or false")
    elif op in ("eq", "ne"):
        if isinstance(value, list | dict):
            raise refuse(f"{op} needs a string, number, boolean or null")
    elif not isinstance(value, str | int) or isinstance(value, bool):
        raise refuse(f"{op} needs a string or a number")
    return Condition(name, op, value)


def _null_test(reader: Reader, condition: Condition) -> Predicate:
    wanted = condition.value if condition.op == "is_null" else condition.op == "eq"
    get = reader.get
    if wanted:
        return lambda record: get(record) is None
    return lambda record: get(record) is not None


def _all(parts: list[Predicate]) -> Predicate:
    if len(parts) == 1:
        return parts[0]
    return lambda record: all(part(record) for part in parts)


def _any(parts: list[Predicate]) -> Predicate:
    if len(parts) == 1:
        return parts[0]
    return lambda record: any(part(record) for part in parts)


def _required(node: dict[str, Any], config: Config) -> list[Condition]:
    if "field" in node:
        return [_condition(node)]
    if "or" in node and config.and_or == "either":
        return []
    return [leaf for child in node.get("and", ()) for leaf in _required(child, config)]


def everything(record: Record) -> bool:  # noqa: ARG001 - a predicate takes the record
    """The predicate of no filter."""
    return True
