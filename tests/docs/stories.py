"""Which pages are read one after another, at one desk, and what does not end with 0 there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.docs.not_run import NOT_TYPED
from tests.docs.pages import pages
from tests.docs.shown import Block, blocks_of

GUIDES = "docs/guides"
ALL = range(1000)


@dataclass(frozen=True)
class Reading:
    """A page, or some of its parts: those below its second-level headings, counted from 1."""

    page: str
    parts: range = ALL
    new_terminal: bool = False
    """Each part is a procedure of its own."""
    again: bool = True
    """Whether a command that stood on a page before is run once more here."""


@dataclass(frozen=True)
class Story:
    """What somebody reads who begins with nothing."""

    readings: tuple[Reading, ...]
    environment: dict[str, str] = field(default_factory=dict)
    """Set before, because the page presupposes it."""
    only: str = ""
    """Rows of the demo's files that have this in them, where their size is not told."""
    after: tuple[str, ...] = ()
    """Stories whose commands are known by then: the very same command is not run again."""
    before: tuple[Reading, ...] = ()
    """What the pages presuppose to be done; nothing is expected of it here."""

    def blocks(self) -> Iterator[tuple[Reading, Block]]:
        """Everything that is typed, in order."""
        for reading in (*self.before, *self.readings):
            for block in blocks_of(reading.page):
                if block.part in reading.parts and not left_out(block):
                    yield reading, block


FIRST_SYNC = f"{GUIDES}/first-sync.md"
HONG_KONG = "XHKG"
PRACTICE = Reading(FIRST_SYNC, range(1, 2))

STORIES = {
    "a file": Story(
        (
            Reading(FIRST_SYNC, range(5)),
            Reading(f"{GUIDES}/withheld-at-night.md"),
            Reading(f"{GUIDES}/undo-a-run.md"),
            Reading(FIRST_SYNC, range(5, 100)),
        )
    ),
    "backups": Story(
        (
            Reading(f"{GUIDES}/backup.md"),
            Reading(f"{GUIDES}/nightly-backup.md", again=False),
            Reading(f"{GUIDES}/restore-drill.md", again=False),
            Reading(f"{GUIDES}/restore.md", new_terminal=True, again=False),
        ),
        {"ARMILLARY_PTOLEMY_WORKSPACE": "demo", "ARMILLARY_STORE_BUCKET": "backups"},
        only=HONG_KONG,
        before=(PRACTICE,),
    ),
    "venues": Story((Reading(f"{GUIDES}/venues.md"),)),
    "one venue": Story(
        (Reading(f"{GUIDES}/one-venue-again.md"),),
        only=HONG_KONG,
        after=("venues",),
        before=(Reading(f"{GUIDES}/venues.md", range(1, 2)),),
    ),
    "the start": Story((Reading("docs/quick-start.md"),), only=HONG_KONG),
    "the README": Story(
        (Reading("README.md"),),
        {"ARMILLARY_SCRATCH_WORKSPACE": "desk-scratch"},
        after=("venues",),
    ),
}


OTHERS_HAVE = {
    "ARMILLARY_PTOLEMY_WORKSPACE": "demo",
    "ARMILLARY_SCRATCH_WORKSPACE": "desk-scratch",
    "ARMILLARY_STORE_BUCKET": "backups",
    "ARMILLARY_CADENZA_EMAIL": "the-account",
}
"""What reference and other pages presuppose: a configured machine."""


def known_to(story: Story, reading: Reading) -> set[str]:
    """The commands of ``armillary`` that are not run once more on a page."""
    blocks = [block for name in story.after for _, block in STORIES[name].blocks()]
    if not reading.again:
        before = story.readings[: story.readings.index(reading)]
        blocks += [block for earlier in before for block in blocks_of(earlier.page)]
    lines = [line.partition("  #")[0].split() for it in blocks for line in it.commands]
    return {" ".join(words[1:]) for words in lines if words[0].endswith("armillary")}


PARTIAL = 1
WITHHELD = 4
WRONG_USAGE = 2

ENDS_OTHERWISE: dict[str, dict[str, int]] = {
    f"{GUIDES}/withheld-at-night.md": {
        ".venv/bin/armillary sync --feed practice/my-feed.yaml --mode apply": WITHHELD,
        ".venv/bin/armillary sync --feed practice/my-feed.yaml": WITHHELD,
    },
    f"{GUIDES}/undo-a-run.md": {
        ".venv/bin/armillary revert RUN_ID": WITHHELD,
        ".venv/bin/armillary revert RUN_ID --mode apply": WITHHELD,
    },
    f"{GUIDES}/venues.md": {".venv/bin/armillary venues": PARTIAL},
    f"{GUIDES}/backup.md": {
        # Instrument and day are the reader's.
        ".venv/bin/armillary history bhp.ax": WRONG_USAGE,
        ".venv/bin/armillary history bhp.ax --on 2026-03-31": WRONG_USAGE,
        ".venv/bin/armillary history bhp.ax --backup-count 30 --json": WRONG_USAGE,
    },
    "README.md": {
        # It says what is to be chosen first.
        ".venv/bin/armillary restore --into my-workspace": WITHHELD,
        ".venv/bin/armillary history bhp.ax --on 2026-03-31": WRONG_USAGE,
    },
}
"""By page and command: the code that it ends with instead of 0, as the page says."""


def left_out(block: Block) -> bool:
    """Whether a block is not typed at all, for a reason that is listed."""
    return any(block.commands[0].startswith(beginning) for beginning in NOT_TYPED)


def other_pages() -> list[str]:
    """Pages of ``docs/``, and the README, that no story reads."""
    told = {reading.page for story in STORIES.values() for reading in story.readings}
    every = [str(page) for page in pages() if page.parts[0] in {"docs", "README.md"}]
    return [page for page in every if page not in told and list(blocks_of(page))]
