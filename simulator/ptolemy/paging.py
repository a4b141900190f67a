"""Pages of a selection (contract section 4)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any

from simulator.exchange import Answer, PageMark, Refusal
from simulator.ptolemy.call import is_text
from simulator.ptolemy.cursors import BY_NUMBER, Place
from simulator.ptolemy.selection import DEFAULT_LIMIT, Selection

if TYPE_CHECKING:
    from simulator.ptolemy.call import Call

Present = Callable[[Any], dict[str, Any]]


def limit_of(call: Call, given: Any) -> int:
    """The page size: a positive whole number, as text from a query or as a JSON number.

    Raises:
        Refusal: 400 for anything else, and above the maximum unless the server clamps (D3).
    """
    if given is None:
        return min(DEFAULT_LIMIT, call.config.page_limit_max)
    if is_text(given) and given.isascii() and given.isdigit() and len(given) < 10:  # noqa: PLR2004
        given = int(given)
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        raise Refusal(400, "limit must be a positive whole number", field="limit")
    most = call.config.page_limit_max
    if given > most and call.config.large_limit == "refuse":
        raise Refusal(400, f"limit must be at most {most}", code="limit", field="limit")
    return min(given, most)


def page(
    call: Call, selection: Selection, asked: dict[str, Any], question: int, present: Present
) -> Answer:
    """One page; ``asked`` holds ``limit`` and ``after``."""
    limit = limit_of(call, asked.get("limit"))
    after = asked.get("after")
    if after is not None and not is_text(after):
        raise Refusal(400, "after must be a string", field="after")
    cursors = call.workspace.cursors
    place = cursors.read(after, question, call.config) if after else None
    if selection.sort:
        rows, here, following = _sorted_page(call, selection, place, limit)
    else:
        rows, here, following = _walked_page(selection, place, limit)
    meta = {
        "next_cursor": cursors.write(following, question) if following else None,
        "has_more": following is not None,
    }
    value: dict[str, Any] = {"data": [present(row) for row in rows], "meta": meta}
    if selection.warnings:
        value["warnings"] = selection.warnings
    if call.config.unknown_keys == "present":
        value["trace"] = {"region": "loopback"}
    mark = PageMark(after, lambda: cursors.write(here, question))
    answer = Answer(200, value, page=mark)
    answer.rows = rows
    return answer


def _walked_page(
    selection: Selection, place: Place | None, limit: int
) -> tuple[list[Any], Place, Place | None]:
    """By creation number: rows written or archived meanwhile never shift a page."""
    number = place.position if place else None
    rows = list(islice(selection.after(number), limit + 1))
    more = len(rows) > limit
    rows = rows[:limit]
    beginning = 2**62 if selection.descending else 0
    here = place or Place(BY_NUMBER, beginning)
    return rows, here, Place(BY_NUMBER, rows[-1].number) if more else None


def _sorted_page(
    call: Call, selection: Selection, place: Place | None, limit: int
) -> tuple[list[Any], Place, Place | None]:
    """From a list sorted once: a value that changes meanwhile neither skips nor repeats a row."""
    cursors = call.workspace.cursors
    if place is None or place.snapshot == BY_NUMBER:
        place = Place(cursors.keep(selection.sorted()), 0)
    snapshot = cursors.snapshot(place.snapshot)
    end = min(place.position + limit, len(snapshot))
    rows = [row for row in snapshot[place.position : end] if selection.matches(row)]
    following = Place(place.snapshot, end) if end < len(snapshot) else None
    return rows, place, following
