"""Every flow, well and badly, with secrets that can be told apart: what all of it leaves behind."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from prefect.events.schemas.events import Event
from prefect.events.worker import EventsWorker
from prefect.serializers import JSONSerializer
from prefect.settings import PREFECT_SERVER_DATABASE_CONNECTION_URL
from prefect_aws.credentials import AwsCredentials
from pydantic import SecretStr

from armillary.alerts.heartbeat import beat
from armillary.settings import Settings
from blocks import BackupStore, CadenzaAccount, CadenzaFeed, FileFeed, PtolemyWorkspace
from flows.backup_workspace import backup_workspace
from flows.compare_backups import compare_backups
from flows.compare_venue import compare_venue
from flows.prune_backups import prune_backups
from flows.publish_venue import publish_venue
from flows.restore_workspace import restore_workspace
from flows.revert_run import revert_run
from flows.sync_instruments import sync_instruments
from flows.sync_venues import sync_venues
from flows.verify_backup import verify_backup
from simulator import Config, Simulator
from tests.backup.test_traces import signatures_of
from tests.backup.workspace import seed
from tests.runs.s3 import LoopbackS3
from tests.security.scan import Left
from tests.security.vendor_site import EDITION, HEARTBEAT, PASSWORD, USER, Site, vendor_site
from tests.sync.chain import csv_file, vendor, vendor_rows
from tests.venues.conftest import IMPATIENT

BUCKET = "leaks"
STORE_SECRET = "store-secret-1f77e0b2c4"
CADENZA_PASSWORD = "cadenza-password-60aa3"
WORKSPACES = [{"slug": "demo"}, {"slug": "scratch"}, {"slug": "other"}]
VENUES = [
    {"name": name, "instruments": [{"symbol": "BTC/USDT"}, {"symbol": "ETH/USDT"}]}
    for name in ("BINANCE", "OKX")
]
LOGGERS = {
    "": logging.INFO,
    "armillary": logging.DEBUG,
    "prefect": logging.INFO,
    "prefect.flow_runs": logging.DEBUG,
    "prefect.task_runs": logging.DEBUG,
    "urllib3": logging.DEBUG,
    "fsspec": logging.DEBUG,
    "fsspec.http": logging.DEBUG,
    "botocore.endpoint": logging.DEBUG,
}
"""What is listened to; all of botocore and httpcore would take longer than the runs themselves."""

SYNC = "/api/v3/market/instrument/sync"


class Story:
    """What is there, and what was left by everything that was run."""

    def __init__(self, folder: Path, sim: Simulator, s3: LoopbackS3, site: Site) -> None:
        self.folder, self.sim, self.s3, self.site = folder, sim, s3, site
        self.left = Left()
        self.states: dict[str, Any] = {}
        self.heard: list[str] = []
        self.events: list[str] = []
        self.surprises: list[str] = []
        """Runs that did not end as they were meant to."""
        self.tables: set[str] = set()
        """Of Prefect's database, that hold anything."""

    @property
    def secrets(self) -> dict[str, str]:
        """Everything that nobody may see, by name."""
        sessions = self.sim.control.cadenza._cadenza.sessions
        tokens = {**sessions._access, **sessions._renewals}
        found = {f"token of {each['slug']}": self.token(each["slug"]) for each in WORKSPACES}
        found |= {name: text.removeprefix("ptk_live_") for name, text in found.items()}
        found |= {f"token {number} of Cadenza": text for number, text in enumerate(tokens)}
        signatures = sorted(signatures_of(self.sim))
        found |= {f"signature {number} of a link": text for number, text in enumerate(signatures)}
        return found | {
            "password of Cadenza": CADENZA_PASSWORD,
            "secret of the store": STORE_SECRET,
            "password of the feed": PASSWORD,
            "query of the feed": EDITION,
            "heartbeat": HEARTBEAT,
        }

    def token(self, workspace: str) -> str:
        """Of a robot that may write."""
        return self.sim.token_for("member", workspace)

    def workspace(self, slug: str = "demo") -> PtolemyWorkspace:
        return PtolemyWorkspace(url=f"{self.sim.url}/v1", workspace=slug, token=self.token(slug))

    @property
    def account(self) -> CadenzaAccount:
        return CadenzaAccount(
            url=self.sim.cadenza_url, email="trader@example.com", password=CADENZA_PASSWORD
        )

    @property
    def store(self) -> BackupStore:
        credentials = AwsCredentials(
            aws_access_key_id="leaks",
            aws_secret_access_key=SecretStr(STORE_SECRET),
            region_name="us-east-1",
        )
        return BackupStore(
            bucket=BUCKET, prefix="desk", endpoint_url=self.s3.url, credentials=credentials
        )

    def feed(self, **changed: Any) -> FileFeed:
        asked = {"url": self.site.feed, "username": USER, "password": SecretStr(PASSWORD)}
        return FileFeed(**dict(vendor(Path("unused.csv"))) | asked | changed)

    def run(self, name: str, ends: str, flow: Callable[..., Any], *given: Any, **asked: Any) -> Any:
        """Run a flow, and note if it does not end as the story needs it."""
        state = flow(*given, return_state=True, **asked)
        if state.name != ends:
            self.surprises.append(f"{name} ended {state.name}, not {ends}: {state.message}")
        self.states[name] = state
        return state

    def echo(
        self, path: str, status: int, method: str = "*", workspace: str = "demo", **more: Any
    ) -> None:
        """Have a service quote in a refusal what it was asked with: each knows its own secrets."""
        sent = CADENZA_PASSWORD if path.startswith("/api/v3/") else self.token(workspace)
        body = (
            f'{{"message": "you sent Bearer {sent}", '
            f'"link": "https://files.test/a?signature={STORE_SECRET}"}}'
        )
        rule = {"method": method, "path": path, "action": "status", "status": status}
        self.sim.faults = [{**rule, "body": body, "times": None, **more}]

    def calm(self) -> None:
        """No faults any more."""
        self.sim.faults = []
        self.s3.behave()


