"""Instruments to practise with: whole rows, as plausible as made-up ones can be."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

Row = dict[str, Any]

_STEPS: Final = {
    "BTC": ("0.01", "0.00001"),
    "ETH": ("0.01", "0.0001"),
    "SOL": ("0.01", "0.001"),
    "XRP": ("0.0001", "0.1"),
    "ADA": ("0.0001", "0.1"),
    "DOGE": ("0.00001", "1"),
    "DOT": ("0.001", "0.01"),
    "LTC": ("0.01", "0.001"),
    "LINK": ("0.01", "0.01"),
    "AVAX": ("0.01", "0.01"),
    "ATOM": ("0.001", "0.01"),
    "UNI": ("0.001", "0.01"),
    "TRX": ("0.0001", "0.10"),
    "NEAR": ("0.001", "0.1"),
    "APT": ("0.001", "0.01"),
    "ARB": ("0.0001", "0.1"),
    "OP": ("0.001", "0.01"),
    "FIL": ("0.001", "0.01"),
    "ICP": ("0.001", "0.01"),
    "SUI": ("0.0001", "0.1"),
}
"""Steps of price and of quantity by base asset."""
COINS: Final = tuple(_STEPS)
SHARES: Final = (
    "AAPL",
    "MSFT",
    "NVDA",
    "AMZN",
    "GOOGL",
    "META",
    "TSLA",
    "JPM",
    "XOM",
    "KO",
    "PEP",
    "NKE",
)


def instrument(venue: str, symbol: str, **fields: Any) -> Row:
    """A whole instrument with every required key (contract section 6).

    Args:
        venue: such as ``BINANCE``.
        symbol: ``BASE/QUOTE``, also with a suffix such as ``:SETTLE``.
        fields: keys of an instrument, by their names on the wire, in place of the made-up values.
    """
    base, _, rest = symbol.partition("/")
    quote = rest.partition(":")[0] or "USD"
    pip, lot = _STEPS.get(base, ("0.001", "0.01"))
    row: Row = {
        "instrumentId": f"{venue}:{symbol}",
        "venue": venue,
        "symbol": symbol,
        "externalSymbol": symbol.replace("/", "").replace(":", "_"),
        "description": f"{base} against {quote}",
        "instrumentType": "SPOT",
        "status": "ACTIVE",
        "baseAsset": base,
        "quoteAsset": quote,
        "baseSecurityType": "CRYPTO",
        "quoteSecurityType": "CRYPTO",
        "basePrecision": 8,
        "quotePrecision": 8,
        "baseMaxSignificant": None,
        "quoteMaxSignificant": None,
        "baseScale": None,
        "quoteScale": None,
        "lotSize": lot,
        "pipSize": pip,
        "minQuantity": lot,
        "maxQuantity": "9000",
        "minNotional": "5",
        "maxNotional": "9000000",
        "isIcebergAllowed": True,
        "orderTypes": ["LIMIT", "MARKET", "STOP_LIMIT"],
        "timeInForceOptions": ["GTC", "IOC", "FOK"],
        "orderFilters": {"maxOrders": 200},
    }
    return {**row, **fields}


@cache
def of_venue(venue: str) -> list[Row]:
    """What a venue's exchange lists from the start: forty BINANCE, a dozen the others."""
    special = _SPECIAL.get(venue)
    if special is not None:
        return special(venue)
    return [instrument(venue, f"{coin}/USDT") for coin in COINS[:12]]


def _binance(venue: str) -> list[Row]:
    rows = [instrument(venue, f"{coin}/USDT") for coin in COINS]
    rows += [instrument(venue, f"{coin}/BTC") for coin in COINS[1:13]]
    rows += [instrument(venue, f"{coin}/USDC") for coin in COINS[:8]]
    rows[16]["status"] = "INACTIVE"
    rows[17]["status"] = "DISABLED"
    rows[30]["status"] = "DELISTED"
    return rows


def _perpetuals(venue: str) -> list[Row]:
    spot = [instrument(venue, f"{coin}/USDT") for coin in COINS[:6]]
    return spot + [
        instrument(venue, f"{coin}/USDT:USDT", instrumentType="PERPETUAL") for coin in COINS[:6]
    ]


def _deribit(venue: str) -> list[Row]:
    futures = [
        instrument(
            venue,
            f"{coin}/USD:{coin}-{day}",
            instrumentType="FUTURES",
            deliveryDate=1_798_185_600_000,
            deliveryDateTime="2026-12-25T08:00:00Z",
        )
        for coin in ("BTC", "ETH")
        for day in ("261225", "270326")
    ]
    options = [
        instrument(
            venue,
            f"{coin}/USD:{coin}-261225-{strike}-{side}",
            instrumentType="OPTION",
            strikePrice=strike,
            exerciseStyle="EUROPEAN",
        )
        for coin, strike in (("BTC", "120000"), ("BTC", "150000"), ("ETH", "5000"), ("ETH", "8000"))
        for side in "CP"
    ]
    return futures + options


def _shares(venue: str) -> list[Row]:
    hours = {"open": "09:30", "close": "16:00"}
    return [
        instrument(
            venue,
            f"{share}/USD",
            externalSymbol=share,
            baseSecurityType="STOCK",
            quoteSecurityType="CURRENCY",
            basePrecision=0,
            quotePrecision=2,
            pipSize="0.01",
            lotSize="1",
            minQuantity="1",
            tradingHours=hours,
        )
        for share in SHARES
    ]


_SPECIAL: Final = {
    "BINANCE": _binance,
    "OKX": _perpetuals,
    "HYPERLIQUID": _perpetuals,
    "DERIBIT": _deribit,
    "IBKR": _shares,
}
