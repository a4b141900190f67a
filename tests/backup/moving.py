"""An export on its way into a bucket, and what it tells on the way."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from armillary.backup.bucket import Bucket
from armillary.backup.transfer import Transferred, transfer
from tests.api.clocks import JumpClock
from tests.api.wire import Behaviour, WireServer, answer
from tests.backup.made import Shelf

KEY = "demo/2026-11-20T02-00-00Z/instruments.json"

ROWS = [{"id": f"i-{number}", "identifier": f"acme{number}"} for number in range(100)]
SMALL = json.dumps(ROWS).encode()

LARGE_ROWS = 13_000
LARGE = json.dumps(
    [{"id": f"i-{number}", "note": f"{number:01000}"} for number in range(LARGE_ROWS)]
).encode()
"""Three parts."""


@dataclass
class Moving:
    """A transfer of one file, and what it told on the way."""

    bucket: Bucket
    clock: JumpClock = field(default_factory=JumpClock)
    links: int = 0
    """How often a link was asked for: once for each request."""
    told: list[tuple[int, int | None]] = field(default_factory=list)

    def run(self, server: WireServer, **changed: Any) -> Transferred:
        address = server.url.removesuffix("/v1")
        facts: dict[str, Any] = {
            "resource_type": "instruments",
            "compression": "none",
            "metadata": {"backup-id": "2026-11-20T02-00-00Z"},
            "progress": lambda *told: self.told.append(told),
            "stop": lambda: None,
            "clock": self.clock,
            **changed,
        }
        return transfer(lambda: self._link(address), self.bucket, KEY, **facts)

    def _link(self, address: str) -> SecretStr:
        self.links += 1
        return SecretStr(f"{address}/exports/1?signature=5ec2e7")


def whole(content: bytes) -> Behaviour:
    return answer(200, content, {"ETag": '"a"'})


def cut_off(content: bytes, sent: int) -> Behaviour:
    """Breaks off, and says it is all."""
    return answer(200, content[:sent])


def assert_nothing_left(shelf: Shelf, bucket: Bucket) -> None:
    assert shelf.keys() == []
    assert list(bucket.unfinished_uploads("")) == []
