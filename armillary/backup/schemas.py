"""``schemas.json``: the types and fields of a workspace, which no export carries (contract D14).

A restore needs them: what it brings back can only be stored where a type of the same identifier
with the same fields exists. What cannot be read is listed by name, so that nobody takes silence
for completeness.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from armillary.api.collection import Collection
from armillary.api.envelope import Row
from armillary.api.ptolemy import Ptolemy
from armillary.errors import (
    AccessDenied,
    ApiError,
    RequestRejected,
    TransientError,
    UnexpectedAnswer,
)

SCHEMAS = "schemas.json"

_OF_MARKETS = "no documented path (contract N5)"

_NO_ANSWER = "did not answer"

COLLECTIONS: Mapping[str, Callable[[Ptolemy], Collection]] = {
    "instrument_types": lambda ptolemy: ptolemy.instrument_types,
    "instrument_type_fields": lambda ptolemy: ptolemy.instrument_type_fields,
    "market_types": lambda ptolemy: Collection(ptolemy.transport, "/market-types"),
    "market_type_fields": lambda ptolemy: Collection(ptolemy.transport, "/market-type-fields"),
    "series": lambda ptolemy: ptolemy.series,
    "time_series_type_fields": lambda ptolemy: ptolemy.series_fields,
}
"""By name in the file. The paths of market types are a guess by analogy (contract N5)."""


class Schemas(msgspec.Struct, frozen=True):
    """Types and fields as the service answered, and what it did not tell."""

    resources: dict[str, list[Row]]
    missing: dict[str, str]
    """Why a resource is not there, by its name."""

    @property
    def unanswered(self) -> list[str]:
        """What may well be there another time."""
        return [name for name, why in self.missing.items() if why == _NO_ANSWER]


_read = msgspec.json.Decoder(Schemas).decode


def read_schemas(ptolemy: Ptolemy) -> Schemas:
    """Read every type and field, archived ones too where the service shows them.

    A resource that is refused, unknown or not answered is noted as missing.

    Raises:
        ApiError: no call is left, or the run has to end for another reason.
    """
    resources: dict[str, list[Row]] = {}
    missing: dict[str, str] = {}
    for name, collection in COLLECTIONS.items():
        try:
            resources[name] = collection(ptolemy).list()
        except TransientError:
            missing[name] = _NO_ANSWER
        except (AccessDenied, RequestRejected, UnexpectedAnswer) as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                raise
            missing[name] = _why(name, error)
    return Schemas(resources, missing)


def encode(schemas: Schemas) -> bytes:
    """As it lies in the bucket: sorted, readable JSON; numbers keep their decimal text."""
    return msgspec.json.format(
        msgspec.json.encode(schemas, order="sorted", enc_hook=_text), indent=2
    )


def decode(content: bytes) -> Schemas:
    """Read a file back.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _read(content)


def _why(name: str, error: ApiError) -> str:
    status = f"answered {error.status}" if error.status else "gave no readable answer"
    return f"{_OF_MARKETS}, {status}" if name.startswith("market_") else status


def _text(value: Any) -> str:
    return str(value)
