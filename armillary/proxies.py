"""The proxy that the environment names for an address."""

from __future__ import annotations

from typing import Never
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from armillary.errors import ConfigurationError

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def proxy_for(url: str) -> str | None:
    """The address of the proxy, with its scheme; None where there is none to be used.

    Args:
        url: what is asked for.

    Raises:
        ConfigurationError: the proxy is of a kind that is not known here.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxies = getproxies()
    address = proxies.get(parts.scheme) or proxies.get("all")
    if not address or host in _LOOPBACK or proxy_bypass(host):
        return None
    proxy = urlsplit(address if "://" in address else f"http://{address}")
    if proxy.scheme not in ("http", "https"):
        _refuse(proxy.scheme)
    return proxy.geturl()


def _refuse(scheme: str) -> Never:
    raise ConfigurationError(
        f"The environment names a proxy of kind {scheme!r}, which is not known here.",
        next_step="Set HTTPS_PROXY to an http or https proxy, or NO_PROXY for this host.",
    )
