"""What a verification found, for people and for scripts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from armillary.backup.outcome import size
from armillary.errors import ArmillaryError

Depth = Literal["present", "content"]

EXIT_CODES = {"Completed": 0, "Partial": 1, "Failed": 1}

SHOWN = 3
"""Problems in one line; the report has all."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    resource_type: str
    """Or ``manifest``, or ``schemas``."""
    key: str
    """In the bucket, below its prefix."""
    what: str
    """For a person: what is wrong, and what can be done if anything can."""


@dataclass(frozen=True)
class Verified:
    """What a verification found."""

    backup_id: str
    place: str
    depth: Depth
    state: Literal["Completed", "Partial", "Failed"]
    """``Partial``: all that is there is whole, but the backup itself is PARTIAL."""
    proven: bool
    """Whether a restore has proven it some time before."""
    files: int
    """Files of the manifest, all of which were looked at."""
    files_read: int
    """Files read to the last byte."""
    bytes_read: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    """What is no problem but has to be known, such as what was not checked."""

    @property
    def without_manifest(self) -> bool:
        """Whether nobody knows what was written, because the manifest cannot be believed."""
        return any(problem.resource_type == "manifest" for problem in self.problems)

    @property
    def exit_code(self) -> int:
        """Of the command."""
        return EXIT_CODES[self.state]

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


class VerificationFailed(ArmillaryError):
    """A backup is not what was written, or was PARTIAL from the beginning."""

    def __init__(self, message: str, result: Verified) -> None:
        self.result = result
        super().__init__(message)


def verified_message(result: Verified) -> str:
    """One line for a log and a state: the headline, and the first problems."""
    problems = " ".join(f"{problem.key}: {problem.what}" for problem in result.problems[:SHOWN])
    more = len(result.problems) - SHOWN
    problems += f" And {more:,} more." if more > 0 else ""
    return f"{headline(result)} {problems}".strip()


def headline(result: Verified) -> str:
    """What was found, without the problems."""
    if result.without_manifest:
        return f"Backup {result.backup_id} cannot be verified."
    looked = (
        f"{result.files_read} of {result.files} files read back, {size(result.bytes_read)}"
        if result.depth == "content"
        else f"{result.files} files looked at from outside"
    )
    words = {
        "Completed": "is what was written",
        "Partial": "is what was written, but was never complete",
        "Failed": "is not what was written",
    }
    return f"Backup {result.backup_id} {words[result.state]} ({looked})."


def summary(result: Verified) -> str:
    """The whole finding as markdown."""
    parts = [f"# Backup {result.backup_id}: {result.state}", verified_message(result)]
    if result.problems:
        rows = ["| file | what is wrong |", "|---|---|"]
        rows += [f"| `{problem.key}` | {_cell(problem.what)} |" for problem in result.problems]
        parts.append("\n".join(rows))
    parts += [f"Note: {note}" for note in result.notes]
    parts.append("Proven by a restore." if result.proven else "Not proven by a restore.")
    parts.append(f"Place: `{result.place}`")
    return "\n\n".join(parts)


def _cell(text: str) -> str:
    """Names of records may hold what would end a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")