def tell(story: Story) -> None:
    """All flows, in an order in which each has something to work on."""
    _syncs(story)
    _backups(story)
    _venues(story)
    _pings(story)


def _syncs(story: Story) -> None:
    rows = vendor_rows(3)
    story.site.content = csv_file(story.folder / "v.csv", rows).read_bytes()
    good = story.run(
        "sync", "Completed", sync_instruments, story.workspace(), story.feed(), mode="apply"
    )
    changed = [*vendor_rows(1, lot="9"), *rows[1:]]
    story.site.content = csv_file(story.folder / "v.csv", changed).read_bytes()
    story.echo("/instruments/{id}", 422, "PATCH")
    story.run(
        "sync refused",
        "CompletedWithRejects",
        sync_instruments,
        story.workspace(),
        story.feed(),
        mode="apply",
    )
    story.echo("/instruments*", 403)
    story.run(
        "sync denied", "Failed", sync_instruments, story.workspace(), story.feed(), mode="apply"
    )
    story.calm()
    wrong = story.site.feed.replace("edition=", "other=")
    broken = story.feed(url=wrong)
    story.run("sync without a file", "Failed", sync_instruments, story.workspace(), broken)
    run_id = str(good.state_details.flow_run_id)
    story.run("revert", "Completed", revert_run, story.workspace(), run_id, mode="apply")


def _backups(story: Story) -> None:
    seed(story.sim, 10, days=2)
    # The links that were used can then be asked for afterwards.
    story.sim.configure(link_refresh="fixed")
    workspace, store = story.workspace(), story.store
    # The first link has expired, and another one is asked for.
    story.sim.faults = [{"path": "/downloads/{id}", "action": "status", "status": 403}]
    story.run("backup", "Completed", backup_workspace, workspace, store)
    story.echo("/exports", 403)
    story.run("backup denied", "Failed", backup_workspace, workspace, store)
    story.calm()
    scratch, other = story.workspace("scratch"), story.workspace("other")
    story.run(
        "verify", "Completed", verify_backup, store, depth="restore", scratch=scratch, sample=3
    )
    chosen: dict[str, Any] = {"resource_types": ["markets"], "mode": "apply"}
    story.run("restore", "Completed", restore_workspace, store, other, "other", **chosen)
    story.echo("/imports", 403, "POST", workspace="scratch")
    story.run("restore denied", "Failed", restore_workspace, store, scratch, "scratch", **chosen)
    story.calm()
    story.run("comparison", "Failed", compare_backups, store)
    story.run("pruning", "Planned", prune_backups, store, keep_last=1)


def _venues(story: Story) -> None:
    account = story.account
    story.run("venues", "Completed", sync_venues, account)
    story.echo(SYNC, 400, "POST", contains="OKX")
    story.run("venues refused", "Partial", sync_venues, account)
    story.calm()
    story.sim.cadenza.expire_tokens()
    story.echo("/api/v3/auth/*", 401, "POST")
    story.run("venues denied", "Failed", sync_venues, account)
    story.calm()
    feed = CadenzaFeed.for_venue(account, "BINANCE")
    publish = ("publish", "Completed", publish_venue, account, "BINANCE", story.workspace())
    story.run(*publish, feed=feed, mode="apply")
    story.run(
        "comparison of a venue", "Completed", compare_venue, account, "OKX", story.workspace()
    )


