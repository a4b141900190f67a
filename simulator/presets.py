"""Named sets of readings: as the guides, as the reference pages, and as awkward as allowed."""

from __future__ import annotations

from typing import Any, Final, Literal

PresetName = Literal["guide", "reference", "hostile"]

GUIDE: Final[dict[str, Any]] = {
    "single_object": "bare",
    "references": "plain",
    "page_limit_max": 500,
    "export_key": "resource_type",
    "import_duplicates": "conflict",
    "filter_archived": "all",
    "count_body": "count",
    "ids_lookup": "answers",
    "item_billing": "one",
    "rate_429": "burst",
    "import_on_error": "continue",
    "import_keeps_archived": True,
    "import_keeps_ids": True,
}

REFERENCE: Final[dict[str, Any]] = {
    "single_object": "mixed",
    "references": "plain",
    "rate_429": "both",
    "burst_per_second": 2000.0,
    "burst_size": 2000,
}

HOSTILE: Final[dict[str, Any]] = {
    "single_object": "mixed",
    "references": "both",
    "reference_identifier": "absent",
    "page_limit_max": 100,
    "large_limit": "clamp",
    "archived_true": "include",
    "filter_archived": "all",
    "archived_both_filter": "key",
    "cursor_expired": 410,
    "ids_lookup": "unknown_is_404",
    "ids_max": 50,
    "default_order": "created_descending",
    "and_or": "either",
    "eq_case": "insensitive",
    "text_ordering": "refused",
    "tagged_filters": "refused",
    "get_finds_archived_identifier": False,
    "count_body": "bare",
    "error_body": "html",
    "retry_after": "date",
    "remaining_header": "garbage",
    "missing_value": "absent",
    "number_text": "normalised",
    "date_text": "datetime",
    "text_trim": True,
    "unknown_keys": "present",
    "delete_archived": 404,
    "patch_archived": 409,
    "hard_delete_role": "admin",
    "extras": "replace",
    "series_value": "string",
    "content_type": "strict",
    "export_key": "resource_type",
    "export_shape": "wrapped",
    "export_fields": "extra_fields_snapshot",
    "export_references": "uuid",
    "csv_columns": "prefixed",
    "csv_encoding": "utf-8-sig",
    "import_duplicates": "conflict",
    "job_errors": "strings",
    "job_polls": 4,
    "link_ranges": "ignored",
    "burst_per_second": 200.0,
    "burst_size": 40,
    "fault_rates": {
        "status_500": 0.005,
        "status_429": 0.002,
        "drop_before": 0.003,
        "drop_after": 0.003,
        "truncate": 0.003,
        "html": 0.002,
        "empty": 0.002,
        "duplicate_rows": 0.02,
        "expired_cursor": 0.002,
    },
}

PRESETS: Final[dict[PresetName, dict[str, Any]]] = {
    "guide": GUIDE,
    "reference": REFERENCE,
    "hostile": HOSTILE,
}
