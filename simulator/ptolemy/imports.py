"""Import jobs (contract section 13)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from simulator.exchange import Answer, Refusal
from simulator.ptolemy import tabular
from simulator.ptolemy.call import Call, is_text
from simulator.ptolemy.comparisons import seconds
from simulator.ptolemy.jobs import ERRORS_KEPT, RESOURCES, SLICE_ROWS, Job, Jobs
from simulator.ptolemy.linked import LinkedCollection
from simulator.ptolemy.records import Record
from simulator.ptolemy.typed import FIELD_PREFIX, TypedCollection
from simulator.ptolemy.writing import WritableCollection

FORM_FIELDS = frozenset({"resource_type", "on_error", "identifier_column"})
IMPORTABLE = tuple(name for name in RESOURCES if name != "market_calendars")
SERVER_COLUMNS = frozenset(
    {"id", "archived_at", "created_at", "updated_at", "extra_fields_snapshot", "type"}
)
"""Columns an export has and a create body has not."""


class ImportJob(Job):
    """An import with its rows until it is done."""

    __slots__ = (
        "caller",
        "file_name",
        "goes_on",
        "identifier_column",
        "row_count",
        "rows",
        "rows_failed",
        "rows_imported",
    )

    def __init__(self, resource_type: str, file_name: str, caller: str) -> None:
        super().__init__(resource_type)
        self.file_name = file_name
        self.caller = caller
        self.goes_on = False
        self.identifier_column: str | None = None
        self.rows: Iterator[dict[str, Any]] = iter(())
        self.row_count: int | None = None
        self.rows_imported = 0
        self.rows_failed = 0


class Imports(Jobs[ImportJob]):
    """``/imports``."""

    path: ClassVar[str] = "imports"
    noun: ClassVar[str] = "import"

    def present(self, record: ImportJob) -> dict[str, Any]:
        """An import as answers show it."""
        shown = {
            **self.begun(record),
            "resource_type": record.resource_type,
            "row_count": record.row_count,
        }
        if record.unfinished:
            return shown
        if self.workspace.config.job_counters == "present":
            told = record.script.rows_imported
            shown["rows_imported"] = record.rows_imported if told is None else told
            shown["rows_failed"] = record.rows_failed
        return {**shown, **self.shown_errors(record)}

    def create(self, call: Call) -> Answer:
        """POST: 202."""
        call.query(())
        incoming, config = call.incoming, call.config
        form = tabular.parse_form(incoming.body, incoming.headers.get("content-type", ""))
        unknown = form.fields.keys() - FORM_FIELDS
        if unknown:
            name = min(unknown)
            raise Refusal(422, f"Unknown form field {name!r}", code="unknown_field", field=name)
        if form.file is None:
            raise Refusal(422, "file is required", code="required", field="file")
        if len(form.file) > config.import_max_bytes:
            raise Refusal(413, "The file is too large", code="too_large")
        job = self._job(form, call)
        content = tabular.unpacked(form.file, zip_allowed=config.import_zip == "accepted")
        job.rows = _late(content)
        self.start(job)
        return self.shown(call, job, 202)

    def cancel(self, call: Call) -> Answer:
        """POST ``/cancel``: 200, or 409 when the job is final."""
        call.query(())
        job = self.find(call)
        if not job.unfinished:
            raise Refusal(409, f"The import is {job.status}", code="job_final")
        self.finish(job, call.config.cancel_status)
        return self.shown(call, job)

    def begin(self, job: ImportJob) -> Iterator[None]:
        """Judge and store rows, :data:`SLICE_ROWS` at a step."""
        target = self.workspace.collections[RESOURCES[job.resource_type]]
        if not isinstance(target, WritableCollection):
            raise TypeError(f"{job.resource_type} cannot be written")
        made: list[Record] = []
        number = 0
        try:
            for row in job.rows:
                number += 1
                if not self._store(target, job, row, number, made) and not job.goes_on:
                    self._abort(target, job, made)
                    return
                if number % SLICE_ROWS == 0:
                    yield
        except Refusal as refusal:
            job.errors.append({"row": number + 1, "message": refusal.message, "code": "file"})
            job.row_count = number
            self.finish(job, "failed")
            return
        job.row_count = number
        self.finish(job, "completed")

    def _job(self, form: tabular.Form, call: Call) -> ImportJob:
        resource_type = form.fields.get("resource_type", "")
        if resource_type not in IMPORTABLE:
            known = ", ".join(IMPORTABLE)
            raise Refusal(422, f"resource_type must be one of {known}", field="resource_type")
        on_error = form.fields.get("on_error", call.config.import_on_error)
        if on_error not in ("abort", "continue"):
            raise Refusal(422, "on_error must be abort or continue", field="on_error")
        job = ImportJob(resource_type, form.file_name, call.token.name)
        job.goes_on = on_error == "continue"
        job.identifier_column = form.fields.get("identifier_column")
        return job

    def _store(
        self,
        target: WritableCollection[Any],
        job: ImportJob,
        row: dict[str, Any],
        number: int,
        made: list[Record],
    ) -> bool:
        try:
            record = self._write(target, job, row)
        except Refusal as refusal:
            job.rows_failed += 1
            if len(job.errors) < ERRORS_KEPT:
                entry = {"row": number, "field": refusal.field, "status": refusal.status}
                job.errors.append({**entry, "message": refusal.message, "code": refusal.code})
            return False
        job.rows_imported += 1
        if record is not None:
            made.append(record)
        return True

    def _write(
        self, target: WritableCollection[Any], job: ImportJob, row: dict[str, Any]
    ) -> Record | None:
        """Create, or update and give none."""
        body = self._body(target, row)
        config = self.workspace.config
        existing = self._existing(target, job, row, body)
        if existing is not None:
            if config.import_duplicates == "conflict":
                raise Refusal(409, "The row exists already", code="duplicate")
            body = {key: value for key, value in body.items() if key not in target.fixed}
            target.update(existing, body, job.caller)
            return None
        record_id = row.get("id") if config.import_keeps_ids else None
        if record_id is not None and target.table.by_id(record_id) is not None:
            raise Refusal(409, f"A record with the id {record_id} exists", code="duplicate")
        record: Record = target.insert(body, job.caller, record_id)
        if config.import_keeps_archived and row.get("archived_at"):
            target.table.archive(record, seconds(row["archived_at"]))
            target.after_archive(record)
        return record

    def _existing(
        self,
        target: WritableCollection[Any],
        job: ImportJob,
        row: dict[str, Any],
        body: dict[str, Any],
    ) -> Record | None:
        column = job.identifier_column
        if column is None:
            return None
        if column not in row:
            raise Refusal(422, f"{column} is required: it identifies the row", field=column)
        if column == "id":
            return target.table.by_id(str(row["id"]))
        if column == "identifier" and target.named:
            return target.table.active(self.workspace.folded(str(row["identifier"])))
        return target.twin(body) if isinstance(target, LinkedCollection) else None

    def _body(self, target: WritableCollection[Any], row: dict[str, Any]) -> dict[str, Any]:
        body = {key: row[key] for key in row.keys() & target.fields if row[key] is not None}
        rest = row.keys() - target.fields - SERVER_COLUMNS
        if isinstance(target, TypedCollection):
            known = self._fields(target, body, row, rest)
        elif "items" in target.fields and "items" not in body:
            known = self._items(body, row, rest)
        else:
            known = set()
        unknown = rest - known
        if unknown and self.workspace.config.import_unknown_keys == "refused":
            name = min(unknown)
            raise Refusal(422, f"Unknown key {name!r}", code="unknown_field", field=name)
        return body

    def _fields(
        self,
        target: TypedCollection,
        body: dict[str, Any],
        row: Mapping[str, Any],
        rest: set[str],
    ) -> set[str]:
        """Columns ``isin`` and ``field.isin`` become field values; the columns taken."""
        owner = target.owner(str(body.get("type_id", "")))
        places = getattr(owner, "places", {})
        taken = {name for name in rest if name.removeprefix(FIELD_PREFIX) in places}
        columns = {name.removeprefix(FIELD_PREFIX): row[name] for name in taken}
        held = body.get("field_values")
        if held is None or isinstance(held, dict):
            merged = {**columns, **(held or {})}
            body["field_values"] = {
                key: value for key, value in merged.items() if value is not None
            }
        if is_text(body.get("extras")):
            body["extras"] = next(tabular.rows(f"[{body['extras']}]".encode()))
        return taken

    def _items(self, body: dict[str, Any], row: Mapping[str, Any], rest: set[str]) -> set[str]:
        """Columns of a composite value become its items; the columns taken."""
        owner = self.workspace.series_types.lookup(str(body.get("type_id", "")))
        taken = rest & owner.places.keys() if owner else set()
        body["items"] = [
            {"field_key": name, "value": row[name]}
            for name in sorted(taken)
            if row[name] is not None
        ]
        return taken

    def _abort(self, target: WritableCollection[Any], job: ImportJob, made: list[Record]) -> None:
        if self.workspace.config.import_abort == "rolls_back":
            for record in reversed(made):
                target.destroy(record, job.caller)
            job.rows_imported -= len(made)
        job.row_count = job.rows_imported + job.rows_failed
        self.finish(job, "failed")


def _late(content: bytes) -> Iterator[dict[str, Any]]:
    """The rows of a file, read when the job works, so that a broken file fails the job."""
    yield from tabular.rows(content)
