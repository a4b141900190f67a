"""One file of a web server. Credentials go to that server and to no other."""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import cache
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

import httpx

from armillary.feeds.credentials import Credentials
from armillary.feeds.remote.failures import why_lost, why_no_connection
from armillary.feeds.remote.place import (
    CONNECT_SECONDS,
    IDLE_SECONDS,
    Entry,
    Lost,
    NotLetIn,
    Unreachable,
    Unusable,
)
from armillary.feeds.remote.stream import gathered
from armillary.proxies import proxy_for

_MOST_REDIRECTS = 5
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_TIMEOUT = {
    "connect": CONNECT_SECONDS,
    "read": IDLE_SECONDS,
    "write": IDLE_SECONDS,
    "pool": CONNECT_SECONDS,
}


class HttpsPlace:
    """The file of an address, and its neighbours by name.

    Not by a client of httpx: that one writes each address to its log, with what is secret in it.
    """

    settle_seconds = 0.0

    def __init__(self, url: str, credentials: Credentials) -> None:
        self._url = urlsplit(url)
        _refuse_open_text(self._url)
        self._wanted = _header(credentials, self._url)
        self._transport = httpx.HTTPTransport(
            verify=_trusted(*map(os.environ.get, _AUTHORITIES)),
            proxy=proxy_for(url),
            trust_env=False,
        )

    def entries(self, prefix: str) -> list[Entry]:  # noqa: ARG002 -- of the protocol
        """A web server has no list of its files."""
        raise Unusable(
            "a web server has no list of its files, so a pattern cannot be looked up there; name "
            "the one file"
        )

    def describe(self, name: str) -> Entry | None:
        """By HEAD; None where the server does not answer that, as with many signed addresses."""
        with self._answer("HEAD", name) as answer:
            if answer.status_code != httpx.codes.OK:
                return None
            headers = answer.headers
        # What is packed for the journey has another length here.
        length = headers.get("content-length", "") if _as_sent(headers, name) else ""
        return Entry(
            name,
            size_bytes=int(length) if length.isdecimal() else None,
            mark=headers.get("etag") or headers.get("last-modified") or "",
            changed_at=_moment(headers.get("last-modified", "")),
        )

    def read(self, name: str, expected_bytes: int | None) -> bytes:  # noqa: ARG002
        """The whole content, as it is packed by its name."""
        with self._answer("GET", name) as answer:
            self._refuse_status(answer.status_code)
            raw = _as_sent(answer.headers, name)
            try:
                return gathered(answer.iter_raw() if raw else answer.iter_bytes())
            except (httpx.TransportError, httpx.DecodingError) as error:
                found = Lost(why_lost(error))
        raise found

    def probe(self, name: str) -> None:
        """By GET, for many servers and signed addresses answer HEAD otherwise; then hang up."""
        with self._answer("GET", name) as answer:
            self._refuse_status(answer.status_code)

    def _refuse_status(self, status: int) -> None:
        if status == httpx.codes.UNAUTHORIZED:
            raise NotLetIn(
                "the server answered 401: the user and password, or the token, are wrong or expired"
                if self._wanted
                else "the server answered 401: it wants a user and password, or a token, and the "
                "feed gives none"
            )
        _refuse_status(status)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    @contextmanager
    def _answer(self, method: str, name: str) -> Iterator[httpx.Response]:
        """The last answer of a chain of redirects."""
        parts = self._url
        path = parts.path[: parts.path.rfind("/") + 1]
        own = unquote(parts.path[len(path) :])
        path = parts.path if name == own else path + quote(name)
        here = parts._replace(netloc=_host(parts), path=path or "/", fragment="")
        for _ in range(_MOST_REDIRECTS):
            answer = self._sent(method, here)
            try:
                if not answer.has_redirect_location:
                    yield answer
                    return
                here = _followed(here, answer.headers["location"])
            finally:
                answer.close()
        raise Unreachable(f"the server leads on more than {_MOST_REDIRECTS} times")

    def _sent(self, method: str, where: SplitResult) -> httpx.Response:
        headers = {"Accept-Encoding": "identity", "User-Agent": "armillary"}
        if _origin(where) == _origin(self._url):
            headers |= self._wanted
        request = httpx.Request(
            method, where.geturl(), headers=headers, extensions={"timeout": _TIMEOUT}
        )
        try:
            answer = self._transport.handle_request(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            found: Exception = Unreachable(f"{where.hostname} {why_no_connection(error)}")
        except httpx.TransportError as error:
            found = Lost(why_lost(error))
        else:
            answer.request = request
            return answer
        raise found


@cache
def _trusted(*authorities: str | None) -> ssl.SSLContext:  # noqa: ARG001 -- what it depends on
    """Made once, because to read all authorities takes longer than to read most files."""
    return httpx.create_ssl_context()


def _as_sent(headers: httpx.Headers, name: str) -> bool:
    """Some servers say of a file that is packed by its name that it is packed for the journey.

    Unpacked here it would not be what its name says.
    """
    packed = headers.get("content-encoding", "identity").lower() != "identity"
    return not packed or name.lower().endswith((".gz", ".zst"))


def _moment(written: str) -> float | None:
    """A date of HTTP in seconds of Unix time; None where it is none."""
    try:
        return parsedate_to_datetime(written).timestamp()
    except (ValueError, OverflowError):
        return None


def _refuse_open_text(url: SplitResult) -> None:
    if url.scheme.lower() == "http" and url.hostname not in _LOOPBACK:
        raise Unusable(
            "http:// goes over the network in open text, where anybody on the way can read and "
            "change it; write https://"
        )


def _header(credentials: Credentials, url: SplitResult) -> dict[str, str]:
    user = credentials.username or unquote(url.username or "")
    password = credentials.password or unquote(url.password or "")
    if credentials.token:
        if credentials.header_name:
            return {credentials.header_name: credentials.token}
        return {"Authorization": f"Bearer {credentials.token}"}
    if not user:
        return {}
    word = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {word}"}


def _host(url: SplitResult) -> str:
    return url.netloc.rpartition("@")[2]


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme.lower(), url.hostname, url.port


def _followed(here: SplitResult, location: str) -> SplitResult:
    there = urlsplit(urljoin(here.geturl(), location))
    if there.scheme not in {"https", here.scheme}:
        raise Unreachable(f"the server leads away from {here.scheme} to another protocol")
    _refuse_open_text(there)
    return there._replace(netloc=_host(there), fragment="")


def _refuse_status(status: int) -> None:
    if status == httpx.codes.OK:
        return
    if status in {httpx.codes.NOT_FOUND, httpx.codes.GONE}:
        raise FileNotFoundError(status)
    if status == httpx.codes.FORBIDDEN:
        raise PermissionError(status)
    if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.TOO_MANY_REQUESTS:
        raise Lost(f"the server answered {status}")
    raise Unreachable(f"the server answered {status}")
