"""Finding the handler of a method and path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Handler = TypeVar("Handler")

PARAMETER = "{id}"


@dataclass(slots=True)
class _Node(Generic[Handler]):
    children: dict[str, _Node[Handler]] = field(default_factory=dict)
    template: str = ""
    methods: dict[str, Handler] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match(Generic[Handler]):
    """A path that exists: its template, its parameters, and the handlers by method."""

    template: str
    parameters: tuple[str, ...]
    methods: dict[str, Handler]


class Router(Generic[Handler]):
    """A tree of path parts; a literal part wins over a parameter."""

    def __init__(self) -> None:
        self._root: _Node[Handler] = _Node()

    def add(self, method: str, template: str, handler: Handler) -> None:
        """Route ``method`` on a template such as ``/instruments/{id}/restore``."""
        node = self._root
        for part in _parts(template):
            node = node.children.setdefault(PARAMETER if part[:1] == "{" else part, _Node())
        node.template = template
        node.methods[method] = handler

    def match(self, parts: Sequence[str]) -> Match[Handler] | None:
        """The path made of decoded ``parts``, or none."""
        node = self._root
        parameters: list[str] = []
        for part in parts:
            following = node.children.get(part)
            if following is None or part == PARAMETER:
                following = node.children.get(PARAMETER)
                parameters.append(part)
            if following is None or (following is node.children.get(PARAMETER) and not part):
                return None
            node = following
        if not node.methods:
            return None
        return Match(node.template, tuple(parameters), node.methods)


def _parts(template: str) -> list[str]:
    return [part for part in template.split("/") if part]
