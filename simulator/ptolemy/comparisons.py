"""Comparing what a record holds with what a condition says, by the kind of the field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from operator import ge, gt, le, lt
from typing import Any, Final, Literal

from simulator.exchange import NumberText, Refusal
from simulator.ptolemy.values import NUMBER

Kind = Literal["text", "number", "date", "boolean", "time", "reference"]
OPERATIONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "lt": lt,
    "lte": le,
    "gt": gt,
    "gte": ge,
}


@dataclass(frozen=True, slots=True)
class Reader:
    """How a named field is read from a record.

    ``get`` gives text, for ``time`` seconds since 1970, for ``reference`` a UUID; none for null.
    ``resolve`` turns an identifier or UUID into the UUID of a reference.
    """

    name: str
    kind: Kind
    get: Callable[[Any], Any]
    resolve: Callable[[str], str | None] | None = None


def membership(
    reader: Reader, wanted: Sequence[Any], *, fold: bool, negate: bool
) -> Callable[[Any], bool]:
    """Whether the value is one of ``wanted`` (or none of them)."""
    get = reader.get
    fold = fold and reader.kind == "text"
    keys = {_key(reader, value, fold=fold) for value in wanted}
    if reader.kind == "number":
        return lambda record: (_decimal(get(record)) in keys) is not negate
    if fold:
        return lambda record: (_folded(get(record)) in keys) is not negate
    if negate:
        return lambda record: get(record) not in keys
    if len(keys) == 1:
        (key,) = keys
        return lambda record: get(record) == key
    return lambda record: get(record) in keys


def ordering(reader: Reader, op: str, value: Any) -> Callable[[Any], bool]:
    """Whether the value lies before or after ``value``; null is neither."""
    if reader.kind in ("boolean", "reference"):
        raise _refuse(f"{op} is not possible on {reader.name}")
    compare = OPERATIONS[op]
    bound = _key(reader, value, fold=False)
    get = reader.get
    if reader.kind == "number":
        return lambda record: (held := _decimal(get(record))) is not None and compare(held, bound)
    return lambda record: (held := get(record)) is not None and compare(held, bound)


def like(reader: Reader, value: Any) -> Callable[[Any], bool]:
    """Whether the text contains ``value``, whatever the case."""
    if reader.kind not in ("text", "number"):
        raise _refuse(f"like is not possible on {reader.name}")
    if not isinstance(value, str) or isinstance(value, NumberText):
        raise _refuse("like needs a string")
    part = value.casefold()
    get = reader.get
    return lambda record: part in (get(record) or "").casefold()


def seconds(text: Any) -> float:
    """An ISO 8601 time (or date) as seconds since 1970.

    Raises:
        Refusal: 400 when it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise _refuse(f"{text!r} is not an ISO 8601 time") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _key(reader: Reader, value: Any, *, fold: bool) -> Any:
    if reader.kind == "number":
        if isinstance(value, bool) or not NUMBER.fullmatch(str(value)):
            raise _refuse(f"{value!r} is not a number, but {reader.name} is a number field")
        return Decimal(str(value))
    if reader.kind == "time":
        return seconds(value)
    if reader.kind == "boolean":
        return "true" if value is True else "false" if value is False else value
    if not isinstance(value, str) or isinstance(value, NumberText):
        raise _refuse(f"{reader.name} is compared with a string")
    if reader.kind == "date":
        return value[:10]
    if reader.kind == "reference" and reader.resolve is not None:
        return reader.resolve(value)
    return value.casefold() if fold else value


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _folded(text: str | None) -> str | None:
    return None if text is None else text.casefold()


def _refuse(message: str) -> Refusal:
    return Refusal(400, message, code="invalid_filter", field="filter")
