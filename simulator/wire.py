"""Reading requests off the wire and putting answers on it, whole or damaged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Literal

from simulator.exchange import Answer, Incoming
from simulator.protocol import drop

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

BODY_SLACK_BYTES = 1_000_000
"""What a multipart upload weighs besides its file."""


class Wire:
    """One request and its answer on one connection."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, stopping: asyncio.Event) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._stopping = stopping

    async def read(self, max_bytes: int) -> Incoming | None:
        """The request with its body; none when the client left while sending it."""
        chunks: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return None
            chunk = message.get("body", b"")
            size += len(chunk)
            if size <= max_bytes + BODY_SLACK_BYTES:
                chunks.append(chunk)
            more = message.get("more_body", False)
        return Incoming(
            method=self._scope["method"],
            raw_path=self._scope["raw_path"].decode("ascii"),
            query_string=self._scope["query_string"].decode("ascii"),
            headers={k.decode("latin-1"): v.decode("latin-1") for k, v in self._scope["headers"]},
            body=b"".join(chunks),
            too_large=size > max_bytes + BODY_SLACK_BYTES,
        )

    async def write(self, answer: Answer) -> None:
        """Send an answer as it should be, as late as it wants to be."""
        if answer.after_seconds:
            await self.pause(answer.after_seconds)
        if answer.stream is not None:
            await self._start(answer, answer.length)
            async for chunk in answer.stream:
                await self._body(chunk, more=True)
            await self._body(b"", more=False)
            return
        content = answer.content()
        await self._start(answer, len(content))
        await self._body(content, more=False)

    async def write_part(self, answer: Answer, size: int) -> None:
        """Announce the whole body, send ``size`` bytes of it, close."""
        content = await self._collect(answer, size + 1)
        length = answer.length if answer.length is not None else len(answer.content())
        await self._start(answer, max(length, size + 1))
        await self._body(content[:size], more=True)
        await self.leave("close")

    async def write_slowly(self, answer: Answer, bytes_per_second: int) -> None:
        """Send the body byte by byte."""
        content = answer.content()
        await self._start(answer, len(content))
        for position in range(len(content)):
            if await self.pause(1 / max(bytes_per_second, 1)):
                await self.leave("close")
                return
            await self._body(content[position : position + 1], more=position + 1 < len(content))

    async def pause(self, seconds: float) -> bool:
        """Wait; true when the simulator stops meanwhile."""
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def hold(self, seconds: float) -> None:
        """Never answer: until the client leaves, the simulator stops, or ``seconds`` are over."""
        waits = [
            asyncio.ensure_future(self._receive()),
            asyncio.ensure_future(self._stopping.wait()),
        ]
        _, pending = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        await self.leave("reset")

    async def leave(self, how: Literal["reset", "close"]) -> None:
        """Drop the connection and wait until uvicorn has noticed."""
        drop(self._scope, how)
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _collect(self, answer: Answer, size: int) -> bytes:
        if answer.stream is None:
            return answer.content()
        content = b""
        async for chunk in answer.stream:
            content += chunk
            if len(content) >= size:
                break
        return content

    async def _start(self, answer: Answer, length: int | None) -> None:
        headers = [
            (k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in answer.headers.items()
        ]
        if answer.status != HTTPStatus.NO_CONTENT:
            headers.append((b"content-type", answer.media_type.encode("latin-1")))
            if length is not None:
                headers.append((b"content-length", str(length).encode("ascii")))
        start = {"type": "http.response.start", "status": answer.status, "headers": headers}
        await self._send(start)

    async def _body(self, content: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": content, "more_body": more})
