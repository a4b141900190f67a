"""One set of records in every kind of source, so that one set of claims holds for all."""

from __future__ import annotations

import bz2
import csv
import functools
import gzip
import io
import json
import lzma
import sqlite3
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import polars as pl
import pytest
import zstandard
from pydantic import SecretStr

from armillary.feeds import FeedDefinition, FileDefinition, RestDefinition, SqlDefinition
from armillary.feeds.credentials import Kept
from armillary.feeds.delivery import Delivery, file_delivery
from armillary.feeds.rest_delivery import rest_delivery
from armillary.feeds.sql_delivery import sql_delivery
from tests.api.clocks import JumpClock
from tests.feeds.web import Web, web
from tests.feeds.workbooks import workbook
from tests.real import openssh
from tests.real.openssh import Drop
from tests.real.programs import needed
from tests.runs.s3 import LoopbackS3

SECRET = "kept-secret-77ab21f0c4"
"""Password, token or key of every source that wants one; nobody may see it."""

Rows = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Brought:
    """A definition and the way to have it delivered."""

    definition: FeedDefinition
    deliver: Callable[[], Delivery]
    called: str
    """Part of what messages call the source."""


class Desk:
    """Servers for all sources, each started when it is first asked for."""

    def __init__(self, folder: Path, stack: ExitStack, certificate: tuple[str, str]) -> None:
        self.folder, self._stack, self._certificate = folder, stack, certificate

    @functools.cached_property
    def plain_web(self) -> Web:
        """Without TLS, for REST."""
        return self._stack.enter_context(web())

    @functools.cached_property
    def secure_web(self) -> Web:
        """With a certificate that SSL_CERT_FILE vouches for."""
        patch = self._stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("SSL_CERT_FILE", self._certificate[0])
        return self._stack.enter_context(web(self._certificate))

    @functools.cached_property
    def drop(self) -> Drop:
        """OpenSSH."""
        needed(openssh.PROGRAMS, openssh.PACKAGES)
        return self._stack.enter_context(openssh.openssh())

    @functools.cached_property
    def store(self) -> LoopbackS3:
        """moto, with a bucket."""
        store = LoopbackS3()
        self._stack.callback(store.stop)
        store.client.create_bucket(Bucket="drop")
        return store


@contextmanager
def desk(folder: Path, certificate: tuple[str, str]) -> Iterator[Desk]:
    """A desk; its servers end with the block."""
    with ExitStack() as stack:
        yield Desk(folder, stack, certificate)


