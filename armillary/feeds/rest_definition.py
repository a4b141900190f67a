"""The definition of a feed that is a REST service: which address, which rows, how it is paged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, BaseModel, Field, field_validator, model_validator

from armillary.feeds.definition import CLOSED, FeedDefinition, Named
from armillary.feeds.secret import sounds_secret

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _names_in(value: Any) -> Iterator[str]:
    """Every name in a JSON value, however deep."""
    if isinstance(value, dict):
        yield from (str(name) for name in value)
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            yield from _names_in(inner)


def _json_path(path: str) -> str:
    try:
        jmespath.compile(path)
    except JMESPathError:
        raise ValueError(
            f"'{path}' is no path into an answer; write it as in data.items (JMESPath)"
        ) from None
    return path


JsonPath = Annotated[str, AfterValidator(_json_path), Field(min_length=1)]
"""Where something is in an answer, as JMESPath: ``data.items``."""


class Paging(BaseModel):
    """How the pages of a list follow one another."""

    model_config = CLOSED | {"frozen": True}

    style: Literal["none", "page", "offset", "cursor", "link"] = Field(
        "none",
        title="Style",
        description="Pages by number, by offset, by a cursor in the answer, by a link to the next "
        "page, or none: one answer holds all.",
    )
    parameter: str | None = Field(
        None,
        title="Parameter",
        min_length=1,
        description="Name of the parameter that asks for a page; unset: page, offset or cursor, as "
        "the style.",
    )
    first: Annotated[int, Field(ge=0, strict=True)] = Field(
        1, title="First page", description="Number of the first page, in the style page."
    )
    size: Annotated[int, Field(ge=1, strict=True)] | None = Field(
        None, title="Page size", description="Records to ask for in a page; unset: not asked for."
    )
    size_parameter: str = Field(
        "limit",
        title="Size parameter",
        min_length=1,
        description="Name of the parameter that asks for the page size.",
    )
    next: JsonPath | None = Field(
        None,
        title="Next page",
        description="Path in an answer to the next cursor, or to the next link; for a link unset: "
        "the header Link.",
    )
    repeats: Literal["refuse", "merge"] = Field(
        "refuse",
        title="Repeated records",
        description="Records that stand on two pages mostly mean that others stand on none: refuse "
        "the list, or merge where the source itself has them twice.",
    )
    max_pages: Annotated[int, Field(ge=1, strict=True)] = Field(
        10_000, title="Most pages", description="A list of more pages is refused."
    )

    @model_validator(mode="after")
    def _fits_the_style(self) -> Self:
        if self.style == "cursor" and self.next is None:
            raise ValueError("the style cursor needs next: where in an answer the next cursor is")
        if self.next is not None and self.style not in {"cursor", "link"}:
            raise ValueError(f"the style {self.style} has no next; only cursor and link have")
        return self

    @property
    def page_parameter(self) -> str:
        """The parameter in force."""
        return self.parameter or self.style


class RestSource(Named):
    """Which service, and how to ask. Apart, so that in a form it comes before the mapping."""

    kind: Literal["rest"] = Field(
        "rest", title="Kind of source", description="A REST service that answers in JSON."
    )
    url: str = Field(
        title="Address",
        min_length=1,
        repr=False,
        description="Address of the list, with https://, without user, query or fragment.",
    )
    method: Literal["GET", "POST"] = Field(
        "GET",
        title="Method",
        description="With POST the paging goes into the body. Either may be sent more than once.",
    )
    params: dict[str, str] = Field(
        default_factory=dict,
        title="Parameters",
        description="Query parameters of every request, none of them secret.",
    )
    body: dict[str, Any] | None = Field(
        None, title="Body", description="JSON body of every request; only with POST."
    )
    rows: JsonPath = Field(
        "@",
        title="Path to the records",
        description="Where the list of records is in an answer, as JMESPath, such as data.items; "
        "unset: the answer is the list.",
    )
    total: JsonPath | None = Field(
        None,
        title="Path to the total",
        description="Where an answer says how many records there are altogether; with it a list "
        "that is not whole is refused.",
    )
    paging: Paging = Field(
        Paging(), title="Pages", description="How the pages of the list follow one another."
    )
    username: str | None = Field(
        None, title="User", description="For basic authentication, together with a password."
    )
    password_variable: str | None = Field(
        None,
        title="Variable of the password",
        min_length=1,
        description="Environment variable that holds the password.",
    )
    token_variable: str | None = Field(
        None,
        title="Variable of the token",
        min_length=1,
        description="Environment variable that holds the token.",
    )
    header_name: str | None = Field(
        None,
        title="Header of the token",
        pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
        description="Header that carries the token, such as X-Api-Key; unset: Authorization, as a "
        "bearer token.",
    )
    token_parameter: str | None = Field(
        None,
        title="Parameter of the token",
        min_length=1,
        description="Query parameter that carries the token, where the service takes no header.",
    )
    timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        60.0,
        title="Longest answer in seconds",
        description="How long one answer may take, to its last byte.",
    )

    @field_validator("url")
    @classmethod
    def _plain_address(cls, url: str) -> str:
        url = url.strip()
        try:
            parts = urlsplit(url)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
            _ = parts.port
        except ValueError:
            usable = False
        if not usable:
            raise ValueError("it is no address of a service; write it as https://host/path")
        if "@" in parts.netloc or "?" in url or "#" in url:
            # Not even quoted: any of these may be a secret.
            raise ValueError(
                "the address has a user, a query or a fragment: write a user as username, and "
                "what follows the question mark as params"
            )
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError("http:// is only for this machine itself: write https://")
        return url

    @field_validator("params")
    @classmethod
    def _nothing_secret(cls, params: dict[str, str]) -> dict[str, str]:
        for name in params:
            if sounds_secret(name):
                raise ValueError(
                    f"{name} looks like a secret, which everybody could read here: put it into an "
                    "environment variable, name that in token_variable, and write "
                    f"`token_parameter: {name}`"
                )
        return params

    @field_validator("body")
    @classmethod
    def _nothing_secret_inside(cls, body: dict[str, Any] | None) -> dict[str, Any] | None:
        for name in _names_in(body or {}):
            if sounds_secret(name):
                raise ValueError(
                    f"{name} looks like a secret, which everybody could read here, and no secret "
                    "can go into a body: ask the vendor for a token in a header"
                )
        return body

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.body is not None and self.method == "GET":
            raise ValueError("body is sent only with `method: POST`")
        if self.header_name and self.token_parameter:
            raise ValueError(
                "the token goes into a header or into a parameter: leave header_name or "
                "token_parameter out"
            )
        if self.username and (self.token_variable or self.header_name or self.token_parameter):
            raise ValueError("username is for a password: with a token, leave username out")
        if self.password_variable and not self.username:
            raise ValueError("password_variable needs a username")
        return self


class RestDefinition(FeedDefinition, RestSource):
    """A REST service of instruments."""
