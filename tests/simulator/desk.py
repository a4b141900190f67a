"""A plain client of the simulated Cadenza, for tests that look at single answers."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx

from simulator import Simulator

EMAIL = "desk@example.com"
PASSWORD = "open sesame"


class Desk:
    """A simulator, and a client with a token of its first account."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim
        self.http = httpx.Client(base_url=sim.cadenza_url, timeout=5, verify=False)
        self.carry(sim.cadenza.token())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.http.close()

    def carry(self, token: str) -> None:
        """Use this token from now on."""
        self.http.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        return self.http.get(f"/api/v3{path}", params=parameters)

    def post(self, path: str, body: Any = None) -> httpx.Response:
        return self.http.post(f"/api/v3{path}", json=body)

    def login(self, password: str = PASSWORD) -> httpx.Response:
        return self.post("/auth/login", {"email": EMAIL, "password": password})

    def refresh(self, token: str) -> httpx.Response:
        return self.post("/auth/token/refresh", {"refreshToken": token})

    def rows(self, **parameters: Any) -> httpx.Response:
        return self.get("/market/instrument/list", **parameters)

    def symbols(self, **parameters: Any) -> list[str]:
        """What a list shows, by symbol."""
        return [row["symbol"] for row in self.rows(**parameters).json()["data"]]

    def sync(self, venue: str, symbols: Any = None) -> httpx.Response:
        body = {"venue": venue} if symbols is None else {"venue": venue, "symbols": symbols}
        return self.post("/market/instrument/sync", body)


def refused(answer: httpx.Response) -> tuple[int, int, str]:
    """Status, error number and text; the rest of a refusal is as it has to be."""
    body = answer.json()
    assert body["data"] is None
    assert body["details"]["request_id"] == answer.headers["x-request-id"]
    return answer.status_code, body["errno"], body["error"]


def venues(*symbols: str, name: str = "OKX", status: str = "ONLINE") -> list[dict[str, Any]]:
    """One venue whose exchange lists these symbols."""
    rows = [{"symbol": symbol} for symbol in symbols]
    return [{"name": name, "status": status, "instruments": rows}]
