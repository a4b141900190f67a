"""Writing a request: its address, its headers, its body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

import httpx
import msgspec

from armillary import __version__
from armillary.api.credentials import Credentials
from armillary.errors import RequestRejected

_LOST_IN_ADDRESSES = ("", ".", "..")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to send as the part ``file`` of a form, with the form's other values.

    ``content`` as a file must be seekable: an attempt that is repeated sends it from its start.
    """

    name: str
    content: bytes | BinaryIO = field(repr=False)
    media_type: str
    values: Mapping[str, str]


class Outgoing:
    """Builds the requests to one base address. Shared by threads."""

    def __init__(self, base_url: str, credentials: Credentials) -> None:
        self._base = base_url
        self._credentials = credentials
        self._last: tuple[str, httpx.Headers, httpx.Headers] | None = None

    def _headers(self, *, has_json: bool) -> httpx.Headers:
        """Made once for each token: building them costs as much as the rest of a request."""
        authorization = self._credentials.authorization()
        last = self._last
        if last is None or last[0] != authorization:
            own = {"Authorization": authorization} if authorization else {}
            plain = httpx.Headers(
                {
                    **own,
                    "Accept": "application/json",
                    "Accept-Encoding": "gzip, deflate",
                    "User-Agent": f"armillary/{__version__}",
                }
            )
            with_json = httpx.Headers({**plain, "Content-Type": "application/json"})
            self._last = last = (authorization, plain, with_json)
        return last[2] if has_json else last[1]

    def builder(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None,
        json: Any,
        upload: Upload | None,
    ) -> Callable[[], httpx.Request]:
        """A function that makes the request anew for every attempt.

        Raises:
            RequestRejected: a value that JSON cannot hold.
        """
        url = self._base + path + query(params)
        if upload is not None:
            part = {"file": (upload.name, upload.content, upload.media_type)}
            values = dict(upload.values)
            return lambda: httpx.Request(
                method, url, headers=self._headers(has_json=False), data=values, files=part
            )
        if json is None:
            return lambda: httpx.Request(method, url, headers=self._headers(has_json=False))
        content = _encoded(method, path, json)
        return lambda: httpx.Request(
            method, url, headers=self._headers(has_json=True), content=content
        )


def filled(method: str, template: str, record: str | None) -> str:
    """``template`` with ``{id}`` replaced; every character of the record survives (contract N3).

    Raises:
        RequestRejected: an identifier that an address loses.
    """
    if record is None:
        return template
    try:
        part = quote(record, safe="")
    except UnicodeEncodeError:
        part = ""
    if part in _LOST_IN_ADDRESSES:
        raise RequestRejected(
            f"the identifier {record!r} cannot stand in an address; nothing was sent.",
            method=method,
            path=template,
            next_step="Use the record's UUID, or give it another identifier in the source.",
        )
    return template.replace("{id}", part)


def query(params: Mapping[str, Any] | None) -> str:
    """The query with its question mark; None is left out, a list is joined by commas."""
    pairs = [(key, _text(value)) for key, value in (params or {}).items() if value is not None]
    return f"?{urlencode(pairs, quote_via=quote)}" if pairs else ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(str(part) for part in value)
    return str(value)


def _encoded(method: str, path: str, json: Any) -> bytes:
    try:
        return msgspec.json.encode(json)
    except (UnicodeEncodeError, TypeError, ValueError) as error:
        why = error.reason if isinstance(error, UnicodeEncodeError) else str(error)
    raise RequestRejected(
        f"a value cannot be written as JSON ({why}); nothing was sent.", method=method, path=path
    )
