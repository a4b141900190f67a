"""Imports and exports: work the service does in its own time (contract sections 13, 14)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO, Literal

from armillary.api.call import Repeat
from armillary.api.collection import Collection
from armillary.api.envelope import Row, unwrap
from armillary.api.models import Job, Page
from armillary.api.outgoing import Upload
from armillary.api.paging import read_all
from armillary.api.transport import Answer, Transport
from armillary.errors import RequestRejected, UnexpectedAnswer

JobList = list[Job]

_OTHER_KEY = {"object_type": "resource_type", "resource_type": "object_type"}


class _Jobs:
    """What imports and exports have in common."""

    def __init__(self, transport: Transport, path: str) -> None:
        self._transport = transport
        self._collection = Collection(transport, path)
        self.path = path

    def get(self, job_id: str) -> Job:
        """The job as it stands now.

        Raises:
            NotFound: the service does not know it (any more).
        """
        return self._job(self._collection.get(job_id), "GET")

    def list(self, **params: Any) -> JobList:
        """All jobs the service still remembers."""

        def take(jobs: JobList, page: Page) -> None:
            jobs.extend(self._job(row, "GET") for row in page.rows)

        return read_all(lambda: self._collection.list_pages(**params), JobList, take)

    def _started(self, answer: Answer, asked: str) -> Job:
        return self._job(unwrap(answer.data), "POST", asked)

    def _job(self, row: Row | Any, method: str, asked: str = "") -> Job:
        if not isinstance(row, dict) or not row.get("id"):
            raise UnexpectedAnswer(
                "the answer holds no job with an id.", method=method, path=self.path
            )
        return Job.of(row, asked=asked)


class Imports(_Jobs):
    """``/imports``."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport, "/imports")

    def create(
        self,
        file: bytes | BinaryIO,
        *,
        resource_type: str,
        on_error: Literal["abort", "continue"] = "continue",
        identifier_column: str | None = None,
        file_name: str = "rows.json",
        media_type: str = "application/json",
    ) -> Job:
        """Submit a file of at most 100 MB. Never sent twice: a second one makes a second job.

        Args:
            file: CSV or JSON; a file that cannot be rewound is read into memory first.
            resource_type: one of the table in contract section 13.
            on_error: whether the other rows go on after a bad one.
            identifier_column: the column that makes an import an upsert (D11).
            file_name: as the service sees it.
            media_type: of the file.

        Raises:
            AnswerLost: the job may exist: look through ``list`` before anything else.
            RequestRejected: 413 when the file is too large.
        """
        if not isinstance(file, bytes) and not file.seekable():
            file = file.read()
        values = {"resource_type": resource_type, "on_error": on_error}
        if identifier_column is not None:
            values["identifier_column"] = identifier_column
        upload = Upload(file_name, file, media_type, values)
        answer = self._transport.request("POST", self.path, repeat=Repeat.ONCE, upload=upload)
        return self._started(answer, resource_type)

    def cancel(self, job_id: str) -> None:
        """Ask the service to stop a job; what it has stored already stays.

        Raises:
            Conflict: the job has ended already.
        """
        self._transport.request(
            "POST", f"{self.path}/{{id}}/cancel", record=job_id, repeat=Repeat.SAME_EFFECT
        )


class Exports(_Jobs):
    """``/exports``."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport, "/exports")

    def create(
        self,
        object_type: str,
        *,
        format: Literal["json", "csv"] = "json",  # noqa: A002 - the contract's own word
        include_archived: bool = True,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the contract's own word
    ) -> Job:
        """Submit an export. Never sent twice: a second one makes a second job.

        The documents disagree on the key that names the type: ``object_type`` first, the other
        when that is refused, and whichever worked from then on (D7).

        Raises:
            AnswerLost: the job may exist: look through ``list`` before anything else.
        """
        body: dict[str, Any] = {"format": format, "include_archived": include_archived}
        if filter is not None:
            body["filter"] = filter
        learned = self._transport.learned
        key = learned.export_key
        try:
            return self._submit({key: object_type, **body}, object_type)
        except RequestRejected as error:
            if error.status not in (400, 422):
                raise
            refused = error
        other = _OTHER_KEY[key]
        try:
            job = self._submit({other: object_type, **body}, object_type)
        except RequestRejected as error:
            refused.add_note(f"With `{other}` instead of `{key}`: {error}")
            raise refused from None
        learned.export_key = other
        return job

    def _submit(self, body: Mapping[str, Any], object_type: str) -> Job:
        answer = self._transport.request("POST", self.path, repeat=Repeat.ONCE, json=body)
        return self._started(answer, object_type)
