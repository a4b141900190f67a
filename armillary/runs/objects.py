"""What the two stores have in common: a version, the form of a key, and words for trouble."""

from __future__ import annotations

from dataclasses import dataclass, field

from armillary.errors import ConfigurationError

LOCK_NAME = ".lock"
PART_PREFIX = ".part-"


@dataclass(frozen=True, slots=True)
class Versioned:
    """An object as it was read. ``version`` is opaque: the store's own mark of this content."""

    content: bytes = field(repr=False)
    version: str


def kept_for_the_store(name: str) -> bool:
    """Whether a folder's store has files of its own under such a name."""
    return name == LOCK_NAME or name.startswith(PART_PREFIX)


def checked(key: str) -> str:
    """The key itself, if it stays inside the place and means the same in both stores.

    Raises:
        ConfigurationError: it does not.
    """
    for part in key.split("/"):
        if part in {"", ".", ".."} or "\0" in part or kept_for_the_store(part):
            raise ConfigurationError(
                f"The run records have no place for {key!r}: {part!r} cannot be a part of a key.",
                next_step="Give the workspace, feed or operation it is made of another name.",
            )
    return key


def unusable(place: str, error: Exception) -> ConfigurationError:
    """The place cannot be used, now or at all."""
    return ConfigurationError(
        f"The run records at {place!r} cannot be used: {error}.",
        next_step="Check ARMILLARY_RUNS and the rights on it, then start the run again.",
    )
