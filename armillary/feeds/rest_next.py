"""Whether a first page without a word on the next one is the whole list, or a path is misspelt.

Many services leave the key out on the last page. So its absence proves nothing, but for a page as
large as was asked for, or a declared total, it proves that the list may go on (R02).
"""

from __future__ import annotations

from typing import Any

import jmespath

from armillary.errors import FeedRefused
from armillary.feeds.rest_definition import RestDefinition
from armillary.feeds.rest_paging import NEXT, Pages


def end_of_first_page(definition: RestDefinition, data: Any, pages: Pages) -> str:
    """What to tell of a first page that has no key for the next one; mostly blank.

    Args:
        definition: With the path to the next cursor or link.
        data: The first answer.
        pages: With the first page alone.

    Raises:
        FeedRefused: Others may follow, and nothing says where.
    """
    paging = definition.paging
    if paging.next is None or pages.complete or not pages.count or _has(paging.next, data):
        return ""
    nothing = f"nothing at '{paging.next}'"
    step = (
        f"{NEXT}Mend paging.next in the feed definition{_keys_of(data)}, then start the sync again."
    )
    if pages.totals:
        raise FeedRefused(
            f"{pages.source}: page 1 has {pages.count:,} of {max(pages.totals):,} records, and "
            f"{nothing}: where the others are is not told.",
            next_step=step,
        )
    if paging.size is not None and pages.count >= paging.size:
        raise FeedRefused(
            f"{pages.source}: page 1 has {pages.count:,} records, as many as were asked for, and "
            f"{nothing}: whether more follow cannot be told.",
            next_step=step,
        )
    return (
        f"Page 1 of {pages.source} has {nothing} (paging.next), so it is taken as the whole list, "
        f"with {pages.count:,} records."
    )


def _has(path: str, data: Any) -> bool:
    """Whether there is anything at a path, be it null; a path of more than keys is not judged."""
    for key in _keys(jmespath.compile(path).parsed):
        if data is None:
            return True  # such as "meta": null on the last page
        if not isinstance(data, dict) or key not in data:
            return False
        data = data[key]
    return True


def _keys(node: dict[str, Any]) -> list[str]:
    """The keys of a path such as ``meta.next``; none where it is something else."""
    if node["type"] == "field":
        return [node["value"]]
    if node["type"] != "subexpression":
        return []
    parts = [_keys(each) for each in node["children"]]
    return [key for part in parts for key in part] if all(parts) else []


def _keys_of(data: Any) -> str:
    if not isinstance(data, dict):
        return ""
    inner = [
        f"{outer}.{key}" for outer, held in data.items() if isinstance(held, dict) for key in held
    ]
    names = [key for key, held in data.items() if not isinstance(held, dict)] + inner
    return f" (the answer has {', '.join(sorted(names)[:20])})" if names else ""
