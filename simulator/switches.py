"""One key for every point the documentation leaves open or contradicts itself on.

Each key names the row of the contract (D: sources disagree, N: not stated, A: fault catalogue) and
lists its readings. The defaults are the readings of the reference and concept pages.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Role = Literal["viewer", "member", "editor", "admin"]


class AnswerSwitches(BaseModel):
    """What answers look like."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    single_object: Literal["wrapped", "bare", "mixed"] = "wrapped"
    """D1: single objects inside ``data``, bare, or mixed (series, webhooks and jobs bare)."""
    references: Literal["embedded", "plain", "both"] = "embedded"
    """D2: references as ``type: {id, ...}``, as ``type_id`` (UUID), or both."""
    reference_identifier: Literal["present", "absent"] = "present"
    """D2: whether an embedded reference carries the identifier beside the id."""
    count_body: Literal["data.count", "count", "bare", "refused"] = "data.count"
    """N7: body of a count; refused answers 404."""
    error_body: Literal[
        "message", "detail", "error_text", "error_object", "errors", "html", "empty"
    ] = "message"
    """N1: shape of an error body."""
    retry_after: Literal["seconds", "date", "none"] = "seconds"
    """N2, D19: form of Retry-After on a burst 429."""
    remaining_header: Literal["present", "absent", "garbage"] = "present"
    """A36: X-RateLimit-Remaining on every answer, never, or as something that is no number."""
    missing_value: Literal["null", "absent", "empty"] = "null"
    """N6: how a field without a value appears in ``extra_fields_snapshot``."""
    number_text: Literal["kept", "normalised", "rounded6"] = "kept"
    """N6, A33: number text as written, without needless zeros, or rounded to six places."""
    text_case: Literal["kept", "upper"] = "kept"
    """A33: text values come back as written or in upper case."""
    text_trim: bool = False
    """A33: text values come back without outer white space."""
    date_text: Literal["date", "datetime"] = "date"
    """A33: dates come back as YYYY-MM-DD or with a midnight time."""
    updated_at: Literal["absent", "present"] = "absent"
    """N14: whether records carry ``updated_at``."""
    unknown_keys: Literal["absent", "present"] = "absent"
    """A34: records and envelopes carry a key nobody has heard of."""


class ReadSwitches(BaseModel):
    """How lists, filters and look-ups behave."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    page_limit_max: int = Field(200, ge=1)
    """D3: the largest page (the sync guide sends 500)."""
    large_limit: Literal["clamp", "refuse"] = "refuse"
    """D3, N8: a larger ``limit`` is cut down or answered 400."""
    archived_true: Literal["only", "include"] = "only"
    """D6: ``?archived=true`` gives archived rows only, or archived rows as well."""
    filter_archived: Literal["active", "all"] = "active"
    """D15: rows of a filter that says nothing of ``archived_at``."""
    archived_both_filter: Literal["condition", "key", "either", "impossible"] = "either"
    """N11: both sets by an ``archived_at`` condition, an ``archived`` key, either, or not."""
    cursor_expired: Literal[400, 404, 410, 422] = 400
    """N8: status of an expired or foreign cursor."""
    cursor_seconds: float | None = Field(None, gt=0)
    """N8: life of a cursor by the simulator's clock; none: cursors do not expire."""
    ids_lookup: Literal["answers", "ignored", "refused", "active_only", "unknown_is_404"] = (
        "answers"
    )
    """N9: what ``?ids=`` does; ``answers`` includes archived rows."""
    ids_max: int | None = Field(None, ge=1)
    """N9: most ids in one request (more: 400); none: no limit."""
    and_or: Literal["both", "either"] = "both"
    """N10: a node with ``and`` and ``or`` asks for both or for either."""
    default_order: Literal["created", "created_descending", "identifier"] = "created"
    """N10: order without ``sort``."""
    eq_case: Literal["sensitive", "insensitive"] = "sensitive"
    """N10: whether ``eq``, ``ne``, ``in``, ``not_in`` look at case."""
    text_ordering: Literal["text", "refused"] = "text"
    """N10: ``lt`` and its kin on text fields."""
    tagged_filters: Literal["answers", "refused"] = "answers"
    """Section 5: tag operators work or answer 400."""
    archived_tags: Literal["untagged", "when_asked"] = "untagged"
    """D17: archived tags never match, or match when ``archived_at`` is asked for."""
    get_finds_archived_identifier: bool = True
    """N4: whether an identifier in a path finds an archived record."""
    identifier_winner: Literal["active", "archived"] = "active"
    """N4: which record an identifier in a path means when two share it."""
    wrong_workspace: Literal[404, 403, "empty"] = 404
    """A37: a token used on another workspace; empty: 200 with empty lists."""


