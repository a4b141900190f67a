"""Pings to a service that alerts when none comes: a server that is dead cannot report itself.

By the convention of healthchecks.io: ``URL/start``, ``URL`` at success, ``URL/fail``.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import httpcore
import httpx

from armillary.errors import ConfigurationError
from armillary.proxies import proxy_for

TIMEOUT_SECONDS = 5.0

Beat = Literal["start", "success", "fail"]

_ENDINGS: dict[Beat, str] = {"start": "/start", "success": "", "fail": "/fail"}

_REDIRECT = 300
"""From here on an answer is no success. A redirect is none, and is not followed."""


def beat(url: str, what: Beat, *, flow: str, deployment: str) -> str:
    """Ping once; returns why it did not arrive, or blank. Never raises.

    Args:
        url: of the setting; ``{flow}`` and ``{deployment}`` in it stand for the names.
        what: what there is to tell.
        flow: name of the flow.
        deployment: name of its deployment.

    Returns:
        Words without the address, which is as good as a password.
    """
    try:
        return _ping(address(url, what, flow=flow, deployment=deployment))
    except ConfigurationError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 - the words of the library hold the address
        return f"it was not taken ({type(error).__name__})."


def address(url: str, what: Beat, *, flow: str, deployment: str) -> str:
    """Where a ping goes.

    Raises:
        ConfigurationError: the setting is no address of a web service.
    """
    named = url.strip().replace("{flow}", quote(flow, safe=""))
    named = named.replace("{deployment}", quote(deployment, safe=""))
    parts = urlsplit(named)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            "ARMILLARY_HEARTBEAT_URL is no http or https address.",
            next_step="Copy it from the service that listens for the pings.",
        )
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + _ENDINGS[what]))


def _ping(where: str) -> str:
    # Not by a client that writes the address to its log.
    proxy = proxy_for(where)
    limits = dict.fromkeys(("connect", "read", "write", "pool"), TIMEOUT_SECONDS)
    with (
        httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(), proxy=_proxy(proxy) if proxy else None
        ) as pool,
        pool.stream("GET", where, extensions={"timeout": limits}) as answer,
    ):
        status: int = answer.status
    return f"the service answered {status}." if status >= _REDIRECT else ""


def _proxy(address: str) -> httpcore.Proxy:
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    account = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return httpcore.Proxy(f"{parts.scheme}://{host}", auth=account)
