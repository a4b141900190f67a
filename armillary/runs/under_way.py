"""What a run has under way, noted in the run records so that another process can release it.

    under-way/<owner>.<digest>.json   one lease it holds, or one import it waits for

A run removes its own notes as it goes. What one leaves that was killed is found here by whoever
cleans up after it (``armillary.runs.leftovers``). No note is worth failing a run for: without one
a lease still ends by itself, and the next restore still waits for the import.
"""

from __future__ import annotations

import logging
from hashlib import sha256
from urllib.parse import quote

import msgspec

from armillary.errors import ConfigurationError
from armillary.runs.store import RunStore

logger = logging.getLogger(__name__)

FOLDER = "under-way"


class LeaseNote(msgspec.Struct, frozen=True, tag="lease"):
    """A lease that the run holds."""

    key: str
    nonce: str
    """Of this taking: a later one by a run of the same name is somebody else's."""
    subject: str
    """What it is on, in words."""

    @property
    def mark(self) -> str:
        """Tells this note from the run's other ones."""
        return f"{self.key} {self.nonce}"


class ImportNote(msgspec.Struct, frozen=True, tag="import"):
    """An import job that the run has submitted and waits for."""

    workspace_id: str
    job_id: str
    resource_type: str

    @property
    def mark(self) -> str:
        """Tells this note from the run's other ones."""
        return self.job_id


Note = LeaseNote | ImportNote

_read = msgspec.json.Decoder(Note).decode


class UnderWay:
    """The notes of one run; used by several of its threads."""

    def __init__(self, store: RunStore, owner: str) -> None:
        self._store = store
        self._start = f"{FOLDER}/{quote(owner, safe='')}."

    def begin(self, note: Note) -> None:
        """Note that something is under way."""
        try:
            self._store.write(self._key(note), msgspec.json.encode(note))
        except ConfigurationError as error:
            logger.warning("Not noted in the run records: %s", error.message)

    def end(self, note: Note) -> None:
        """It is under way no longer."""
        try:
            self._store.delete(self._key(note))
        except ConfigurationError as error:
            logger.warning("A note in the run records could not be removed: %s", error.message)

    def notes(self) -> list[Note]:
        """What is under way; a note that cannot be read is left out.

        Raises:
            ConfigurationError: the records cannot be used.
        """
        found = []
        for key in self._store.list(self._start):
            content = self._store.read(key)
            try:
                found += [_read(content)] if content else []
            except msgspec.DecodeError as error:
                logger.warning("The note %s/%s is damaged: %s", self._store.place, key, error)
        return found

    def _key(self, note: Note) -> str:
        return f"{self._start}{sha256(note.mark.encode()).hexdigest()[:16]}.json"
