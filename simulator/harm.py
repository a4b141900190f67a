"""Carrying out a fault on one request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from simulator import pages
from simulator.clock import SimulatorClock
from simulator.control import Control
from simulator.exchange import Admission, Answer, Incoming, Location, Refusal, Service
from simulator.faults import PAGE_ACTIONS, Rule
from simulator.recorder import Entry
from simulator.wire import Wire

LOGIN_PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in</body></html>"
BLACKHOLE_SECONDS = 300.0
REDIRECTS = range(300, 400)


@dataclass(slots=True)
class Visit:
    """One admitted (or refused) request of a service."""

    service: Service
    incoming: Incoming
    location: Location
    admission: Admission
    entry: Entry

    def work(self) -> Answer:
        """Do what is asked; a refusal becomes its answer."""
        try:
            if self.admission.refusal is not None:
                raise self.admission.refusal
            answer = self.service.answer(self.incoming, self.location, self.admission)
        except Refusal as refusal:
            return self.service.refuse(refusal, self.admission)
        answer.headers = {**self.admission.headers, **answer.headers}
        return answer

    def noted(self, answer: Answer) -> Answer:
        """The answer, its status in the log."""
        self.entry.status = answer.status
        self.entry.retry_after = answer.headers.get("Retry-After")
        return answer


class Harm:
    """One request that suffers a fault."""

    def __init__(
        self, wire: Wire, visit: Visit, control: Control | None, clock: SimulatorClock
    ) -> None:
        self._wire = wire
        self._visit = visit
        self._control = control
        self._clock = clock

    async def by(self, rule: Rule) -> None:
        """Carry out the fault."""
        special = getattr(self, f"_{rule.action}", None)
        if special is not None:
            await special(rule)
        elif rule.action in PAGE_ACTIONS:
            await self._write(pages.altered(rule, self._visit.work()))
        else:
            await self._write(self._visit.work())

    async def _write(self, answer: Answer) -> None:
        await self._wire.write(self._visit.noted(answer))

    async def _instead(self, rule: Rule, answer: Answer) -> None:
        if rule.work:
            self._visit.work()
        answer.headers = {**self._visit.admission.headers, **answer.headers, **rule.headers}
        answer.media_type = answer.headers.pop("Content-Type", answer.media_type)
        if rule.retry_after is not None:
            answer.headers["Retry-After"] = self._retry_after(rule.retry_after)
        await self._write(answer)

    def _retry_after(self, value: str | int) -> str:
        text = str(value)
        if not text.startswith("date:"):
            return text
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        return format_datetime(now + timedelta(seconds=float(text[5:])), usegmt=True)

    async def _status(self, rule: Rule) -> None:
        if rule.body is not None:
            answer = Answer(rule.status, raw=rule.body.encode())
        else:
            refusal = Refusal(rule.status, "The simulator was told to answer so.", code="fault")
            answer = self._visit.service.refuse(refusal, self._visit.admission)
        await self._instead(rule, answer)

    async def _html(self, rule: Rule) -> None:
        page = (rule.body or LOGIN_PAGE).encode()
        await self._instead(rule, Answer(200, raw=page, media_type="text/html; charset=utf-8"))

    async def _empty(self, rule: Rule) -> None:
        await self._instead(rule, Answer(200, raw=b""))

    async def _redirect(self, rule: Rule) -> None:
        status = rule.status if rule.status in REDIRECTS else 302
        answer = Answer(status, raw=b"", headers={"Location": rule.location})
        await self._instead(rule, answer)

    async def _expired_cursor(self, rule: Rule) -> None:
        incoming, service = self._visit.incoming, self._visit.service
        if "after" not in incoming.query and b'"after"' not in incoming.body:
            await self._write(self._visit.work())
            return
        status = service.expired_cursor_status()
        refusal = Refusal(status, "The cursor has expired.", code="cursor_expired")
        await self._instead(rule, service.refuse(refusal, self._visit.admission))

    async def _delay(self, rule: Rule) -> None:
        await self._wire.pause(rule.seconds)
        await self._write(self._visit.work())

    async def _drop_before(self, rule: Rule) -> None:
        await self._wire.leave(rule.how)

    async def _drop_after(self, rule: Rule) -> None:
        self._visit.work()
        await self._wire.leave(rule.how)

    async def _blackhole(self, rule: Rule) -> None:
        if rule.work:
            self._visit.work()
        await self._wire.hold(rule.seconds or BLACKHOLE_SECONDS)

    async def _truncate(self, rule: Rule) -> None:
        answer = self._visit.noted(self._visit.work())
        await self._wire.write_part(answer, rule.bytes)

    async def _slow_drip(self, rule: Rule) -> None:
        answer = self._visit.noted(self._visit.work())
        await self._wire.write_slowly(answer, rule.bytes)

    async def _wrong_content_type(self, rule: Rule) -> None:
        answer = self._visit.work()
        answer.media_type = rule.headers.get("Content-Type", "text/plain")
        await self._write(answer)

    async def _change_between_pages(self, rule: Rule) -> None:
        answer = self._visit.work()
        if self._control is not None:
            for change in rule.changes:
                self._control.change(self._visit.location.scope, change)
        await self._write(answer)

    async def _job(self, rule: Rule) -> None:
        answer = self._visit.work()
        if self._control is not None:
            self._control.script_job(self._visit.location.scope, answer, rule.job)
        await self._write(answer)