class WriteSwitches(BaseModel):
    """How writes are judged."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    identifier_case: Literal["keep", "lower"] = "keep"
    """N3: identifiers stay as written or are folded to lower case."""
    identifier_trim: bool = False
    """N3: outer white space is cut off identifiers."""
    identifier_characters: Literal["any", "slug"] = "any"
    """N3: any printable text, or lower-case letters, digits, ``.``, ``-``, ``_``, ``:`` only."""
    archived_holds_identifier: bool = False
    """D5: an archived record keeps its identifier from others (create answers 409)."""
    hard_delete_role: Role = "member"
    """N4: the lowest role that may hard delete."""
    delete_archived: Literal[204, 404, 409] = 204
    """N4: answer to archiving what is archived."""
    patch_archived: Literal[200, 404, 409] = 200
    """N4: answer to a PATCH of an archived record."""
    patch_null: Literal["clears", "ignored", "refused"] = "clears"
    """N6: null for a field value clears it, changes nothing, or answers 422."""
    extras: Literal["merge", "replace"] = "merge"
    """N6: what a PATCH does with ``extras``."""
    unknown_field: Literal["refuse", "ignore"] = "refuse"
    """N6: an unknown key in ``field_values`` answers 422 or is dropped."""
    type_change: Literal["allowed", "refused"] = "allowed"
    """Section 8: ``type_id`` in a PATCH."""
    series_value: Literal["either", "string", "number"] = "either"
    """D16: JSON type of a series value."""
    schema_writes: Literal["refused", "editor"] = "refused"
    """D4: creating types and fields: never, or from the role editor on (never a robot)."""
    delete_unlisted: Literal["deleted", "archived"] = "deleted"
    """Section 9: what DELETE does to suspensions and calendars, which no page says."""
    archive_with_listings: Literal["allowed", "refused"] = "allowed"
    """A39: archiving an instrument that has active listings (refused: 409)."""
    calendars: Literal["offered", "absent"] = "offered"
    """N5: whether ``/market-calendars`` exists."""
    market_events: Literal["documented", "complete"] = "documented"
    """D18: no ``market.deleted`` and ``market_listing.restored`` events, or all of them."""
    content_type: Literal["strict", "lenient"] = "lenient"
    """N16: JSON bodies need ``Content-Type: application/json`` (else 415)."""
    max_body_bytes: int = Field(1_000_000, ge=1)
    """N16: larger JSON bodies answer 413."""


class JobSwitches(BaseModel):
    """How imports, exports and their links behave."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    job_polls: int = Field(2, ge=1)
    """A job is final at this many GETs of it (processing from the first)."""
    job_seconds: float | None = Field(None, gt=0)
    """When set, a job is final after this time by the simulator's clock instead."""
    job_begins: Literal["due", "submitted"] = "due"
    """A job is worked on once it is due to be final, or as soon as it was submitted (then it is
    final when the work is done)."""
    jobs_at_once: int | None = Field(None, ge=1)
    """N13: most unfinished jobs (more: 409); none: no limit."""
    job_keep_seconds: float | None = Field(None, gt=0)
    """N13: a final job answers 404 after this time; none: kept."""
    job_errors: Literal["objects", "strings", "absent"] = "objects"
    """N13: entries of ``errors``."""
    job_counters: Literal["present", "absent"] = "present"
    """J19: whether ``rows_imported`` and ``rows_failed`` are told."""
    cancel_status: Literal["cancelled", "failed"] = "cancelled"
    """D12: end state of a cancelled import."""
    import_duplicates: Literal["upsert", "conflict"] = "upsert"
    """D11: with ``identifier_column`` an existing row is updated, or always a 409 of its row."""
    import_on_error: Literal["abort", "continue"] = "abort"
    """Section 13: ``on_error`` when the form does not say."""
    import_abort: Literal["keeps", "rolls_back"] = "keeps"
    """Section 13: whether ``abort`` keeps the rows before the bad one (creates only)."""
    import_zip: Literal["refused", "accepted"] = "refused"
    """D10: whether a ZIP with one CSV or JSON file is accepted."""
    import_unknown_keys: Literal["ignored", "refused"] = "ignored"
    """N12: unknown keys of JSON rows; unknown CSV columns are always ignored."""
    import_keeps_ids: bool = False
    """N12: whether a row's ``id`` becomes the UUID."""
    import_keeps_archived: bool = False
    """N12: whether a row's ``archived_at`` is restored."""
    import_max_bytes: int = Field(100_000_000, ge=1)
    """Section 13: larger files answer 413."""
    export_key: Literal["object_type", "resource_type", "either"] = "object_type"
    """D7: the body key of an export, and the key in its answers."""
    calendar_export: Literal["offered", "refused"] = "offered"
    """D13: whether ``market_calendars`` can be exported."""
    export_shape: Literal["array", "wrapped"] = "array"
    """N12: exported JSON is an array or ``{"data": [...]}``."""
    export_fields: Literal["field_values", "extra_fields_snapshot", "flat"] = "field_values"
    """N12: where exported JSON keeps field values."""
    export_archived_at: Literal["present", "absent"] = "present"
    """N12: whether exported rows tell ``archived_at``."""
    export_ids: Literal["present", "absent"] = "present"
    """N12: whether exported rows tell their UUID."""
    export_references: Literal["identifier", "uuid"] = "identifier"
    """N12: references in exported rows."""
    csv_columns: Literal["plain", "prefixed"] = "plain"
    """N12: field columns named ``isin`` or ``field.isin``."""
    csv_encoding: Literal["utf-8", "utf-8-sig"] = "utf-8"
    """N12: exported CSV without or with a byte order mark."""
    link_seconds: float = Field(900, gt=0)
    """Section 14: life of a download link by the simulator's clock."""
    link_refresh: Literal["fresh", "fixed"] = "fresh"
    """N13: a new link at each GET of a finished export, or one for ever."""
    link_ranges: Literal["answers", "ignored"] = "answers"
    """J07, J08: whether a download honours Range."""
