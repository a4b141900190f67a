"""Which deployment a run belongs to."""

from __future__ import annotations

import json
import shlex
from typing import Any

from prefect.blocks.core import Block
from prefect.runtime import deployment, flow_run


def deployed_as() -> str:
    """``<flow>/<deployment>``; blank for a run that a person started by hand.

    Prefect asks its server, and tries but once: to be called when a run begins, because a server
    that is away later must not cost a run its result.
    """
    return f"{flow_run.flow_name}/{deployment.name}" if deployment.name else ""


def start_command(deployed: str, **given: Any) -> str:
    """What a person types to run a deployment with these parameters."""
    words = ["prefect", "deployment", "run", deployed]
    for name, value in given.items():
        words += ["--param", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    return shlex.join(words)


def reference_to(block: Block) -> dict[str, Any] | None:
    """How a deployment names a block; None for one that is not stored."""
    name = block._block_document_name
    if name is None or block._is_anonymous:
        return None
    return {"$ref": {"block_document_slug": f"{block.get_block_type_slug()}/{name}"}}


def references_to(**blocks: Block | None) -> dict[str, Any]:
    """The stored ones of these blocks by reference: a schedule or a form may have named others."""
    found = {name: reference_to(block) for name, block in blocks.items() if block is not None}
    return {name: reference for name, reference in found.items() if reference is not None}
