"""Talking to Cadenza: venues, their instruments, and refreshing Cadenza's copy of them."""

from __future__ import annotations

from armillary.api.cadenza.client import Cadenza, connect, shared
from armillary.api.cadenza.connection import CadenzaConnection
from armillary.api.cadenza.models import Health, InstrumentList, SyncAnswer, Venue

__all__ = [
    "Cadenza",
    "CadenzaConnection",
    "Health",
    "InstrumentList",
    "SyncAnswer",
    "Venue",
    "connect",
    "shared",
]
