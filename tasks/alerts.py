"""Hooks of flows that tell people: what turned bad, what is good again, and that a run lives.

They are called by Prefect after the state was set, the one for crashes in another process than the
flow ran in. Only runs of deployments tell: whoever types a command reads its outcome, and what a
laptop learned must not keep the schedule's next failure from being told (decision 0039).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from logging import Logger, LoggerAdapter
from typing import Any, TypeAlias

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.objects import State as RunState
from prefect.events import emit_event
from prefect.flows import Flow
from prefect.logging.loggers import flow_run_logger
from prefect.utilities.urls import url_for

from armillary.alerts.heartbeat import Beat, beat
from armillary.alerts.standing import News, learn
from armillary.alerts.words import Told, subjects, text, title
from armillary.errors import ArmillaryError
from armillary.settings import Settings
from tasks.alert_subjects import WITH_SUBJECTS, Given, answer, learnt
from tasks.sync_run import open_runs

Log: TypeAlias = "Logger | LoggerAdapter[Logger]"
AnyFlow: TypeAlias = Flow[Any, Any]

RAISED = "armillary.alert.raised"
CLEARED = "armillary.alert.cleared"
TOLD = "armillary.run.told"
"""The end of this run was looked at: nobody else has to tell it."""

TAG = "armillary"
"""Every deployment of ours has it; automations know our runs by it."""

BEATING = frozenset(
    {"sync-instruments", "publish-venue", "sync-venues", "backup-workspace", "verify-backup"}
)
"""Flows whose scheduled runs ping the heartbeat, unless they only plan."""

AFTER_THE_STATE_SECONDS = 2.0
"""The word that a run was told counts only if the server has heard of its state before, which comes
by another way."""

NOTHING_LEARNT = frozenset({"AlreadyRunning", "Planned", "PlannedWithheld"})

_EXIT_CODE = re.compile(r"status code:? *(-?\d+)")


def tell_start(flow: AnyFlow, flow_run: FlowRun, state: RunState[Any]) -> None:
    """Ping the heartbeat at the start of a scheduled run; for ``on_running``. Never raises."""
    del state
    with _never_raising(flow, flow_run) as log:
        _beat(flow, flow_run, "start", log)


def tell_end(flow: AnyFlow, flow_run: FlowRun, state: RunState[Any]) -> None:
    """Tell what the end changes; for ``on_completion`` and ``on_failure``. Never raises."""
    with _never_raising(flow, flow_run):
        _tell(flow, flow_run, state)
    with _never_raising(flow, flow_run) as log:
        if state.name not in NOTHING_LEARNT:
            _beat(flow, flow_run, "success" if state.is_completed() else "fail", log)


def tell_crash(flow: AnyFlow, flow_run: FlowRun, state: RunState[Any]) -> None:
    """Raise the alert of a run's subject when its process died; for ``on_crashed``.

    It runs in another process than the flow did. Never raises.
    """
    with _never_raising(flow, flow_run):
        _tell(flow, flow_run, state)
    with _never_raising(flow, flow_run) as log:
        _beat(flow, flow_run, "fail", log)


@contextmanager
def _never_raising(flow: AnyFlow, flow_run: FlowRun) -> Iterator[Log]:
    log = flow_run_logger(flow_run, flow)
    try:
        yield log
    except Exception as error:  # noqa: BLE001 - the data work stands, whatever becomes of the telling
        # Only our own errors are sure to hold no secret.
        why = str(error) if isinstance(error, ArmillaryError) else f"{type(error).__name__}."
        log.warning("People could not be told how this run ended: %s", why)


def _tell(flow: AnyFlow, flow_run: FlowRun, state: RunState[Any]) -> None:
    """Emit at most one event of trouble and one of good news, then that the end was looked at."""
    if flow_run.deployment_id is None:
        return
    if not _only_plans(flow, flow_run):
        # A plain one: Prefect's own kind of time cannot be kept.
        store, now = open_runs(), datetime.fromtimestamp(state.timestamp.timestamp(), UTC)
        given = Given(flow_run.parameters)
        left = learnt(flow.name, given, state, scheduled=flow_run.auto_scheduled)
        if given.lost:
            # Under another name than usual it could never be cleared: the server tells each run.
            return
        news = [
            found
            for subject, kind in left
            if (found := learn(store, subject, kind, run_id=str(flow_run.id), now=now))
        ]
        for cleared, event in ((False, RAISED), (True, CLEARED)):
            if told := [each for each in news if each.cleared is cleared]:
                _emit(event, told, flow_run, _told(flow_run, state))
    if not state.is_completed() and not _nobody_looks(flow, flow_run):
        time.sleep(AFTER_THE_STATE_SECONDS)
        emit_event(
            TOLD,
            resource={"prefect.resource.id": f"prefect.flow-run.{flow_run.id}"},
            related=_related(flow_run)[1:],
        )


def _only_plans(flow: AnyFlow, flow_run: FlowRun) -> bool:
    """Whether the run was not to write anything: whoever wanted the plan looks at it."""
    if "mode" not in flow.parameters.properties:
        return False
    return flow_run.parameters.get("mode") != "apply"


def _nobody_looks(flow: AnyFlow, flow_run: FlowRun) -> bool:
    """A scheduled run of which nothing is kept: its failure is told by the server, each time."""
    kept = flow.name in WITH_SUBJECTS and not _only_plans(flow, flow_run)
    return flow_run.auto_scheduled and not kept


def _emit(event: str, news: Sequence[News], flow_run: FlowRun, told: Told) -> None:
    first = news[0]
    emit_event(
        event,
        resource={
            "prefect.resource.id": first.subject.resource,
            "prefect.resource.name": subjects(news),
            "armillary.operation": first.subject.operation,
            "armillary.kind": first.kind.value,
        },
        related=_related(flow_run),
        payload={
            "title": title(news),
            "text": text(news, told),
            "state": told.state,
            "since": min(each.since for each in news).isoformat(),
            "subjects": [
                {"subject": each.subject.words, "is": each.kind.value, "was": each.before.value}
                for each in news
            ],
            "run_id": str(flow_run.id),
            "url": told.url,
        },
    )


def _related(flow_run: FlowRun) -> list[dict[str, str]]:
    """The run, its flow, its deployment and its tags: in a hook nobody else adds them."""
    run = {
        "prefect.resource.id": f"prefect.flow-run.{flow_run.id}",
        "prefect.resource.role": "flow-run",
        "prefect.resource.name": flow_run.name,
    }
    others = [
        {"prefect.resource.id": f"prefect.{role}.{found}", "prefect.resource.role": role}
        for role, found in (("flow", flow_run.flow_id), ("deployment", flow_run.deployment_id))
    ]
    tags = [
        {"prefect.resource.id": f"prefect.tag.{tag}", "prefect.resource.role": "tag"}
        for tag in sorted({TAG, *flow_run.tags})
    ]
    return [run, *others, *tags]


def _told(flow_run: FlowRun, state: RunState[Any]) -> Told:
    url = url_for("flow-run", obj_id=flow_run.id, url_type="ui")
    return Told(state.name or "", _message(state), flow_run.name, url or "")


def _message(state: RunState[Any]) -> str:
    """What the run said; words that are not ours might hold a secret and stay at home."""
    if state.is_crashed():
        code = _EXIT_CODE.search(state.message or "")
        return f"Its process died{f' (status code {code[1]})' if code else ''}."
    if state.is_completed():
        return state.message or ""
    error = answer(state)
    if isinstance(error, ArmillaryError):
        return state.message or str(error)
    return f"It ended by an unexpected {type(error).__name__}; the log of the run has the details."


def _beat(flow: AnyFlow, flow_run: FlowRun, what: Beat, log: Log) -> None:
    if not flow_run.auto_scheduled or flow.name not in BEATING or _only_plans(flow, flow_run):
        return
    url = Settings().heartbeat_url.get_secret_value()
    if not url:
        return
    deployment = _deployment(flow_run) if "{deployment}" in url else ""
    if trouble := beat(url, what, flow=flow.name, deployment=deployment):
        log.warning("The heartbeat (%s) did not arrive: %s", what, trouble)


def _deployment(flow_run: FlowRun) -> str:
    if flow_run.deployment_id is None:
        return ""
    with get_client(sync_client=True) as client:
        return client.read_deployment(flow_run.deployment_id).name
