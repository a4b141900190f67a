"""Field values: what may be written, and how it comes back (contract section 6, N6, A33)."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any, Final

from simulator.config import Config
from simulator.exchange import NumberText, Refusal

NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
INTERNED_CHARS: Final = 5
"""Short values repeat (currencies, venues, lots); keeping one copy of each saves memory."""


def parse(data_type: str, value: Any, name: str) -> str:
    """The stored text of a written value.

    Raises:
        Refusal: 422 when the value is not of the data type.
    """
    text = _PARSERS[data_type](value)
    if text is None:
        shown = "true" if value is True else "false" if value is False else repr(value)
        raise Refusal(
            422, f"{name}: {shown} is not a valid {data_type}", code="invalid_value", field=name
        )
    return sys.intern(text) if len(text) <= INTERNED_CHARS or data_type == "date" else text


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and not isinstance(value, NumberText) else None


def _parse_number(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value)
    return text if NUMBER.fullmatch(text) else None


def _parse_date(value: Any) -> str | None:
    return value if isinstance(value, str) and is_date(value) else None


def _parse_boolean(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value in ("true", "false") else None


_PARSERS: Final[dict[str, Callable[[Any], str | None]]] = {
    "text": _text,
    "number": _parse_number,
    "date": _parse_date,
    "boolean": _parse_boolean,
}


def is_date(text: str) -> bool:
    """Whether a text is a calendar date written YYYY-MM-DD."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def normalised(text: str) -> str:
    """A number without sign plus, exponent and needless zeros."""
    number = Decimal(text)
    if not number:
        return "0"
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def rounded(text: str) -> str:
    """A number rounded to six places, normalised."""
    with localcontext() as context:
        context.prec = 1200
        number = Decimal(text).quantize(Decimal("0.000001"), ROUND_HALF_EVEN)
    return normalised(str(number))


def canonical(data_type: str, text: str) -> str:
    """The text by which two values are the same, for dumps and digests."""
    return normalised(text) if data_type == "number" else text


Render = Callable[[str], str]


def renderers(config: Config) -> dict[str, Render]:
    """How stored texts come back, by data type; a type that is not here comes back as stored."""
    found: dict[str, Render] = {}
    if config.number_text == "normalised":
        found["number"] = normalised
    elif config.number_text == "rounded6":
        found["number"] = rounded
    if config.date_text == "datetime":
        found["date"] = _with_time
    if config.text_case == "upper" and config.text_trim:
        found["text"] = _trimmed_upper
    elif config.text_case == "upper":
        found["text"] = str.upper
    elif config.text_trim:
        found["text"] = str.strip
    return found


def _with_time(text: str) -> str:
    return f"{text}T00:00:00Z"


def _trimmed_upper(text: str) -> str:
    return text.strip().upper()
