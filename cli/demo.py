"""``armillary demo``: the whole story on this machine alone, in about a minute."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import typer

from armillary.backup.outcome import BackupResult
from armillary.backup.verified import Verified
from armillary.errors import ConfigurationError, LeaseHeld
from armillary.settings import Settings
from armillary.sync.outcome import SyncResult
from armillary.venues.outcome import VenuesResult
from armillary.venues.published import Published
from cli import demo_backup, demo_venues
from cli.console import out, print_json, say
from cli.exits import FAILED, told_plainly
from cli.parts import s3_service, simulator
from cli.prefect_server import prefect_api
from cli.sync import Mode, print_result, run_revert, run_sync

FILES = Path(__file__).resolve().parent.parent / "examples" / "demo"
FEED = FILES / "northwind.yaml"


@dataclass(frozen=True)
class Scene:
    """One step of the story."""

    title: str
    delivery: str
    mode: Mode
    told: str
    """What the person should see in the result."""
    state: str
    """The state the story needs; anything else means that the demo is broken."""
    approves: bool = False
    """Approve the plan of the scene before."""
    reverts: bool = False
    """Undo the run of the scene before."""


AnyScene: TypeAlias = Scene | demo_venues.VenueScene | demo_backup.BackupScene
Result: TypeAlias = SyncResult | VenuesResult | Published | BackupResult | Verified

SCENES = (
    Scene(
        "Thursday, the first delivery",
        "2026-11-19",
        "apply",
        "A vendor's file of 391 real instruments meets an empty workspace. Every row is mapped and "
        "checked, the plan is made, and each instrument is created.",
        "Completed",
    ),
    Scene(
        "The same file again",
        "2026-11-19",
        "apply",
        "Nothing changed, so nothing is written: values are compared by meaning, not by text.",
        "Completed",
    ),
    Scene(
        "Friday's delivery, planned first",
        "2026-11-20",
        "plan",
        "Five listings, two delistings, eight real changes. Ten more rows only look different "
        "(0.010 is 0.01, a trailing blank): those cost no call.",
        "Planned",
    ),
    Scene(
        "Friday's delivery, applied",
        "2026-11-20",
        "apply",
        "Exactly the plan. Delisted instruments are archived, not deleted: their prices stay.",
        "Completed",
    ),
    Scene(
        "One instrument comes back",
        "2026-11-21",
        "apply",
        "Toshiba is listed again. It is restored with its history, not created a second time.",
        "Completed",
    ),
    Scene(
        "A broken delivery",
        "2026-11-23-cut",
        "apply",
        "Monday's file holds 2 of 15 venues. A naive sync would archive 284 instruments; the guard "
        "withholds that and says why.",
        "Withheld",
    ),
    Scene(
        "Somebody approves it by mistake",
        "2026-11-23-cut",
        "apply",
        "A digest approves exactly the plan it stands for. The archives go through.",
        "Completed",
        approves=True,
    ),
    Scene(
        "The run is undone",
        "2026-11-23-cut",
        "apply",
        "Each batch left what stood there before. All 284 instruments come back, with their "
        "history; what somebody changed since would be left alone.",
        "Completed",
        reverts=True,
    ),
)


def demo(
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """Show a week of syncs, venues and a backup on simulated services: no account, no network."""
    started = time.monotonic()
    with told_plainly():
        _require_files()
        results = list(_played(as_json=as_json))
    seconds = time.monotonic() - started
    broken = [scene.title for scene, result in results if result.state != scene.state]
    if as_json:
        print_json(_as_dict(results, seconds))
    else:
        _what_next(seconds)
    if broken:
        say(f"The demo did not go as it should: {', '.join(broken)}.")
        raise typer.Exit(FAILED)


def _require_files() -> None:
    if not FEED.exists():
        raise ConfigurationError(
            "The demo's vendor files are not installed with the package.",
            next_step="Run the demo from a clone of the repository: make demo.",
        )


def _played(*, as_json: bool) -> Iterator[tuple[AnyScene, Result]]:
    """Play the scenes one after another; each sees what the one before left."""
    say(
        "Everything runs on this machine: a simulated Ptolemy and Cadenza, an S3 service in memory "
        "and a temporary Prefect server."
    )
    with (
        tempfile.TemporaryDirectory(prefix="armillary-demo-") as folder,
        simulator(runs=folder) as settings,
        s3_service() as store,
        prefect_api(temporary=True),
    ):
        os.environ["ARMILLARY_RUNS"] = folder
        os.environ.update(store.environment)
        last: SyncResult | None = None
        numbers = itertools.count(1)
        for scene in SCENES:
            if not as_json:
                _announce(next(numbers), scene)
            result = last = _play(settings, scene, last)
            if not as_json:
                print_result(result)
            yield scene, result
        where = {"store_bucket": store.bucket, "store_endpoint_url": store.endpoint_url}
        with_store = settings.model_copy(update=where)
        control_url = f"{settings.ptolemy_url.removesuffix('/v1')}/_simulator"
        for venue_scene in demo_venues.scenes(control_url):
            if not as_json:
                _announce(next(numbers), venue_scene)
            came = venue_scene.play(settings)
            if not as_json:
                demo_venues.show(came)
            yield venue_scene, came
        more = demo_backup.scenes(store, _delivery("2026-11-21"), control_url)
        for backup_scene in more:
            if not as_json:
                _announce(next(numbers), backup_scene)
            found = backup_scene.play(with_store)
            if not as_json:
                demo_backup.show(found)
            yield backup_scene, found


def _announce(number: int, scene: AnyScene) -> None:
    out.print(f"\n[bold]{number}. {scene.title}[/] ({scene.mode})")
    out.print(scene.told)


def _delivery(day: str) -> Path:
    return FILES / f"northwind-equities-{day}.csv"


def _play(settings: Settings, scene: Scene, last: SyncResult | None) -> SyncResult:
    if scene.reverts and last is not None:
        result = run_revert(settings, last.run_id, scene.mode)
    else:
        approve = last.digest if scene.approves and last is not None else ""
        url = str(_delivery(scene.delivery))
        result = run_sync(settings, FEED, scene.mode, [], approve, url=url)
    if isinstance(result, LeaseHeld):
        raise result
    return result


def _as_dict(results: list[tuple[AnyScene, Result]], seconds: float) -> dict[str, Any]:
    return {
        "seconds": round(seconds, 1),
        "scenes": [{"title": scene.title, "result": result.as_dict()} for scene, result in results],
    }


def _what_next(seconds: float) -> None:
    out.print(
        f"\n[bold]That was a week in {seconds:.0f} seconds.[/] What to try next:\n"
        "  .venv/bin/armillary simulate --port 8700   a workspace of your own to play with\n"
        "  .venv/bin/armillary sync --help            your own file, planned before it is applied\n"
        "  examples/demo/northwind.yaml               how a feed is described\n"
        "  docs/guides/first-sync.md                  from here to your own workspace\n"
        "  docs/guides/venues.md                      venues: refreshed, compared, published\n"
        "  docs/guides/backup.md                      your own backups, and how to trust them\n"
        "  docs/guides/restore.md                     one instrument brought back, or all of it",
        markup=True,
    )
