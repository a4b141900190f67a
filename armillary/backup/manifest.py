"""``manifest.json``: what a backup holds, and the proof that the page itself is whole.

Written last, and never changed: a folder without it is no backup. It carries the SHA-256 of its own
content, because what it says decides what is verified, restored and removed. That finds accidents,
not forgers: whoever may write to the bucket can write a hash as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec

from armillary.errors import ManifestDamaged

MANIFEST = "manifest.json"

FULL: Final = "full"
"""The coverage of a backup of everything."""

VERSION = 1
"""Of the page's own shape. A newer one is refused: it may mean what this code does not know."""

SHOWN_CHARS = 80
"""So much of a page that is not trusted is repeated in a message."""

_HASH = "sha256"

_NOT_TRUSTED = (
    "This backup is not used for anything until that is cleared up. If the bucket keeps versions, "
    "the version of manifest.json that was written first can be brought back."
)

Utc = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment; one without a time zone would be anybody's."""


class FileEntry(msgspec.Struct, frozen=True):
    """One file of a backup: the export of one resource type."""

    resource_type: str
    key: str
    """Below the folder of the backup."""
    format: Literal["json", "csv"]
    compression: Literal["zstd", "none"]
    rows: int
    bytes: int
    """As exported."""
    sha256: str
    """Of the exported bytes."""
    stored_bytes: int
    stored_sha256: str
    """Of what lies in the bucket; equals ``sha256`` when nothing is compressed."""
    etag: str
    version_id: str | None
    """None where the bucket keeps no versions."""
    checksums: dict[str, str]
    """As the store told them; blank where it keeps none. Our own hash decides."""
    job_id: str
    expected_rows: int | None
    """What ``/count`` said; None where it does not answer."""
    exported_at: Utc


class SchemasEntry(msgspec.Struct, frozen=True):
    """The file with the types and fields, which no export carries (contract D14)."""

    key: str
    """Below the folder of the backup."""
    sha256: str
    missing: list[str]
    """What the service did not tell, and why."""

    @classmethod
    def of(cls, key: str, content: bytes, missing: Mapping[str, str]) -> SchemasEntry:
        """Describe the file as it was written."""
        told = [f"{name}: {why}" for name, why in missing.items()]
        return cls(key, hashlib.sha256(content).hexdigest(), told)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds. Times are in UTC; a key that is not named here is passed over."""

    manifest_version: int = VERSION
    backup_id: str
    """The time it was scheduled for, as in ``2026-11-20T02-00-00Z``; the name of its folder."""
    workspace_id: str
    workspace_slug: str
    state: Literal["COMPLETE", "PARTIAL"]
    coverage: Literal["full", "subset"]
    """``full``: every type, no filter, archived rows too."""
    resource_types: list[str]
    include_archived: bool
    filter: dict[str, Any] | None
    format: Literal["json", "csv"]
    compression: Literal["zstd", "none"]
    started_at: Utc
    finished_at: Utc
    tool_version: str
    files: list[FileEntry]
    problems: list[str]
    """Why it is PARTIAL, one sentence each."""
    not_covered: list[str]
    """What no export carries."""
    schemas: SchemasEntry
    run_id: str
    """The run that wrote it."""
    sha256: str = ""
    """Of everything else on the page; filled in by ``encode``."""

    @property
    def rows(self) -> int:
        """Of all files."""
        return sum(entry.rows for entry in self.files)

    @property
    def stored_bytes(self) -> int:
        """Of all files, as they lie in the bucket."""
        return sum(entry.stored_bytes for entry in self.files)

    @property
    def covers(self) -> str:
        """``full``, or in words what a subset holds: only equal ones can stand for each other."""
        if self.coverage == FULL:
            return FULL
        parts = [", ".join(self.resource_types)]
        if not self.include_archived:
            parts.append("without archived rows")
        if self.filter:
            parts.append(f"filter {json.dumps(self.filter, sort_keys=True, ensure_ascii=False)}")
        return "; ".join(parts)

    @property
    def full_and_complete(self) -> bool:
        """Whether it counts for ``latest``, for freshness, and as the newest good one."""
        return self.coverage == FULL and self.state == "COMPLETE"


# ``msgspec.convert`` has no decoder to keep; this one describes the fields: docs/decisions/0027.
msgspec.json.Decoder(Manifest)


def encode(manifest: Manifest) -> bytes:
    """The page as it is written: readable, sorted, with its own hash."""
    page = json.loads(msgspec.json.encode(manifest))
    page[_HASH] = _hash(page)
    return (json.dumps(page, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def decode(content: bytes) -> Manifest:
    """Read a page, of this version or an older one, and believe it only if it is whole.

    Raises:
        ManifestDamaged: it is not JSON, not whole, not a manifest, or of a newer version.
    """
    page = _page(content)
    _refuse_newer(page)
    if _hash(page) != page.get(_HASH):
        raise ManifestDamaged(
            "The manifest is not as it was written: its content does not have the SHA-256 that it "
            f"names ({_shown(page.get(_HASH))}). Somebody or something has changed it.",
            next_step=_NOT_TRUSTED,
        )
    try:
        # From the page and not from the bytes, so that what was hashed is what is believed.
        return msgspec.convert(page, Manifest, strict=True)
    except msgspec.ValidationError as error:
        raise ManifestDamaged(
            f"The manifest is whole but is not a description of a backup: {error}.",
            next_step=_NOT_TRUSTED,
        ) from None


def _page(content: bytes) -> dict[str, Any]:
    if not content.strip():
        raise ManifestDamaged("The manifest is an empty file.", next_step=_NOT_TRUSTED)
    try:
        page = json.loads(content, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ManifestDamaged(
            f"The manifest cannot be read as JSON ({error}): it is cut off or overwritten.",
            next_step=_NOT_TRUSTED,
        ) from None
    if not isinstance(page, dict):
        raise ManifestDamaged(
            "The manifest is JSON but not a description of a backup.", next_step=_NOT_TRUSTED
        )
    return page


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that stands twice: two readers could believe two things, with one hash."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands there twice")
    return found


def _refuse_newer(page: dict[str, Any]) -> None:
    version = page.get("manifest_version")
    # bool is an int in Python, and True would pass for version 1.
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ManifestDamaged(
            f"The manifest does not say which version of the format it has "
            f"(manifest_version is {_shown(version)}).",
            next_step=_NOT_TRUSTED,
        )
    if version > VERSION:
        made_by = page.get("tool_version")
        raise ManifestDamaged(
            f"The manifest has version {version} of the format, and this Armillary reads up to "
            f"version {VERSION}. It was written by Armillary {_shown(made_by)}.",
            next_step="The backup is not damaged by that: use that Armillary or a newer one.",
        )


def _hash(page: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in page.items() if key != _HASH}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()


def _shown(value: Any) -> str:
    """Something from a page that is not trusted, short enough for a message."""
    text = "nothing" if value is None else str(value)
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"
