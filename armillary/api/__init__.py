"""Talking to Ptolemy: one transport, and a client that is tolerant where the contract is unsure."""

from __future__ import annotations

from armillary.api.connection import Connection
from armillary.api.connections import shared
from armillary.api.meter import Meter, MeterReading
from armillary.api.models import FieldDefinition, Job, Page, Workspace
from armillary.api.paging import read_all
from armillary.api.ptolemy import Ptolemy, connect

__all__ = [
    "Connection",
    "FieldDefinition",
    "Job",
    "Meter",
    "MeterReading",
    "Page",
    "Ptolemy",
    "Workspace",
    "connect",
    "read_all",
    "shared",
]
