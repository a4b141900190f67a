"""How a source maps, and what it owns: what the feed definitions of every kind share.

What a source is, its kind says: ``file_definition``, ``cadenza_definition``. A feed file and a feed
block have the same fields, so titles and descriptions live here.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from armillary.feeds.bulk import Bulk
from armillary.feeds.sanity_definition import Sanity
from armillary.feeds.template import parse

Share = Annotated[float, Field(ge=0, le=1, strict=True, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, strict=True)]
Blank = Literal["ignore", "clear"]

CLOSED = ConfigDict(extra="forbid", hide_input_in_errors=True, populate_by_name=True)


class Limits(BaseModel):
    """How much one run may change before a person is asked."""

    model_config = CLOSED | {"frozen": True}

    max_archive_share: Share = Field(
        0.2, title="Largest share archived", description="Share of the active records in scope."
    )
    max_archives: Count = Field(
        500, title="Most archives", description="Number of archives in one run."
    )
    max_update_share: Share = Field(
        0.5, title="Largest share updated", description="Share of the active records in scope."
    )
    max_create_share: Share = Field(
        0.5, title="Largest share created", description="Share of the active records in scope."
    )
    max_creates: Count = Field(
        5000, title="Most creates", description="Number of creates in one run."
    )
    max_restores: Count = Field(
        200, title="Most restores", description="Number of restores in one run."
    )
    max_renames: Count = Field(
        50,
        title="Most renames",
        description="Number of instruments that get another identifier in one run.",
    )
    max_shrink_share: Share = Field(
        0.3,
        title="Largest shrinkage",
        description="A feed that lost more of its records since its last good run archives none.",
    )
    min_records: Count = Field(
        1, title="Fewest records", description="A feed with fewer usable records is refused."
    )
    max_reject_share: Share = Field(
        0.05,
        title="Largest share rejected",
        description="With more rejected rows than this nothing is written at all.",
    )
    max_field_change_share: Share = Field(
        0.5,
        title="Largest share with one field changed",
        description="A field that changes in more of the active records is withheld; the other "
        "fields go on.",
    )
    max_field_clear_share: Share = Field(
        0.1,
        title="Largest share with one field emptied",
        description="A field that is emptied in more of the active records is withheld.",
    )
    max_field_collapse_share: Share = Field(
        0.2,
        title="Largest share with one field collapsed",
        description="A field that gets a tenth of the values it had, or fewer, in more of the "
        "active records is withheld.",
    )
    small_set_changes: Count = Field(
        3,
        title="Most changes of a small set",
        description="Replaces the shares while fewer than 20 records are in scope.",
    )


class FieldRule(BaseModel):
    """How one field gets its value, where a template alone does not say enough."""

    model_config = CLOSED | {"frozen": True}

    template: str = Field(
        alias="from",
        title="From",
        description="Template over the row's columns, or a constant. A value of which only some "
        "columns are blank is left alone.",
    )
    blank: Blank | None = Field(
        None,
        title="When blank",
        description="What an empty cell does: ignore changes nothing, clear empties the field. "
        "Unset: as the feed says.",
    )
    map: dict[str, str] | None = Field(
        None,
        title="Translation",
        description="Whole values to replace; a value that is not listed rejects the row.",
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        parse(self.template)
        if self.map is not None and not self.map:
            raise ValueError("map is empty: list at least one value, or leave it out")
        return self


class Named(BaseModel):
    """What comes first in every form and message, whatever the kind of source."""

    model_config = CLOSED

    name: str = Field(
        title="Name",
        min_length=1,
        description="What the feed is called in plans, approvals and run records.",
    )


class FeedDefinition(Named):
    """One source of instruments, whatever its kind: how it maps, and what it owns."""

    instrument_type: str = Field(
        title="Instrument type",
        min_length=1,
        description="Identifier of the type every instrument of this feed has.",
    )
    identifier: str = Field(
        title="Identifier",
        description="Template over the row's columns that makes the identifier.",
    )
    identifier_case: Literal["keep", "lower", "upper"] = Field(
        "keep", title="Case of identifiers", description="How letters in identifiers are written."
    )
    name_template: str | None = Field(
        None,
        title="Name of an instrument",
        description="Template over the row's columns that makes the name; unset: names are left "
        "alone.",
    )
    fields: dict[str, str | FieldRule] = Field(
        default_factory=dict,
        title="Fields",
        description="For each field key a template, a constant, or a rule with from, blank, map.",
    )
    scope: dict[str, list[str]] | Literal["all"] | None = Field(
        None,
        title="Scope",
        description="The existing instruments this feed owns: field keys with their values, or "
        "the word all.",
    )
    missing: Literal["keep", "archive"] = Field(
        "keep",
        title="Missing instruments",
        description="What happens to an instrument in scope that the feed no longer has.",
    )
    archive_after: Annotated[int, Field(ge=1, le=100, strict=True)] = Field(
        1,
        title="Archive after",
        description="How many deliveries in a row must lack an instrument before it is archived.",
    )
    returning: Literal["restore", "hold"] = Field(
        "restore",
        title="Returning instruments",
        description="What happens when an archived instrument is back in the feed.",
    )
    blank: Blank = Field(
        "ignore",
        title="Empty cells",
        description="What an empty cell does: ignore changes nothing, clear empties the field.",
    )
    blank_words: list[str] = Field(
        default_factory=list,
        title="Words for nothing",
        description="Cells that are as good as empty, such as N/A or #N/A N/A, just as written.",
    )
    stable_keys: list[str] = Field(
        default_factory=list,
        title="Stable keys",
        description="Fields that tell a reused identifier, or a renamed instrument, such as isin.",
    )
    renames: Literal["rename", "hold", "ignore"] = Field(
        "rename",
        title="Renamed instruments",
        description="What happens when a missing and a new instrument share a stable key: the "
        "identifier is changed, both are held, or they count as two.",
    )
    sanity: Sanity = Field(
        Sanity(),
        title="Sanity of a delivery",
        description="What is looked at before planning: off, warn, hold all changes until a person "
        "approves them, or refuse.",
    )
    limits: Limits = Field(
        Limits(),
        title="Limits of one run",
        description="What a run would change beyond these is withheld until a person approves it.",
    )
    quota: Literal["stop", "overage"] = Field(
        "stop",
        title="When the quota is short",
        description="Whether a plan above the calls that are left is refused or only warned of.",
    )
    reserve_calls: Count = Field(
        0, title="Reserved calls", description="Calls to leave for others, such as the backup."
    )
    bulk: Bulk = Field(
        Bulk(),
        title="In bulk",
        description="From which size on export and import jobs stand for single requests.",
    )

    @field_validator("identifier")
    @classmethod
    def _names_a_column(cls, identifier: str) -> str:
        if not parse(identifier).columns:
            raise ValueError(
                f"'{identifier}' names no column, so every row would get the same identifier; "
                'write it as in "{ticker}.{mic}"'
            )
        return identifier

    @field_validator("name_template")
    @classmethod
    def _template(cls, name_template: str | None) -> str | None:
        if name_template is not None:
            parse(name_template)
        return name_template

    @field_validator("fields")
    @classmethod
    def _templates(cls, fields: dict[str, str | FieldRule]) -> dict[str, str | FieldRule]:
        for key, rule in fields.items():
            try:
                parse(rule if isinstance(rule, str) else rule.template)
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from None
        return fields

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for problem in (*self._scope_problems(), *self._key_problems()):
            raise ValueError(problem)
        return self

    def _scope_problems(self) -> list[str]:
        if self.missing == "archive" and self.scope is None:
            return [
                "missing: archive needs a scope, which says which existing instruments the feed "
                "owns; write `scope: all` if it owns every instrument of its type"
            ]
        if not isinstance(self.scope, dict):
            return []
        if not self.scope:
            return ["scope is empty: name a field with its values, or leave scope out"]
        return [
            f"scope.{key} has no value: list at least one"
            for key, values in self.scope.items()
            if not values or not all(value.strip() for value in values)
        ]

    def _key_problems(self) -> list[str]:
        scope = self.scope if isinstance(self.scope, dict) else {}
        asked = [("scope", key) for key in scope] + [
            ("stable_keys", key) for key in self.stable_keys
        ]
        asked += [("sanity.schemes", key) for key in self.sanity.schemes or ()]
        mapped = ", ".join(self.fields) or "none"
        return [
            f"{where} names the field '{key}', which is not among the mapped fields ({mapped})"
            for where, key in asked
            if key not in self.fields
        ] + [
            f"fields.{key} is empty: give a template or a constant, or take the line out"
            for key in self.fields
            if not self.rule(key).template.strip() and self.blank_of(key) == "ignore"
        ]

    def rule(self, key: str) -> FieldRule:
        """The rule of a mapped field, also where only a template was written."""
        rule = self.fields[key]
        return FieldRule.model_validate({"from": rule}) if isinstance(rule, str) else rule

    def blank_of(self, key: str) -> Blank:
        """What an empty cell does to a mapped field: its own word, else the feed's."""
        return self.rule(key).blank or self.blank
