"""One admitted request inside a workspace, and the judging of its parts."""

from __future__ import annotations

from collections.abc import Collection as Names
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.exchange import Answer, Incoming, NumberText, Refusal
from simulator.ptolemy.access import Token

if TYPE_CHECKING:
    from simulator.config import Config
    from simulator.ptolemy.workspace import Workspace


@dataclass(slots=True)
class Call:
    """What a handler gets."""

    incoming: Incoming
    workspace: Workspace
    token: Token
    template: str
    parameters: tuple[str, ...]

    @property
    def config(self) -> Config:
        """The switches as they are now."""
        return self.workspace.config

    @property
    def key(self) -> str:
        """The first ``{id}`` of the path: a UUID or an identifier."""
        return self.parameters[0]

    def query(self, allowed: Names[str]) -> dict[str, str]:
        """The query parameters.

        Raises:
            Refusal: 400 for one that is not known here.
        """
        query = self.incoming.query
        for name in query:
            if name not in allowed:
                raise Refusal(
                    400, f"Unknown query parameter {name!r}", code="unknown_parameter", field=name
                )
        return query

    def body(self, allowed: Names[str]) -> dict[str, Any]:
        """The body as an object.

        Raises:
            Refusal: 400 (no object), 413, 415, 422 (unknown key).
        """
        body = self.json()
        if not isinstance(body, dict):
            raise Refusal(400, "The body must be a JSON object", code="invalid_json")
        for name in body:
            if name not in allowed:
                raise Refusal(422, f"Unknown field {name!r}", code="unknown_field", field=name)
        return body

    def json(self) -> Any:
        """The body as JSON of any shape."""
        incoming = self.incoming
        if len(incoming.body) > self.config.max_body_bytes:
            raise Refusal(413, "The body is too large", code="too_large")
        media_type = incoming.headers.get("content-type", "").partition(";")[0].strip().lower()
        if self.config.content_type == "strict" and media_type != "application/json":
            raise Refusal(415, "Content-Type must be application/json", code="media_type")
        return incoming.json()

    def single(self, value: dict[str, Any], status: int = 200, *, bare: bool = False) -> Answer:
        """An answer with one object, by D1; ``bare``: the samples show this kind bare."""
        style = self.config.single_object
        if style == "bare" or (style == "mixed" and bare):
            return Answer(status, value)
        return Answer(status, {"data": value})


def is_text(value: Any) -> bool:
    """Whether a JSON value is a string (a number kept as text is not)."""
    return isinstance(value, str) and not isinstance(value, NumberText)


def text(body: dict[str, Any], name: str) -> str:
    """A string that must be there and not be blank.

    Raises:
        Refusal: 422.
    """
    value = body.get(name)
    if name not in body or value is None:
        raise Refusal(422, f"{name} is required", code="required", field=name)
    if not is_text(value):
        raise Refusal(422, f"{name} must be a string", code="invalid_type", field=name)
    if not value.strip():
        raise Refusal(422, f"{name} must not be blank", code="blank", field=name)
    return str(value)


def optional_text(body: dict[str, Any], name: str) -> str | None:
    """A string that may be missing or null; 422 when it is something else."""
    value = body.get(name)
    if value is not None and not is_text(value):
        raise Refusal(422, f"{name} must be a string or null", code="invalid_type", field=name)
    return value


def mapping(body: dict[str, Any], name: str) -> dict[str, Any]:
    """An object that may be missing; 422 when it is something else."""
    value = body.get(name, {})
    if not isinstance(value, dict):
        raise Refusal(422, f"{name} must be an object", code="invalid_type", field=name)
    return value
