"""Values of run forms: what a form sends for a field that nobody filled in means "not given".

Each type has a schema of its own, so that the form shows one plain field. That of ``str | None``
would make two tabs, str and None, of it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from armillary.backup.resources import RESOURCE_TYPES, ResourceType

MOST_NAMED = 1000
"""So many values a list of a form may hold."""


def text_of(value: Any) -> Any:
    """Without blanks around it; nothing is an empty text."""
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else value


def texts_of(value: Any) -> Any:
    """Without entries that nobody filled in."""
    if value is None:
        return []
    if not isinstance(value, list | tuple | set):
        return value
    return [text for entry in value if (text := text_of(entry)) != ""]


def text_or(default: str) -> BeforeValidator:
    """A field that is left blank means its default."""
    return BeforeValidator(lambda value: text_of(value) or default)


Text = Annotated[str | None, BeforeValidator(text_of), WithJsonSchema({"type": "string"})]
"""A text that may be left out: then it is empty."""

GivenText = Annotated[str, BeforeValidator(text_of)]
"""A text that has to be given."""

Texts = Annotated[
    list[str] | None,
    Field(max_length=MOST_NAMED),
    BeforeValidator(texts_of),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "maxItems": MOST_NAMED}),
]
"""Texts; none of them means that nothing is limited."""

ResourceTypes = Annotated[
    list[ResourceType] | None,
    Field(max_length=len(RESOURCE_TYPES)),
    BeforeValidator(texts_of),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "string", "enum": list(RESOURCE_TYPES)},
            "maxItems": len(RESOURCE_TYPES),
        }
    ),
]
"""Types of records; none of them means all."""

OnExisting = Annotated[
    Literal["", "skip", "update", "fail"] | None,
    BeforeValidator(text_of),
    WithJsonSchema({"type": "string", "enum": ["", "skip", "update", "fail"]}),
]
"""What becomes of rows that are there and differ; empty when nobody has decided."""

BackupId = Annotated[str, text_or("latest")]
Zone = Annotated[str, text_or("UTC")]

NONE_NAMED: list[Any] = []
"""The default of a list. A schema whose default is null, which a form sends, refuses it."""
