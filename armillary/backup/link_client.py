"""Asking pre-signed links for what lies behind them, by urllib3.

A link is a secret: it is sent nowhere but to its own host, and neither a log nor an exception has
it. The library's own exceptions do not leave this module, not even as a cause: they hold addresses.
"""

from __future__ import annotations

import base64
import logging
import ssl
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any, Self
from urllib.parse import unquote

import httpx
import urllib3
from pydantic import SecretStr
from urllib3.exceptions import (
    ConnectTimeoutError,
    HeaderParsingError,
    HTTPError,
    InvalidHeader,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import Url, parse_url
from urllib3.util.response import assert_header_parsing
from urllib3.util.ssl_match_hostname import CertificateError

from armillary import __version__
from armillary.proxies import proxy_for

TIMEOUT = urllib3.Timeout(connect=15.0, read=60.0)

PIECE_BYTES = 512 * 1024
"""A connection gives some KiB at a time, and each piece has a price."""

REFUSAL_BYTES = 64 * 1024
"""So much of a refusal is read for the reason in it."""

_WORDS: tuple[tuple[type[HTTPError], str], ...] = (
    (LocationValueError, "its link is no address"),
    (ProxyError, "the proxy on the way could not be reached"),
    (NameResolutionError, "its name is not known"),
    (NewConnectionError, "no connection could be made"),
    (ConnectTimeoutError, "no connection could be made in time"),
    (ReadTimeoutError, "nothing was heard from it in time"),
    (SSLError, "the secure connection failed"),
    (HeaderParsingError, "the head of its answer is damaged"),
    (InvalidHeader, "the head of its answer is damaged"),
)
_BROKEN = "the connection broke off"


class LinkFault(Exception):
    """This request failed; the next may not."""


class _WithoutQuery(logging.Filter):
    """urllib3 writes what it asks for to its log, with the signature in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                part.partition("?")[0] if isinstance(part, str) else part for part in record.args
            )
        return True


_WITHOUT_QUERY = _WithoutQuery()


def address_of(link: SecretStr) -> Url:
    """What a link says.

    Raises:
        LinkFault: it is no address.
    """
    with suppress(LocationValueError):
        address = parse_url(link.get_secret_value())
        if address.scheme in {"http", "https"} and address.host:
            return address
    raise LinkFault("its link is no address")


class LinkClient:
    """Follows no link elsewhere, and unpacks nothing. Its connections end with ``with``."""

    def __init__(self) -> None:
        for name in ("urllib3.connectionpool", "urllib3.connection"):
            logging.getLogger(name).addFilter(_WITHOUT_QUERY)
        self._managers: dict[tuple[str | None, str | None], urllib3.PoolManager] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for manager in self._managers.values():
            for key in manager.pools.keys():  # noqa: SIM118 - it cannot be iterated itself
                manager.pools[key].close()
        self._managers.clear()

    @contextmanager
    def open(self, address: Url, headers: Mapping[str, str]) -> Iterator[urllib3.BaseHTTPResponse]:
        """The answer to a GET, before its body.

        Raises:
            LinkFault: there is none.
            ConfigurationError: the environment names a proxy of a kind that is not known here.
        """
        manager = self._manager(address)
        sent = {"User-Agent": f"armillary/{__version__}", **headers}
        with ExitStack() as stack:
            try:
                asked = manager.request(
                    "GET",
                    address.url,
                    headers=sent,
                    timeout=TIMEOUT,
                    retries=False,
                    redirect=False,
                    preload_content=False,
                    decode_content=False,
                )
                answer = stack.enter_context(closing(asked))
                _insist_on_its_head(answer)
            except HTTPError as error:
                words = _words_of(error)
            else:
                yield answer
                return
        raise LinkFault(words)

    def _manager(self, address: Url) -> urllib3.PoolManager:
        proxy = proxy_for(address.url)
        key = (address.scheme, proxy)
        if key not in self._managers:
            self._managers[key] = _manager_for(*key)
        return self._managers[key]


def pieces_of(answer: urllib3.BaseHTTPResponse) -> Generator[bytes, None, None]:
    """The body in pieces of ``PIECE_BYTES``; all that came is given before a fault is told.

    Raises:
        LinkFault: it broke off.
    """
    words = ""
    ended = False
    while not ended:
        parts: list[bytes] = []
        left = PIECE_BYTES
        while left and not ended:
            try:
                part = answer.read1(left)  # ``read`` would lose what came before a fault
            except HTTPError as error:
                part, words = b"", _words_of(error)
            ended = not part
            parts.append(part)
            left -= len(part)
        if left < PIECE_BYTES:
            yield b"".join(parts)
    if words:
        raise LinkFault(words)


def start_of(answer: urllib3.BaseHTTPResponse) -> str:
    """The first words of an answer, or nothing where they cannot be read."""
    with suppress(HTTPError):
        return answer.read(REFUSAL_BYTES).decode(errors="replace")
    return ""


def _insist_on_its_head(answer: urllib3.BaseHTTPResponse) -> None:
    """Raise ``HeaderParsingError`` where headers were lost, and the length with them.

    urllib3 only logs it: a file that breaks off would pass for whole.
    """
    original = getattr(answer, "_original_response", None)
    if original is not None:
        assert_header_parsing(original.msg)


def _manager_for(scheme: str | None, proxy: str | None) -> urllib3.PoolManager:
    secure = "https" in (scheme, proxy and proxy.partition(":")[0])
    # The certificates that calls to Ptolemy are trusted by; they take a while to read.
    trusted: dict[str, Any] = {"ssl_context": httpx.create_ssl_context()} if secure else {}
    if proxy is None:
        return urllib3.PoolManager(**trusted)
    auth = parse_url(proxy).auth
    told = base64.b64encode(unquote(auth).encode()).decode() if auth else ""
    return urllib3.ProxyManager(
        proxy,
        proxy_headers={"Proxy-Authorization": f"Basic {told}"} if told else None,
        proxy_ssl_context=trusted.get("ssl_context"),
        **trusted,
    )


def _words_of(error: HTTPError) -> str:
    """What went wrong, in words that hold nothing of the exception's own."""
    cause = error.args[0] if error.args else None
    if isinstance(error, SSLError) and isinstance(
        cause, (ssl.SSLCertVerificationError, CertificateError)
    ):
        return "its certificate cannot be trusted"
    if "Tunnel connection failed" in str(error):
        return "the proxy on the way let nothing through"
    return next((words for kind, words in _WORDS if isinstance(error, kind)), _BROKEN)
