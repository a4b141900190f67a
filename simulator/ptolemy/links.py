"""The signature of a download link."""

from __future__ import annotations

import hashlib
import hmac


def sign(seed: int, job_id: str, expires: str) -> str:
    """What only the simulator can compute; the link holds it beside the end of its life."""
    key = f"links:{seed}".encode()
    return hmac.new(key, f"{job_id}:{expires}".encode(), hashlib.sha256).hexdigest()
