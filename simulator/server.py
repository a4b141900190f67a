"""The ASGI application: read, admit, harm if the plan says so, answer, record."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address

from simulator.clock import SimulatorClock
from simulator.config import Config
from simulator.control import PREFIX, Control
from simulator.exchange import Answer, Incoming, Location, Service
from simulator.faults import FaultPlan
from simulator.harm import Harm, Visit
from simulator.recorder import Recorder
from simulator.wire import Receive, Scope, Send, Wire


class Server:
    """Serves one or more simulated APIs; holds the fault plan and the request log."""

    def __init__(self, config: Config, clock: SimulatorClock, services: Sequence[Service]) -> None:
        self.clock = clock
        self.recorder = Recorder(config.log_kept)
        self.plan = FaultPlan(config.faults, config.fault_rates, config.seed)
        self.control: Control | None = None
        self.stopping = asyncio.Event()
        self._max_bytes = config.import_max_bytes
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        wire = Wire(scope, receive, send, self.stopping)
        incoming = await wire.read(self._max_bytes)
        if incoming is None:
            return
        if incoming.raw_path.startswith(PREFIX) and self.control is not None:
            await wire.write(self._controlled(self.control, incoming, scope))
            return
        for service in self._services:
            location = service.locate(incoming)
            if location is not None:
                await self._serve(wire, service, incoming, location)
                return
        await wire.write(Answer(404, {"message": f"Nothing is at {incoming.raw_path}"}))

    def _controlled(self, control: Control, incoming: Incoming, scope: Scope) -> Answer:
        """The control path is for this machine alone: it needs no token."""
        client = scope.get("client")
        if client is None or not ip_address(client[0]).is_loopback:
            return Answer(403, {"message": "The control path answers loopback only"})
        return control.answer(incoming)

    async def _serve(
        self, wire: Wire, service: Service, incoming: Incoming, location: Location
    ) -> None:
        admission = service.admit(incoming, location)
        entry = self.recorder.start(incoming, location, admission.caller, self.clock.monotonic())
        visit = Visit(service, incoming, location, admission, entry)
        rule = self.plan.decide(incoming, location) if admission.refusal is None else None
        if rule is None:
            await wire.write(visit.noted(visit.work()))
        else:
            entry.fault = rule.action
            await Harm(wire, visit, self.control, self.clock).by(rule)
