"""A Prefect server with our automations on it, and runs of our deployments without a worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.events import emit_event
from prefect.events.worker import EventsWorker
from prefect.flow_engine import run_flow
from prefect.flows import Flow
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL, temporary_settings
from typer.testing import CliRunner

from armillary.alerts.described import FILE
from cli import console
from cli.main import app
from tests.alerts.receiver import Receiver, receiving
from tests.servers import Server, own_server

ARRIVAL_SECONDS = 90
LEAST_SECONDS = 10
"""The shortest time of waiting that Prefect knows."""
WORD_SECONDS = 20


class Stage:
    """What there is, and what a test does on it."""

    def __init__(self, server: Server, receiver: Receiver, client: SyncPrefectClient) -> None:
        self.server, self.receiver, self.client = server, receiver, client

    def save_block(self, name: str = "alerts") -> None:
        """The notification block that automations.yaml names."""
        CustomWebhookNotificationBlock(
            name=name,
            url=self.receiver.url,
            json_data={"subject": "{{subject}}", "body": "{{body}}"},
        ).save(name, overwrite=True)

    def run_of(
        self, flow: Flow[Any, Any], parameters: Mapping[str, Any], *, name: str = "nightly"
    ) -> FlowRun:
        """A run of a deployment of the flow; nobody takes it."""
        deployment = self.client.create_deployment(
            self.client.create_flow(flow),
            name,
            parameters=dict(parameters),
            parameter_openapi_schema=flow.parameters.model_dump(),
            tags=["armillary"],
        )
        return self.client.create_flow_run_from_deployment(deployment)

    def perform(self, flow: Flow[Any, Any], parameters: Mapping[str, Any]) -> State[Any]:
        """Run a deployment of the flow here, as its worker would."""
        run = self.run_of(flow, parameters)
        state: State[Any] = run_flow(flow, flow_run=run, return_type="state")  # type: ignore[assignment]
        return state

    def become(self, run: FlowRun, *states: State[Any]) -> None:
        """Let a run go through states, without the flow."""
        for state in states:
            self.client.set_flow_run_state(run.id, state, force=True)

    def heartbeat(self, run: FlowRun) -> None:
        """As Prefect sends it from the process of a run."""
        emit_event(
            "prefect.flow-run.heartbeat",
            resource={"prefect.resource.id": f"prefect.flow-run.{run.id}"},
            related=[
                {"prefect.resource.id": "prefect.tag.armillary", "prefect.resource.role": "tag"}
            ],
        )

    def wait_for(self, what: Callable[[], bool]) -> bool:
        """Whether it came true in time; the server's own times are real ones."""
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while not what() and time.monotonic() < deadline:
            self.receiver.arrived.wait(0.2)
            self.receiver.arrived.clear()
        return what()


@contextmanager
def staged(home: Path) -> Iterator[Stage]:
    """The server, and this process's Prefect pointed at it."""
    with own_server(home) as server, receiving() as receiver:
        settings = {PREFECT_API_URL: f"{server.url}/api", PREFECT_UI_URL: server.url}
        EventsWorker.drain_all()  # what was started for another server
        with temporary_settings(settings), get_client(sync_client=True) as client:
            yield Stage(server, receiver, client)
            EventsWorker.drain_all()


class Said(NamedTuple):
    """How a command ended, and what it printed and told."""

    exit_code: int
    stdout: str
    stderr: str


def typed(*arguments: str) -> Said:
    """Run ``armillary`` in this process."""
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console.out, "file", out)
        patch.setattr(console.err, "file", err)
        ended = CliRunner().invoke(app, arguments)
    return Said(ended.exit_code, out.getvalue() + ended.stdout, err.getvalue())


def shortened(to: Path) -> Path:
    """Our automations, with the shortest times of waiting for what does not come."""
    content = yaml.safe_load(FILE.read_text())
    for automation in content["automations"]:
        if automation["trigger"]["posture"] == "Proactive":
            # A run's own word may take long on a busy machine.
            own_word = "armillary.run.told" in automation["trigger"]["expect"]
            automation["trigger"]["within"] = WORD_SECONDS if own_word else LEAST_SECONDS
    path = to / "automations.yaml"
    path.write_text(yaml.safe_dump(content))
    return path
