"""The few answers that are values of their own; everything else stays a plain dict (``Row``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from armillary.api.envelope import Row, reference, references, whole

UNFINISHED = ("queued", "processing")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; ``next_cursor`` is opaque and short-lived (contract section 4)."""

    rows: Sequence[Row]
    next_cursor: str | None
    has_more: bool


@dataclass(frozen=True, slots=True)
class Workspace:
    """The workspace that answered; a part it does not tell is blank."""

    id: str
    slug: str
    name: str
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, row: Row) -> Workspace:
        """Read from an answer."""
        text = {key: str(row.get(key) or "") for key in ("id", "slug", "name")}
        return cls(text["id"], text["slug"], text["name"], row)


@dataclass(frozen=True, slots=True)
class FieldDefinition:
    """A custom field of a type (contract section 6).

    ``data_type`` is the server's word, which may be newer than this release. ``type`` is the UUID
    or identifier of the type it belongs to, None where the answer does not say.
    """

    id: str
    field_key: str
    field_label: str
    data_type: str
    is_required: bool
    has_default: bool
    allow_null: bool
    type: str | None
    types: frozenset[str] = field(repr=False)
    """Every name of the type the answer gives: UUID, identifier, or both."""

    @classmethod
    def of(cls, row: Row) -> FieldDefinition:
        """Read from an answer that has at least ``field_key`` and ``data_type``."""
        names = ("type", "instrument_type")
        return cls(
            id=str(row.get("id") or ""),
            field_key=str(row["field_key"]),
            field_label=str(row.get("field_label") or row["field_key"]),
            data_type=str(row["data_type"]),
            is_required=row.get("is_required") is True,
            has_default=row.get("has_default") is True,
            allow_null=row.get("allow_null") is not False,
            type=next((found for name in names if (found := reference(row, name))), None),
            types=references(row, *names),
        )


@dataclass(frozen=True, slots=True)
class Job:
    """An import or export job as last heard of (contract sections 13, 14).

    Counters are None where the answer does not tell. ``download_url`` is a secret: whoever holds
    it reads the export.
    """

    id: str
    status: str
    resource_type: str
    format: str
    created_at: str
    row_count: int | None
    rows_imported: int | None
    rows_failed: int | None
    errors: Sequence[Any]
    download_url: SecretStr | None

    @property
    def is_final(self) -> bool:
        """Any status but queued and processing ends a job, known or not (contract D12)."""
        return self.status not in UNFINISHED

    @property
    def is_completed(self) -> bool:
        """Ended well; rows may still have failed (``on_error="continue"``)."""
        return self.status == "completed"

    @classmethod
    def of(cls, row: Row, *, asked: str = "") -> Job:
        """Read from an answer; ``asked`` stands in for a resource type it leaves out (D7)."""
        url = row.get("download_url")
        errors = row.get("errors")
        return cls(
            id=str(row["id"]),
            status=str(row.get("status") or ""),
            resource_type=str(row.get("object_type") or row.get("resource_type") or asked),
            format=str(row.get("format") or ""),
            created_at=str(row.get("created_at") or ""),
            row_count=whole(row.get("row_count")),
            rows_imported=whole(row.get("rows_imported")),
            rows_failed=whole(row.get("rows_failed")),
            errors=tuple(errors) if isinstance(errors, list) else (),
            download_url=SecretStr(url) if isinstance(url, str) and url else None,
        )
