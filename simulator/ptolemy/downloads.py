"""Pre-signed links and the store behind them (contract section 14)."""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import AsyncIterator

from simulator.exchange import Admission, Answer, Incoming, Location, Refusal
from simulator.ptolemy.exports import ExportJob
from simulator.ptolemy.links import sign
from simulator.ptolemy.service import Ptolemy

CHUNK_BYTES = 256 * 1024
RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Downloads:
    """A store of files as cloud providers have them: the link is the only credential."""

    def __init__(self, ptolemy: Ptolemy) -> None:
        self._ptolemy = ptolemy

    def locate(self, incoming: Incoming) -> Location | None:
        """Everything below ``/downloads``."""
        segments = incoming.segments
        if segments[0] != "downloads":
            return None
        return Location("/downloads/{id}", incoming.raw_path, "", segments[-1])

    def admit(self, incoming: Incoming, location: Location) -> Admission:  # noqa: ARG002
        """A download is no API call and needs no token."""
        return Admission("link", {})

    def answer(self, incoming: Incoming, location: Location, admission: Admission) -> Answer:  # noqa: ARG002
        """The file, or the part asked for."""
        if "authorization" in incoming.headers:
            raise Refusal(400, "Only one auth mechanism is allowed", code="InvalidArgument")
        if incoming.method != "GET":
            raise Refusal(403, "The link is signed for GET", code="SignatureDoesNotMatch")
        self._check(incoming, location.target)
        job = self._job(location.target)
        if job is None or job.file is None:
            raise Refusal(404, "The file is gone", code="NoSuchKey")
        return self._file(job, incoming.headers.get("range"))

    def refuse(self, refusal: Refusal, admission: Admission) -> Answer:  # noqa: ARG002
        """An XML error, whatever the API's own errors look like."""
        body = f"<Error><Code>{refusal.code}</Code><Message>{refusal.message}</Message></Error>"
        xml = '<?xml version="1.0" encoding="UTF-8"?>\n' + body
        media_type = "application/xml"
        return Answer(
            refusal.status, raw=xml.encode(), media_type=media_type, headers=refusal.headers
        )

    def expired_cursor_status(self) -> int:
        """There are no cursors here."""
        return 400

    def _job(self, job_id: str) -> ExportJob | None:
        tables = (workspace.exports.table for workspace in self._ptolemy.workspaces.values())
        return next((job for table in tables if (job := table.by_id(job_id))), None)

    def _check(self, incoming: Incoming, job_id: str) -> None:
        query = incoming.query
        expires = query.get("expires", "")
        signature = query.get("signature", "")
        if not hmac.compare_digest(signature, sign(self._ptolemy.config.seed, job_id, expires)):
            raise Refusal(403, "The signature does not match", code="SignatureDoesNotMatch")
        if self._ptolemy.clock.now() >= float(expires):
            raise Refusal(403, "Request has expired", code="AccessDenied")

    def _file(self, job: ExportJob, asked: str | None) -> Answer:
        start, end, status = 0, job.size, 200
        headers = {"ETag": f'"{job.etag}"'}
        match = RANGE.fullmatch(asked or "")
        if match and self._ptolemy.config.link_ranges == "answers":
            start = int(match[1])
            end = min(job.size, int(match[2]) + 1) if match[2] else job.size
            if start >= job.size or start >= end:
                whole = {"Content-Range": f"bytes */{job.size}"}
                raise Refusal(416, "No such range", code="InvalidRange", headers=whole)
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{job.size}"
            status = 206
        if self._ptolemy.config.link_ranges == "answers":
            headers["Accept-Ranges"] = "bytes"
        media_type = "text/csv" if job.format == "csv" else "application/json"
        stream = _read(job, start, end)
        length = end - start
        return Answer(status, media_type=media_type, headers=headers, stream=stream, length=length)


async def _read(job: ExportJob, start: int, end: int) -> AsyncIterator[bytes]:
    while start < end and job.file is not None:
        chunk = os.pread(job.file.fileno(), min(CHUNK_BYTES, end - start), start)
        if not chunk:
            return
        start += len(chunk)
        yield chunk
