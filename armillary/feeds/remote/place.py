"""What is asked of a folder of files, wherever it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

MAX_BYTES = 4 * 1024**3
"""Of one file. More is a damaged or hostile file, or one to be split into several feeds."""

CHUNK_BYTES = 4 * 1024**2

CONNECT_SECONDS = 15.0
IDLE_SECONDS = 60.0
"""So long a source may be silent in the middle of an answer."""


class Unreachable(Exception):
    """Nobody answers there, or not as whom it should be. Words for a person, nothing secret."""

    next_step = "Nothing was written. Start the sync again when that is mended."


class NotLetIn(Unreachable):
    """Somebody answers, and does not take the credentials."""

    next_step = (
        "Nothing was written. Mend the password or the token, in the feed block or in the variable "
        "that password_variable or token_variable names, then start the sync again."
    )


class Lost(Exception):
    """The connection ended in the middle: the same may work at once."""


class TooLarge(Exception):
    """More than ``MAX_BYTES``."""


class Unusable(Exception):
    """The address, or what the feed says about it, cannot be used as it stands."""


@dataclass(frozen=True)
class Entry:
    """A file as its place describes it.

    Attributes:
        name: The last part of its path.
        size_bytes: None where the place does not tell.
        mark: Changes when the content does: an ETag, or the time of the last change. Blank where
            the place tells neither.
        changed_at: When it was last changed, in seconds of Unix time; None where it is not told.
        is_folder: It is no file at all.
        is_link: It stands for another file, perhaps one outside the folder (F24).
    """

    name: str
    size_bytes: int | None = None
    mark: str = ""
    changed_at: float | None = None
    is_folder: bool = False
    is_link: bool = False

    @property
    def fingerprint(self) -> str:
        """Equal for one and the same delivery; blank where the place tells no mark."""
        return f"{self.mark} {self.size_bytes}" if self.mark else ""


class Place(Protocol):
    """One folder. Names are last parts of paths.

    Every method raises FileNotFoundError, PermissionError, ``Unreachable`` (of which ``NotLetIn``
    is one), ``Lost`` or ``Unusable``.
    """

    settle_seconds: float
    """Between two looks at a file, unless the feed says otherwise: 0 where a file appears whole."""

    def entries(self, prefix: str) -> list[Entry]:
        """Files whose name starts so, in any order."""
        ...

    def describe(self, name: str) -> Entry | None:
        """The file as it is now; None where the place tells nothing without sending it."""
        ...

    def read(self, name: str, expected_bytes: int | None) -> bytes:
        """The whole content.

        Raises:
            TooLarge: More than ``MAX_BYTES``.
        """
        ...

    def probe(self, name: str) -> None:
        """Ask for the content as ``read`` does, and take nothing of it."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...