def as_csv(rows: Rows, columns: Sequence[str]) -> bytes:
    """With a header, whether or not there are rows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _as_lines(rows: Rows, columns: Sequence[str]) -> bytes:
    cut = [{column: row[column] for column in columns} for row in rows]
    return "".join(json.dumps(row) + "\n" for row in cut).encode() or b"\n"


def _as_array(rows: Rows, columns: Sequence[str]) -> bytes:
    return json.dumps([{column: row[column] for column in columns} for row in rows]).encode()


def _as_parquet(rows: Rows, columns: Sequence[str]) -> bytes:
    buffer = io.BytesIO()
    texts = {column: [row[column] for row in rows] for column in columns}
    pl.DataFrame(texts, schema=dict.fromkeys(columns, pl.String)).write_parquet(buffer)
    return buffer.getvalue()


def _as_workbook(rows: Rows, columns: Sequence[str]) -> bytes:
    cells = [[row[column] or None for column in columns] for row in rows]
    return workbook({"Equities": [list(columns), *cells]})


def _as_zip(rows: Rows, columns: Sequence[str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("equities.csv", as_csv(rows, columns))
    return buffer.getvalue()


Written = Callable[[Rows, Sequence[str]], bytes]

_LOCAL: dict[str, Written] = {
    "csv": as_csv,
    "csv.gz": lambda *given: gzip.compress(as_csv(*given)),
    "csv.bz2": lambda *given: bz2.compress(as_csv(*given)),
    "csv.xz": lambda *given: lzma.compress(as_csv(*given)),
    "csv.zst": lambda *given: zstandard.compress(as_csv(*given)),
    "csv.zip": _as_zip,
    "json": _as_array,
    "ndjson": _as_lines,
    "parquet": _as_parquet,
    "xlsx": _as_workbook,
}


def _local(
    end: str, at: Desk, rows: Rows, columns: Sequence[str], plain: dict[str, Any]
) -> Brought:
    path = at.folder / f"equities.{end}"
    path.write_bytes(_LOCAL[end](rows, columns))
    return _of_a_file(plain | {"url": str(path)}, f"equities.{end}")


def _sftp(at: Desk, rows: Rows, columns: Sequence[str], plain: dict[str, Any]) -> Brought:
    url = at.drop.put("equities.csv", as_csv(rows, columns))
    asked = {"url": url, "username": at.drop.user, "host_key": at.drop.host_key}
    kept = Kept(private_key=SecretStr(at.drop.private_key))
    return _of_a_file(plain | asked, "/equities.csv", kept)


def _s3(at: Desk, rows: Rows, columns: Sequence[str], plain: dict[str, Any]) -> Brought:
    at.store.client.put_object(Bucket="drop", Key="equities.csv", Body=as_csv(rows, columns))
    session = boto3.session.Session("made-up", SECRET, region_name="us-east-1")
    kept = Kept(session=session, client_settings={"endpoint_url": at.store.url})
    return _of_a_file(plain | {"url": "s3://drop/equities.csv"}, "s3://drop/equities.csv", kept)


def _https(at: Desk, rows: Rows, columns: Sequence[str], plain: dict[str, Any]) -> Brought:
    url = at.secure_web.put("/equities.csv", as_csv(rows, columns))
    asked = {"url": f"{url}?edition={SECRET}", "username": "desk"}
    return _of_a_file(plain | asked, url, Kept(password=SecretStr(SECRET)))


def _rest(at: Desk, rows: Rows, columns: Sequence[str], plain: dict[str, Any]) -> Brought:
    cut = [{column: row[column] for column in columns} for row in rows]
    body = json.dumps({"data": {"items": cut}, "meta": {"count": len(cut)}}).encode()
    headers = {"Content-Type": "application/json"}
    url = at.plain_web.put("/equities", body, headers=headers)
    asked = {"kind": "rest", "url": url, "rows": "data.items", "total": "meta.count"}
    definition = RestDefinition.model_validate(plain | asked)
    token = SecretStr(SECRET)
    return Brought(
        definition, lambda: rest_delivery(definition, token=token, clock=JumpClock()), url
    )


def _sql(at: Desk, rows: Rows, columns: Sequence[str], plain: dict[str, Any]) -> Brought:
    path = at.folder / "equities.db"
    path.unlink(missing_ok=True)
    named = ", ".join(f'"{column}"' for column in columns)
    with sqlite3.connect(path) as database:
        database.execute(f"CREATE TABLE equities ({named})")
        holes = ", ".join("?" for _ in columns)
        values = [[row[column] for column in columns] for row in rows]
        database.executemany(f"INSERT INTO equities VALUES ({holes})", values)
    database.close()
    query = {"kind": "sql", "query": "SELECT * FROM equities ORDER BY rowid"}
    definition = SqlDefinition.model_validate(plain | query)
    address = SecretStr(f"sqlite:///{path}")
    return Brought(
        definition,
        lambda: sql_delivery(definition, address=address, clock=JumpClock()),
        definition.name,
    )


def _of_a_file(facts: dict[str, Any], called: str, kept: Kept | None = None) -> Brought:
    definition = FileDefinition.model_validate(facts)
    return Brought(
        definition, lambda: file_delivery(definition, kept or Kept(), JumpClock()), called
    )


Source = Callable[[Desk, Rows, Sequence[str], dict[str, Any]], Brought]

SOURCES: dict[str, Source] = {end: functools.partial(_local, end) for end in _LOCAL} | {
    "sftp": _sftp,
    "s3": _s3,
    "https": _https,
    "rest": _rest,
    "sql": _sql,
}
"""Given a desk, rows, their columns and what every feed has, the feed that brings them."""
