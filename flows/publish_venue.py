"""Refresh one venue in Cadenza and bring it into a Ptolemy workspace, as one run."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from armillary.errors import ArmillaryError, ConfigurationError, LeaseHeld
from armillary.sync.ground import Ground
from armillary.sync.outcome import State as SyncState
from armillary.sync.outcome import SyncResult
from armillary.venues.choosing import Choice, chosen
from armillary.venues.outcome import VenueOutcome
from armillary.venues.published import (
    Published,
    final_state,
    refreshed_only,
    refreshed_symbols,
    why_no_sync,
)
from armillary.venues.source import check_source, identifiers_of
from blocks import CadenzaAccount, CadenzaFeed, PtolemyWorkspace
from blocks.form_values import NONE_NAMED, GivenText, Text, Texts
from tasks.alerts import tell_crash, tell_end, tell_start
from tasks.call_count import CallCount
from tasks.clean_up import clean_up
from tasks.deployed import references_to, start_command
from tasks.read_workspace import survey_workspace
from tasks.report_publish import published_ended, report_published
from tasks.sync_feed import sync_feed
from tasks.sync_run import WORKERS, SyncRun, open_runs, refused
from tasks.venues import list_venues, refresh_venues


@flow(
    name="publish-venue",
    flow_run_name="publish {venue} of {account.environment} into {workspace.workspace} ({mode})",
    retries=0,
    persist_result=False,
    on_running=[tell_start],
    on_completion=[tell_end],
    on_failure=[tell_end],
    on_cancellation=[clean_up],
    on_crashed=[tell_crash, clean_up],
    task_runner=WORKERS,
)
def publish_venue(
    account: CadenzaAccount,
    venue: GivenText,
    workspace: PtolemyWorkspace,
    mode: Literal["plan", "apply"] = "plan",
    symbols: Texts = NONE_NAMED,
    approve: Text = "",
    feed: CadenzaFeed | None = None,
) -> State[Any]:
    """Refresh a venue in Cadenza, then bring its instruments into a workspace.

    Args:
        account: The Cadenza account that refreshes and reads the venue. Untouched: the deployment's
            own, even where the form shows none.
        venue: Name of the venue, as BINANCE.
        workspace: The workspace to bring into line with the venue. Untouched: the deployment's own,
            even where the form shows none.
        mode: "plan" writes nothing in either service and shows what would change in Ptolemy by the
            copy Cadenza has now; "apply" refreshes and writes.
        symbols: Limit refresh and sync to these, as BTC/USDT. Such a run never archives. No items:
            the whole venue.
        approve: Digest of a plan whose withheld changes you have looked at and let through, from
            its report. Usually empty.
        feed: How the venue's instruments map, where the usual way does not fit. Of this venue.
            None: the usual way.
    """
    name = venue.strip()
    try:
        source = _source(account, name, feed)
        with account.connect() as cadenza, workspace.connect() as ptolemy:
            asked, calls = CallCount(cadenza.meter), CallCount(ptolemy.meter)
            choice = chosen(list_venues(account), [name], symbols)
            check_source(
                source.definition(),
                name,
                reads=source.account.environment,
                refreshes=account.environment,
                symbols=choice.symbols,
            )
            run = PublishRun(
                workspace=workspace,
                mode=mode,
                run_id=str(flow_run.id),
                calls=calls,
                store=open_runs(),
                approve=approve or None,
                only=bool(choice.symbols),
                choice=choice,
                own_feed=feed is not None,
                given=references_to(account=account, workspace=workspace, feed=feed),
            )
            # What a person has to mend is told before a refresh that may take twenty minutes.
            ground = survey_workspace(workspace, source)
            run.approved(ground, source.definition().name)
            result = _published(run, account, source, ground, asked)
    except ArmillaryError as error:
        return refused(error, workspace, f"publish {name}".strip(), mode)
    report_published(result)
    return published_ended(result)


@dataclass(frozen=True, kw_only=True)
class PublishRun(SyncRun):
    """The sync half of a publish."""

    choice: Choice
    own_feed: bool

    @property
    def venue(self) -> str:
        """As Cadenza writes it."""
        return self.choice.venues[0].name

    def approve_command(self) -> str:
        """How this very run is started again with an approval: by its deployment, or by hand."""
        symbols = self.choice.symbols
        if self.deployed:
            given: dict[str, Any] = {"venue": self.venue, "mode": "apply", "approve": "DIGEST"}
            given |= {"symbols": list(symbols)} if symbols else {}
            return start_command(self.deployed, **given, **self.given)
        words = ["armillary", "publish", self.venue]
        words += [word for symbol in symbols for word in ("--symbol", symbol)]
        words += ["--feed", "FEED.yaml"] if self.own_feed else []
        return shlex.join([*words, "--mode", "apply", "--approve", "DIGEST"])


def _source(account: CadenzaAccount, venue: str, feed: CadenzaFeed | None) -> CadenzaFeed:
    if not venue:
        raise ConfigurationError(
            "The venue to publish is blank.", next_step="Name one, as BINANCE. Nothing was done."
        )
    return feed or CadenzaFeed.for_venue(account, venue)


def _published(
    run: PublishRun, account: CadenzaAccount, feed: CadenzaFeed, ground: Ground, asked: CallCount
) -> Published:
    """Refresh, and sync if that is done.

    Raises:
        ArmillaryError: it is a plan, and none could be made.
    """
    refresh: VenueOutcome | None = None
    sync: SyncResult | None = None
    if run.mode == "apply":
        refresh = refresh_venues(account, run.choice)[0]
    held, stopped = False, why_no_sync(refresh)
    if not stopped:
        symbols = run.choice.symbols if refresh is None else refreshed_symbols(refresh)
        only = identifiers_of(feed.definition(), run.venue, symbols)
        try:
            sync = sync_feed(run, feed, only, ground=ground)
        except ArmillaryError as error:
            if refresh is None:
                raise
            held, stopped = isinstance(error, LeaseHeld), refreshed_only(error)
    return Published(
        state=SyncState.ALREADY_RUNNING if held else final_state(refresh, sync),
        mode=run.mode,
        environment=account.environment,
        venue=run.venue,
        workspace=ground.workspace_slug,
        run_id=run.run_id,
        symbols=run.choice.symbols,
        refresh=refresh,
        sync=sync,
        stopped=stopped,
        notes=run.choice.notes,
        cadenza_calls=asked.used,
    )
