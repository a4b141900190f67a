"""Pages that lie: cut short, repeated, shuffled, with cursors that lead nowhere."""

from __future__ import annotations

from typing import Any

from simulator.exchange import Answer
from simulator.faults import Rule


def altered(rule: Rule, answer: Answer) -> Answer:
    """The answer with the page fault of ``rule``; anything but a page stays as it is."""
    if isinstance(answer.value, dict) and isinstance(answer.value.get("pagination"), dict):
        return _with_offsets(rule, answer)
    if answer.page is None or not isinstance(answer.value, dict):
        return answer
    rows: list[Any] = list(answer.value["data"])
    meta: dict[str, Any] = dict(answer.value["meta"])
    if rule.action == "early_last_page":
        meta.update(next_cursor=None, has_more=False)
    elif rule.action == "null_cursor_with_more":
        meta.update(next_cursor=None, has_more=True)
    elif rule.action == "same_cursor":
        meta.update(next_cursor=answer.page.after or answer.page.cursor_here(), has_more=True)
    elif rule.action == "repeat_page":
        meta.update(next_cursor=answer.page.cursor_here(), has_more=True)
    elif rule.action == "reorder":
        rows.reverse()
    elif rule.action == "duplicate_rows" and rows:
        rows.append(rows[0])
    answer.value = {**answer.value, "data": rows, "meta": meta}
    return answer


def _with_offsets(rule: Rule, answer: Answer) -> Answer:
    """The same for pages by offset; faults of cursors do nothing."""
    rows: list[Any] = list(answer.value["data"])
    told: dict[str, Any] = dict(answer.value["pagination"])
    if rule.action == "early_last_page" and "hasNext" in told:
        told["hasNext"] = False
    elif rule.action == "reorder":
        rows.reverse()
    elif rule.action == "duplicate_rows" and rows:
        rows.append(rows[0])
    answer.value = {**answer.value, "data": rows, "pagination": told}
    return answer
