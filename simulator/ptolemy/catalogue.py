"""Types and field definitions as read-only collections (contract sections 6, 8, 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ValidationError

from simulator.config import FieldConfig, TypeConfig
from simulator.exchange import Answer, Refusal
from simulator.ptolemy.call import Call, text
from simulator.ptolemy.collection import Collection
from simulator.ptolemy.comparisons import Reader
from simulator.ptolemy.records import Record
from simulator.ptolemy.schema import FieldDefinition, Schema, Type

if TYPE_CHECKING:
    from simulator.ptolemy.workspace import Workspace

FIELD_KEYS = frozenset(
    {
        "type_id",
        "field_key",
        "field_label",
        "data_type",
        "is_required",
        "has_default",
        "default",
        "allow_null",
    }
)


class Types(Collection[Type]):
    """Types of one kind."""

    items: ClassVar[int] = 0
    includes: ClassVar[frozenset[str]] = frozenset({"tags"})

    def __init__(self, workspace: Workspace, path: str, noun: str) -> None:
        self.path = path  # type: ignore[misc]
        self.noun = noun  # type: ignore[misc]
        super().__init__(workspace)

    def present(self, record: Type) -> dict[str, Any]:
        """A type as answers show it."""
        times = self.workspace.presenter.times(record)
        return {"id": record.id, "identifier": record.identifier, "name": record.name, **times}

    def included(self, what: str, record: Type) -> list[Record]:  # noqa: ARG002 - one token
        """The tags."""
        return list(record.tags)

    def create(self, call: Call) -> Answer:
        """D4: refused, or for editors and admins."""
        refuse_schema_write(call)
        body = call.body({"identifier", "name"})
        config = TypeConfig(identifier=text(body, "identifier"), name=text(body, "name"))
        if self.table.active(config.identifier) is not None:
            raise Refusal(409, f"A type {config.identifier!r} exists", code="identifier_taken")
        made = Type(config.identifier, config.name or config.identifier)
        return self.shown(call, self.table.add(made, self.workspace.clock.now()), 201)


class Fields(Collection[FieldDefinition]):
    """Field definitions of the types of one kind."""

    named: ClassVar[bool] = False
    narrowing: ClassVar[frozenset[str]] = frozenset({"type_id"})
    group_field: ClassVar[str] = "type_id"
    items: ClassVar[int] = 0

    def __init__(self, workspace: Workspace, path: str, noun: str, types: Types) -> None:
        self.path = path  # type: ignore[misc]
        self.noun = noun  # type: ignore[misc]
        self._types = types
        super().__init__(workspace)

    def readers(self) -> dict[str, Reader]:
        """Also the key, the data type and the type."""
        own = [
            Reader("field_key", "text", lambda field: field.key),
            Reader("data_type", "text", lambda field: field.config.data_type),
            Reader("type_id", "reference", lambda field: field.group.id, self._type_id),
        ]
        return {**super().readers(), **{reader.name: reader for reader in own}}

    def owner(self, key: str) -> Record | None:
        """A type by UUID or identifier."""
        return self._types.table.by_id(key) or self._types.table.active(key)

    def _type_id(self, key: str) -> str | None:
        owner = self.owner(key)
        return owner.id if owner else None

    def present(self, record: FieldDefinition) -> dict[str, Any]:
        """A field definition as answers show it (section 6)."""
        config = record.config
        presenter = self.workspace.presenter
        return {
            "id": record.id,
            **presenter.reference("type", record.group),
            "field_key": config.field_key,
            "field_label": config.field_label or config.field_key.replace("_", " ").capitalize(),
            "data_type": config.data_type,
            "is_required": config.is_required,
            "has_default": config.has_default,
            "allow_null": config.allow_null,
            "display_order": record.position + 1,
            **presenter.times(record),
        }

    def create(self, call: Call) -> Answer:
        """D4: refused, or for editors and admins."""
        refuse_schema_write(call)
        body = call.body(FIELD_KEYS)
        owner = self.owner(text(body, "type_id"))
        if not isinstance(owner, Type):
            raise Refusal(422, "No such type", code="type", field="type_id")
        try:
            config = FieldConfig.model_validate({k: v for k, v in body.items() if k != "type_id"})
        except ValidationError as error:
            raise Refusal(422, str(error.errors()[0]["msg"]), code="invalid_field") from error
        if config.field_key in owner.places:
            raise Refusal(409, f"The type has a field {config.field_key!r}", code="field_taken")
        schema = Schema(self._types.table, self.table)
        return self.shown(call, schema.add_field(owner, config, self.workspace.clock.now()), 201)


def refuse_schema_write(call: Call) -> None:
    """Robots never write schemas; people only where D4 says so."""
    if call.config.schema_writes == "refused" or not call.token.may("editor"):
        raise Refusal(403, "Type schemas need the role Editor", code="role")
