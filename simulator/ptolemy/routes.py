"""Which method and path leads to which handler, and the role it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.exchange import Answer
from simulator.ptolemy.call import Call
from simulator.ptolemy.collection import Collection
from simulator.ptolemy.writing import WritableCollection
from simulator.router import Router
from simulator.switches import Role

Handler = Callable[[Call], Answer]
Gate = Callable[[Handler], Handler]


@dataclass(frozen=True, slots=True)
class Route:
    """A handler and the lowest role that may call it."""

    handler: Handler
    role: Role = "viewer"


def _open(handler: Handler) -> Handler:
    return handler


class Routes:
    """The routes of one workspace."""

    def __init__(self) -> None:
        self.router: Router[Route] = Router()

    def add(self, method: str, template: str, handler: Handler, role: Role = "viewer") -> None:
        """One route."""
        self.router.add(method, template, Route(handler, role))

    def readable(
        self, collection: Collection[Any], *, count: bool = True, gate: Gate = _open
    ) -> None:
        """List, get, filter and (mostly) count."""
        base = f"/{collection.path}"
        self.add("GET", base, gate(collection.list))
        self.add("GET", f"{base}/{{id}}", gate(collection.get))
        self.add("POST", f"{base}/filter", gate(collection.filter))
        if count:
            self.add("POST", f"{base}/count", gate(collection.count))

    def writable(self, collection: WritableCollection[Any], *, gate: Gate = _open) -> None:
        """Everything a member may do with a collection."""
        self.readable(collection, gate=gate)
        base = f"/{collection.path}"
        self.add("POST", base, gate(collection.create), "member")
        self.add("PATCH", f"{base}/{{id}}", gate(collection.patch), "member")
        self.add("DELETE", f"{base}/{{id}}", gate(collection.delete), "member")
        self.add("POST", f"{base}/{{id}}/restore", gate(collection.restore), "member")