def _pings(story: Story) -> None:
    """As a scheduled run does; the second one to nobody."""
    asked: dict[str, Any] = {"what": "success", "flow": "backup-workspace", "deployment": "night"}
    assert beat(story.site.heartbeat, **asked) == ""
    assert story.site.pings == [f"/ping/{HEARTBEAT}"]
    nobody = f"http://127.0.0.1:1/ping/{HEARTBEAT}"
    story.left.text("words about a ping", beat(nobody, **asked))
    story.left.text("settings", repr(Settings()) + str(Settings()))


@contextmanager
def told(folder: Path) -> Iterator[Story]:
    """The whole story, and all that it left."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        config = Config.preset(
            "reference",
            workspaces=WORKSPACES,
            cadenza={
                "venues": VENUES,
                "accounts": [{"email": "trader@example.com", "password": CADENZA_PASSWORD}],
            },
        )
        s3 = LoopbackS3()
        stack.callback(s3.stop)
        story = Story(
            folder, stack.enter_context(Simulator(config)), s3, stack.enter_context(vendor_site())
        )
        _settle(story, patch)
        with (
            _listening(story, patch),
            (folder / "terminal").open("w") as terminal,
            redirect_stdout(terminal),
            redirect_stderr(terminal),
        ):
            tell(story)
        _gather(story)
        yield story


def _settle(story: Story, patch: pytest.MonkeyPatch) -> None:
    from tasks import venues as tasks_of_venues  # noqa: PLC0415 - Prefect costs a second

    patch.setattr(tasks_of_venues, "PATIENCE", IMPATIENT)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "leaks",
        "AWS_SECRET_ACCESS_KEY": STORE_SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "ARMILLARY_RUNS": str(story.folder / "runs"),
        "ARMILLARY_POLL_SECONDS": "0.05",
        "ARMILLARY_OUTAGE_SECONDS": "0",
        "ARMILLARY_HEARTBEAT_URL": story.site.heartbeat,
        "TMPDIR": str(story.folder / "tmp"),
    }.items():
        patch.setenv(name, value)
    (story.folder / "tmp").mkdir()
    patch.setattr(tempfile, "tempdir", None)  # it is looked for again
    client = boto3.client(
        "s3",
        endpoint_url=story.s3.url,
        aws_access_key_id="leaks",
        aws_secret_access_key=STORE_SECRET,
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=BUCKET)


@contextmanager
def _listening(story: Story, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hear every line of every log, and every event that is sent."""
    send = EventsWorker.send

    def spy(worker: EventsWorker, event: Event) -> None:
        story.events.append(event.model_dump_json())
        send(worker, event)

    patch.setattr(EventsWorker, "send", spy)
    handler = _Ear(story.heard)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger, level in zip(loggers, LOGGERS.values(), strict=True):
        logger.setLevel(level)
        if not logger.propagate or logger is logging.root:
            logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)


class _Ear(logging.Handler):
    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._heard = heard
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.append(self.format(record))


def _gather(story: Story) -> None:
    left = story.left
    left.text("logs", "\n".join(story.heard))
    left.text("events", "\n".join(story.events))
    left.text("terminal", (story.folder / "terminal").read_bytes())
    for name, state in story.states.items():
        left.thing(f"state of {name}", state)
        left.text(f"state of {name} as JSON", state.model_dump_json(exclude={"data"}))
        answer = state.result(raise_on_failure=False)
        left.thing(f"result of {name}", answer)
        with suppress(TypeError, ValueError):
            left.text(f"result of {name} as JSON", JSONSerializer().dumps(answer))
        result = getattr(answer, "result", answer)
        if hasattr(result, "as_dict"):
            left.text(f"what --json prints of {name}", json.dumps(result.as_dict(), default=str))
        if isinstance(answer, BaseException):
            left.error(f"error of {name}", answer)
    for path in ("runs", "tmp"):
        left.folder(path, story.folder / path)
    left.folder("results", Path(os.environ["PREFECT_LOCAL_STORAGE_PATH"]))
    objects = story.s3.client.list_objects_v2(Bucket=BUCKET)["Contents"]
    for entry in objects:
        body = story.s3.client.get_object(Bucket=BUCKET, Key=entry["Key"])
        left.text(f"bucket {entry['Key']}", body["Body"].read())
        left.text(f"metadata of {entry['Key']}", repr(body["Metadata"]))


def database() -> Path:
    """Where the Prefect server of the session keeps everything."""
    url = PREFECT_SERVER_DATABASE_CONNECTION_URL.value()
    return Path(str(url).partition("///")[2])
