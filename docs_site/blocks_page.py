"""The page of blocks: what a person configures in the UI, field by field."""

from __future__ import annotations

from prefect.blocks.core import Block

import blocks
from docs_site.schema import allowed, default
from docs_site.tables import code, table

HEAD = """# The blocks

What is shared between runs, or secret: made once in the Prefect UI, named by deployments.
`prefect block register -m blocks` tells a server of all of them. Their secret fields are kept
encrypted by the server and shown by none of its pages.

The fields of the feeds mean what they mean in a [feed definition](feed-definition.md), which says
more of each.

"""


def page() -> str:
    """The page, made from the blocks' own schemas."""
    return HEAD + "".join(_block(getattr(blocks, name)) for name in blocks.__all__)


def _block(block: type[Block]) -> str:
    schema = block.model_json_schema()
    definitions = schema.get("definitions", schema.get("$defs", {}))
    required = schema.get("required", [])
    in_order = sorted(schema["properties"].items(), key=lambda item: item[1].get("position", 0))
    rows = [
        (
            str(field.get("title", name)),
            code(name),
            str(field.get("description", "")),
            allowed(field, definitions),
            default(name, field, required),
        )
        for name, field in in_order
    ]
    head = ("field", "key", "meaning", "allowed", "default")
    return (
        f"## {block.get_block_type_name()}\n\n{block.get_description()}\n\n"
        f"A deployment names it as `{block.get_block_type_slug()}/<name>`.\n\n{table(head, rows)}"
    )
