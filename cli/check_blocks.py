"""The blocks that deployments name: are they there, and does each open what it should?

Each is opened with its own credentials: those of this machine's environment prove nothing for a
worker.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from prefect.blocks.core import Block

from armillary.backup.catalogue import Catalogue
from armillary.backup.opening import folder_of
from armillary.readiness.deployments import Deployment
from armillary.readiness.finding import Finding, Level, looked_at
from armillary.readiness.machine import check_limit
from armillary.readiness.sources import check_source
from armillary.readiness.stores import check_backups, check_store
from armillary.readiness.venues import check_cadenza, check_venues
from armillary.readiness.workspaces import check_feed, check_scratch, check_workspace
from armillary.settings import Settings
from armillary.sync.ground import open_workspace
from blocks import BackupStore, CadenzaAccount, PtolemyWorkspace
from blocks.feeds import CadenzaFeed, FileFeed, RestFeed, SqlFeed
from blocks.global_limit import GlobalLimit

BACKUP = "backup-workspace"


class NamedBlocks:
    """All blocks that deployments name, looked at one after another."""

    def __init__(self, deployments: Sequence[Deployment], settings: Settings) -> None:
        """Nothing is loaded yet.

        Args:
            deployments: that name them.
            settings: of this machine; the pattern of scratch workspaces is one of them.
        """
        self._deployments = deployments
        self._settings = settings
        self._loaded: dict[str, Any] = {}
        self._named: dict[str, set[str]] = defaultdict(set)
        for one in deployments:
            for given in one.given:
                for block in given.values():
                    self._named[block].add(one.name)
        self.workspace_ids: dict[str, str] = {}
        """UUIDs of the workspaces that could be opened, by the blocks that name them."""

    @property
    def ptolemy_urls(self) -> list[str]:
        """Addresses of Ptolemy in the blocks."""
        found = {
            block.url for block in self._loaded.values() if isinstance(block, PtolemyWorkspace)
        }
        return sorted(found)

    def findings(self) -> Iterator[Finding]:
        """First whether each is there, then what each opens, then what they are together."""
        for name in sorted(self._named):
            yield from looked_at(name, _later(self._load, name))
        for name, block in self._loaded.items():
            yield from looked_at(name, _later(self._opened, name, block))
        for feed, workspace in self._pairs("feed", "workspace"):
            yield from looked_at(feed, _later(self._feed, feed, workspace))
        for scratch in sorted({given["scratch"] for given in self._sets() if "scratch" in given}):
            yield from looked_at(scratch, _later(self._scratch, scratch))
        for account, venues in self._venues().items():
            yield from looked_at(account, _later(self._venues_of, account, venues))
        for store, workspace in self._pairs("store", "workspace", of=BACKUP):
            yield from looked_at(f"last backup in {store}", _later(self._backups, store, workspace))

    def _sets(self, of: str = "") -> Iterator[Any]:
        for one in self._deployments:
            if not of or one.flow == of:
                yield from one.given

    def _pairs(self, first: str, second: str, of: str = "") -> list[tuple[str, str]]:
        """Two blocks that a run works with together, if both could be loaded."""
        found = {(given.get(first, ""), given.get(second, "")) for given in self._sets(of)}
        return sorted(pair for pair in found if set(pair) <= set(self._loaded))

    def _venues(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for one in self._deployments:
            for given in one.given:
                if one.venues and given.get("account") in self._loaded:
                    found[given["account"]] |= one.venues
        return found

    def _load(self, name: str) -> Iterator[Finding]:
        by = ", ".join(sorted(self._named[name]))
        try:
            self._loaded[name] = _loaded(name)
        except ValueError as error:
            # What Prefect raises where nothing is; a block that does not fit its form is one, too.
            if "Unable to find" not in str(error):
                raise
            kind, _, called = name.partition("/")
            yield Finding(
                name,
                Level.FAILED,
                f"not on the server, and named by {by}",
                f"Make a block of the type {kind} with the name {called or name} (in the UI: "
                "Blocks, +), after prefect block register -m blocks.",
            )

    def _opened(self, name: str, block: Any) -> Iterator[Finding]:
        if isinstance(block, PtolemyWorkspace):
            if block.concurrency_limit:
                yield check_limit(GlobalLimit(block.concurrency_limit), name)
            with block.connect() as ptolemy:
                found = list(check_workspace(ptolemy, block.workspace, name))
                yield from found
                if found[0].level is Level.OK:
                    self.workspace_ids[name] = open_workspace(ptolemy, block.workspace).id
        elif isinstance(block, BackupStore):
            yield check_store(block.open(), name)
        elif isinstance(block, CadenzaAccount):
            with block.connect() as cadenza:
                yield check_cadenza(cadenza, name)
        elif isinstance(block, CadenzaFeed):
            with block.account.connect() as cadenza:
                yield from check_venues(cadenza, [block.venue], name)
        elif isinstance(block, FileFeed | RestFeed | SqlFeed):
            yield check_source(block.look, name)
        else:
            yield Finding(name, Level.OK, "is there")

    def _feed(self, feed: str, workspace: str) -> Iterator[Finding]:
        if workspace not in self.workspace_ids:
            return  # told already
        block, into = self._loaded[feed], self._loaded[workspace]
        with into.connect() as ptolemy:
            yield check_feed(ptolemy, into.workspace, block.definition(), feed)

    def _scratch(self, name: str) -> Iterator[Finding]:
        if name not in self.workspace_ids:
            return  # told already
        block = self._loaded[name]
        with block.connect() as ptolemy:
            yield check_scratch(ptolemy, block.workspace, self._settings.scratch_pattern, name)

    def _venues_of(self, account: str, venues: set[str]) -> Iterator[Finding]:
        with self._loaded[account].connect() as cadenza:
            yield from check_venues(cadenza, venues, account)

    def _backups(self, store: str, workspace: str) -> Iterator[Finding]:
        if workspace not in self.workspace_ids:
            return  # told already
        block = self._loaded[workspace]
        with block.connect() as ptolemy:
            folder = folder_of(open_workspace(ptolemy, block.workspace))
        yield from check_backups(Catalogue(self._loaded[store].open(), folder))


def _loaded(name: str) -> Any:
    if "/" in name:
        return Block.load(name)
    return Block.load_from_ref({"block_document_id": name})


def _later(
    look: Callable[..., Iterator[Finding]], *arguments: Any
) -> Callable[[], Iterator[Finding]]:
    return lambda: look(*arguments)
