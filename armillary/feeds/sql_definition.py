"""The definition of a feed that is a query: which database, which rows, how fresh they must be."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from armillary.feeds.definition import CLOSED, FeedDefinition, Named

_QUOTED = re.compile(
    r"""
    '(?:[^']|'')*' | "(?:[^"]|"")*"          # texts, names
    | (\$\w*\$).*?\1                         # PostgreSQL's other way to write a text
    | --[^\n]* | /\*.*?\*/                   # comments
    """,
    re.DOTALL | re.VERBOSE,
)
_READS = re.compile(r"\s*\(*\s*(select|with|values|table)\b", re.IGNORECASE)
_PARAMETER = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
"""As SQLAlchemy finds them, also in quotes; a colon itself is written with a backslash before."""

_CAST = re.compile(r"(?<![:\w\\]):(\w+)::")

Single = str | int | float | bool


class Freshness(BaseModel):
    """How old the newest row may be: a replica that stopped gives old rows without an error."""

    model_config = CLOSED | {"frozen": True}

    column: str = Field(
        title="Column", min_length=1, description="Column of the query with a time or a date."
    )
    max_age_hours: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        title="Greatest age in hours", description="The newest value may be this old."
    )


class SqlSource(Named):
    """Which query of which database. Apart, so that in a form it comes before the mapping."""

    kind: Literal["sql"] = Field(
        "sql", title="Kind of source", description="A query of a PostgreSQL or SQLite database."
    )
    query: str = Field(
        title="Query",
        min_length=1,
        description="One statement that reads, with :name where a parameter belongs.",
    )
    url_variable: str | None = Field(
        None,
        title="Variable of the address",
        min_length=1,
        description="Environment variable that holds the address of the database, as SQLAlchemy "
        "writes it.",
    )
    connector: str | None = Field(
        None,
        title="Connector",
        min_length=1,
        description="Name of a SQLAlchemy Connector block of Prefect whose database is read.",
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict,
        title="Parameters",
        description="Values of the query's parameters: text, number, true or false, or a list of "
        "these for IN.",
    )
    freshness: Freshness | None = Field(
        None,
        title="Freshness",
        description="Refuses a query whose newest row is too old; unset: not looked at.",
    )
    hidden_rows: Literal["refuse", "accept"] = Field(
        "refuse",
        title="Hidden rows",
        description="What happens when PostgreSQL hides rows from this user (row-level security).",
    )
    statement_timeout_seconds: Annotated[float, Field(ge=0.001, allow_inf_nan=False)] = Field(
        300.0,
        title="Longest statement in seconds",
        description="How long the database may work before rows come, and on each portion of them.",
    )

    @model_validator(mode="before")
    @classmethod
    def _no_address_in_the_open(cls, given: Any) -> Any:
        if isinstance(given, dict) and "url" in given and "url" not in cls.model_fields:
            raise ValueError(
                "url holds a password as a rule, which belongs in no file: put the address into an "
                "environment variable, and name that in url_variable"
            )
        return given

    @field_validator("query")
    @classmethod
    def _one_that_reads(cls, query: str) -> str:
        bare = _QUOTED.sub(" ", query).strip().removesuffix(";")
        if ";" in bare:
            raise ValueError("it is more than one statement; a feed is one statement that reads")
        if not _READS.match(bare):
            raise ValueError("it does not read: a query begins with SELECT, WITH, VALUES or TABLE")
        return query.strip().removesuffix(";")

    @field_validator("parameters")
    @classmethod
    def _values(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        return {name: _value(name, value) for name, value in parameters.items()}

    @model_validator(mode="after")
    def _parameters_fit(self) -> Self:
        if cast := _CAST.search(self.query):
            # SQLAlchemy would cut the name short.
            raise ValueError(f"write CAST(:{cast[1]} AS …) instead of :{cast[1]}::…")
        asked, given = set(_PARAMETER.findall(self.query)), set(self.parameters)
        for name in sorted(asked - given):
            raise ValueError(
                f"query names :{name}, which parameters do not give; a colon itself is written "
                f"\\:{name}"
            )
        for name in sorted(given - asked):
            raise ValueError(f"parameters give {name}, which query does not name: write :{name}")
        if self.url_variable and self.connector:
            raise ValueError(
                "url_variable and connector both name a database: leave one of them out"
            )
        return self


class SqlDefinition(FeedDefinition, SqlSource):
    """A query of instruments."""


def _value(name: str, value: Any) -> Any:
    """A value a query can take. YAML reads dates as such; a database takes them as text."""
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Single):
        return value
    if isinstance(value, list) and value and all(isinstance(each, Single) for each in value):
        return value
    raise ValueError(
        f"{name} is none of: text, number, true or false, or a list of these with at least one"
    )
