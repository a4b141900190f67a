"""What a JSON schema allows, in words: of a run form, or of a block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docs_site.tables import code

Schema = Mapping[str, Any]

_RANGES = {
    "minimum": "from {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "up to {}",
    "exclusiveMaximum": "less than {}",
}
_NAMES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true, false",
    "object": "object",
}


def allowed(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    """What a value may be, as a cell of a table.

    Args:
        schema: of one property, as pydantic and Prefect write it.
        definitions: what its ``$ref`` may name.
    """
    if "anyOf" in schema:
        kinds = [allowed(kind, definitions) for kind in schema["anyOf"] if not _is_null(kind)]
        return ", or ".join(dict.fromkeys(kinds))
    if "$ref" in schema or "allOf" in schema:
        reference = schema.get("$ref") or schema["allOf"][0]["$ref"]
        return _named(definitions[reference.rpartition("/")[2]], definitions)
    if "enum" in schema or "const" in schema:
        return ", ".join(map(code, schema.get("enum") or [schema["const"]]))
    if schema.get("type") == "array":
        return _list(schema, definitions)
    return "secret text" if schema.get("writeOnly") else _scalar(schema)


def default(name: str, schema: Schema, required: list[str]) -> str:
    """What stands for a value that is not given, as a cell of a table."""
    if name in required:
        return "required"
    value = schema.get("default")
    if schema.get("writeOnly") or value in (None, "", [], {}):
        return "none"
    return "see there" if isinstance(value, dict | list) else code(value)


def _named(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    if "block_type_slug" in schema:
        words = str(schema["block_type_slug"]).replace("-", " ").title()
        return f"a block {words.replace('Aws', 'AWS')}"
    return allowed(schema, definitions)


def _list(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    of = allowed(schema.get("items", {}), definitions)
    most = f"up to {schema['maxItems']:,}" if "maxItems" in schema else "any number"
    return f"a list, {most}: {of}"


def _scalar(schema: Schema) -> str:
    said = [_NAMES.get(str(schema.get("type")), "any value")]
    said += [words.format(f"{schema[key]:,}") for key, words in _RANGES.items() if key in schema]
    if "pattern" in schema:
        said.append(f"as in the pattern {code(schema['pattern'])}")
    if said[0] == "text" and "minLength" in schema:
        said.append("not empty")
    return " ".join(said)


def _is_null(schema: Schema) -> bool:
    return schema.get("type") == "null"
