"""What automations.yaml describes: the automations, and the notification blocks they name."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from armillary.errors import ConfigurationError

FILE = Path(__file__).resolve().parents[2] / "automations.yaml"
"""At the root of a clone; elsewhere the command is told where it is."""

BLOCK_PARTS = 2
"""A block is named as in ``custom-webhook/alerts``: type and name."""


@dataclass(frozen=True)
class Described:
    """One automation of the file."""

    name: str
    body: dict[str, Any]
    """As Prefect takes it, except that a notification names its block by ``block``."""

    @property
    def blocks(self) -> tuple[str, ...]:
        """The notification blocks it names, as in ``custom-webhook/alerts``; each once."""
        return tuple(dict.fromkeys(action["block"] for action in _notifications(self.body)))

    def resolved(self, ids: dict[str, str]) -> dict[str, Any]:
        """The automation with blocks by id.

        Args:
            ids: by the name of the block; all of ``blocks`` are there.
        """
        body = deepcopy(self.body)
        for action in _notifications(body):
            action["block_document_id"] = ids[action.pop("block")]
        return body


def described(path: Path = FILE, *, block: str = "") -> tuple[Described, ...]:
    """The automations of a file.

    Args:
        path: the file.
        block: notification block to use instead of those that the file names.

    Raises:
        ConfigurationError: there is no such file, or it is no list of automations.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"There is no file {str(path)!r}.",
            next_step="Start the command in a clone of Armillary, or name the file with --file.",
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _wrong(path, f"it cannot be read: {' '.join(str(error).split())}") from None
    entries = content.get("automations") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise _wrong(path, "it has no list `automations`")
    found = tuple(_one(path, number, entry, block) for number, entry in enumerate(entries, 1))
    names = [each.name for each in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise _wrong(path, f"two automations are called {twice[0]!r}")
    return found


def _one(path: Path, number: int, entry: Any, block: str) -> Described:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name.strip():
        raise _wrong(path, f"automation {number} has no name")
    if not isinstance(entry.get("actions"), list) or not isinstance(entry.get("trigger"), dict):
        raise _wrong(path, f"automation {name!r} needs a trigger and a list of actions")
    body = deepcopy(entry)
    for action in _notifications(body):
        named = block or action.get("block")
        if not isinstance(named, str) or not _is_block(named):
            raise _wrong(
                path,
                f"automation {name!r} names the block {named!r}, which is not of the form "
                "type/name, as in custom-webhook/alerts",
            )
        action["block"] = named
    return Described(name, body)


def _notifications(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for action in body["actions"]:
        if isinstance(action, dict) and action.get("type") == "send-notification":
            yield action


def _is_block(named: str) -> bool:
    parts = named.split("/")
    return len(parts) == BLOCK_PARTS and all(parts)


def _wrong(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path.name} describes no automations that can be made: {why}. Nothing was changed.",
        next_step="docs/guides/alerts.md says how it is written.",
    )
