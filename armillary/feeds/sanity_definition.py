"""What a feed says of deliveries that look wrong before anything is planned from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Scheme = Literal["isin", "cusip", "sedol", "figi", "lei"]


def _as_word(level: Any) -> Any:
    """YAML reads ``off`` without quotes as false, and everybody writes it without."""
    return "off" if level is False else level


Level = Annotated[Literal["off", "warn", "hold", "refuse"], BeforeValidator(_as_word)]
"""``hold``: the plan is made, and all of it waits for a person. ``refuse``: no plan is made."""


class Sanity(BaseModel):
    """How a delivery is looked at before it is compared with the workspace."""

    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, populate_by_name=True, frozen=True
    )

    same_delivery: Level = Field(
        "warn",
        title="The same delivery again",
        description="The content, or the mark of the server, is that of the last good run.",
    )
    business_date: Level = Field(
        "warn",
        title="Odd business date",
        description="The business date is older than the calendar expects, or lies in the future.",
    )
    older_delivery: Level = Field(
        "hold",
        title="Older delivery",
        description="The business date is older than the newest that was ever applied.",
    )
    row_count: Level = Field(
        "warn",
        title="Unusual number of records",
        description="Against the median of the last ten good deliveries, in both directions.",
    )
    blank_column: Level = Field(
        "warn",
        title="Column became blank",
        description="A mapped value is blank in nearly all records, and was not before.",
    )
    constant_column: Level = Field(
        "warn",
        title="Column became constant",
        description="A mapped value is one and the same in all records, and was not before.",
    )
    check_digits: Level = Field(
        "warn",
        title="Wrong check digits",
        description="Identifiers of securities fail their check digit. Up to the share below that "
        "is only warned of.",
    )
    calendar: str | None = Field(
        None,
        title="Trading calendar",
        min_length=1,
        description="Market whose trading days are expected, such as XNYS; needs the extra "
        "calendars.",
    )
    expected_lag_days: Annotated[int, Field(ge=0, le=30, strict=True)] = Field(
        1,
        title="Expected lag",
        description="How many trading days the business date may lie back; 0 expects today's.",
    )
    row_count_share: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        0.5,
        title="Usual difference of the number of records",
        description="Share of the median by which the number may differ.",
    )
    check_digits_share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        0.05,
        title="Tolerated share of wrong check digits",
        description="Share of the distinct values of a field.",
    )
    schemes: dict[str, Scheme] | None = Field(
        None,
        title="Check digits by field",
        description="Field keys with isin, cusip, sedol, figi or lei; unset: by the end of the "
        "field's key, such as isin or composite_figi.",
    )

    @model_validator(mode="after")
    def _date_is_looked_at(self) -> Self:
        if self.calendar is not None and self.business_date == "off":
            raise ValueError("calendar has no effect while business_date is off: take one out")
        return self
