"""When a feed reads and writes in bulk: by export and import jobs instead of request by request."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

AtLeastOne = Annotated[int, Field(ge=1, strict=True)]


class Bulk(BaseModel):
    """From which size on jobs are cheaper than single requests."""

    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, populate_by_name=True, frozen=True
    )

    mode: Literal["auto", "never", "always"] = Field(
        "auto",
        title="In bulk",
        description="auto goes by the two limits and the calls each way costs; never goes request "
        "by request; always goes by jobs wherever a job can do it.",
    )
    from_changes: AtLeastOne = Field(
        2000,
        title="Changes from which on",
        description="From so many creates and updates on they go through import jobs.",
    )
    from_records: AtLeastOne = Field(
        10_000,
        title="Records from which on",
        description="From so many records on the workspace is read by an export job.",
    )
