"""Export jobs (contract section 14): rows go to a file on disk, never into one list of bytes."""

from __future__ import annotations

import csv
import hashlib
import io
import tempfile
from collections.abc import Iterator
from typing import IO, Any, ClassVar

from simulator.exchange import Answer, Refusal, encode
from simulator.ptolemy import exported, selection
from simulator.ptolemy.call import Call, text
from simulator.ptolemy.collection import Collection
from simulator.ptolemy.jobs import RESOURCES, SLICE_ROWS, Job, Jobs

BODY_KEYS = frozenset({"format", "include_archived", "filter"})


class ExportJob(Job):
    """An export, and its file once it is done."""

    __slots__ = ("etag", "file", "format", "link", "selection", "size")

    def __init__(self, resource_type: str, file_format: str) -> None:
        super().__init__(resource_type)
        self.format = file_format
        self.selection: selection.Selection | None = None
        self.file: IO[bytes] | None = None
        self.size = 0
        self.etag = ""
        self.link: str | None = None


class Exports(Jobs[ExportJob]):
    """``/exports``."""

    path: ClassVar[str] = "exports"
    noun: ClassVar[str] = "export"

    def present(self, record: ExportJob) -> dict[str, Any]:
        """An export as answers show it, without link: that needs the address asked."""
        key = self.workspace.config.export_key
        name = "object_type" if key == "either" else key
        shown = {
            **self.begun(record),
            name: record.resource_type,
            "format": record.format,
            "download_url": None,
        }
        return {**shown, **self.shown_errors(record)} if record.errors else shown

    def create(self, call: Call) -> Answer:
        """POST: 202."""
        call.query(())
        key = call.config.export_key
        names = {"object_type", "resource_type"} if key == "either" else {key}
        body = call.body(BODY_KEYS | names)
        name = next((name for name in sorted(names) if name in body), min(names))
        resource_type = text(body, name)
        refused = resource_type == "market_calendars" and call.config.calendar_export == "refused"
        if resource_type not in RESOURCES or refused:
            raise Refusal(422, f"{name}: {resource_type!r} cannot be exported", field=name)
        file_format = body.get("format")
        if file_format not in ("csv", "json"):
            raise Refusal(422, "format must be csv or json", field="format")
        archived = body.get("include_archived", False)
        if not isinstance(archived, bool):
            raise Refusal(422, "include_archived must be true or false", field="include_archived")
        job = ExportJob(resource_type, file_format)
        job.selection = self._selection(call, resource_type, body.get("filter"), archived=archived)
        return self.shown(call, self.start(job), 202)

    def get(self, call: Call) -> Answer:
        """GET of one export: a poll; a finished one has its link (N13)."""
        answer = super().get(call)
        job = self.find(call)
        if job.file is not None and job.status == "completed" and not job.script.no_link:
            if job.link is None or call.config.link_refresh == "fresh":
                job.link = self.workspace.sign(job.id, call.incoming.headers.get("host", ""))
            shown = {**self.present(job), "download_url": job.link}
            return call.single(shown, bare=self.bare_in_samples)
        return answer

    def begin(self, job: ExportJob) -> Iterator[None]:
        """Write the file, :data:`SLICE_ROWS` rows at a step."""
        target = self.workspace.collections[RESOURCES[job.resource_type]]
        chosen = list(job.selection.every()) if job.selection else []
        if job.script.empty_file:
            chosen = []
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the workspace
        digest = hashlib.md5(usedforsecurity=False)
        for chunk in self._chunks(target, job.format, chosen):
            job.size += file.write(chunk)
            digest.update(chunk)
            yield
        file.flush()
        job.file, job.etag = file, digest.hexdigest()
        self.finish(job, "completed")

    def close(self) -> None:
        """Let go of the files."""
        for job in self.table.rows:
            if job.file is not None:
                job.file.close()
                job.file = None

    def _selection(
        self, call: Call, resource_type: str, given: Any, *, archived: bool
    ) -> selection.Selection:
        target = self.workspace.collections[RESOURCES[resource_type]]
        body = {} if given is None else {"filter": given}
        return selection.for_export(target, call, body, archived=archived)

    def _chunks(
        self, target: Collection[Any], file_format: str, chosen: list[Any]
    ) -> Iterator[bytes]:
        columns = exported.Columns(self.workspace, target)
        slices = (chosen[at : at + SLICE_ROWS] for at in range(0, len(chosen), SLICE_ROWS))
        if file_format == "csv":
            yield from _csv_chunks(columns, slices, self.workspace.config.csv_encoding)
        else:
            wrapped = self.workspace.config.export_shape == "wrapped"
            yield from _json_chunks(columns, slices, wrapped=wrapped)


def _json_chunks(
    columns: exported.Columns, slices: Iterator[list[Any]], *, wrapped: bool
) -> Iterator[bytes]:
    yield b'{"data":[' if wrapped else b"["
    first = True
    for rows in slices:
        text_of_rows = b",".join(encode(columns.row(row)) for row in rows)
        yield text_of_rows if first else b"," + text_of_rows
        first = False
    yield b"]}" if wrapped else b"]"


def _csv_chunks(
    columns: exported.Columns, slices: Iterator[list[Any]], encoding: str
) -> Iterator[bytes]:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(columns.header())
    yield buffer.getvalue().encode(encoding)
    for rows in slices:
        buffer.seek(0)
        buffer.truncate()
        writer.writerows(columns.cells(row) for row in rows)
        yield buffer.getvalue().encode()
