"""A crew over a Dask scheduler in this process: what the run judges, and what a batch does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from prefect.exceptions import TerminationSignal

from armillary.runs.lease import Lease, held
from armillary.runs.record import RunRecord
from armillary.runs.store import RunStore, open_store
from armillary.sync.ground import survey
from armillary.sync.outage import Outage
from armillary.sync.outcome import Fate, Outcome
from armillary.sync.plan import CHANGES
from blocks.ptolemy import PtolemyWorkspace
from simulator import Simulator
from tasks.apply_changes import Applying
from tasks.call_count import CallCount
from tasks.dask_crew import DaskCrew
from tests.sync.chain import open_client, vendor_rows


class Runner:
    """Hands the work itself to Dask, without task runs of a Prefect server."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.given: list[dict[str, Any]] = []
        self.lost = False

    def submit(self, task: Any, parameters: dict[str, Any]) -> Any:
        self.given.append(parameters)
        work = _killed if self.lost else task.fn
        return _Future(self.client.submit(work, pure=False, **parameters))


def _killed(**given: Any) -> None:
    raise RuntimeError("the worker died")


@dataclass
class _Future:
    wrapped_future: Any

    def add_done_callback(self, fn: Any) -> None:
        self.wrapped_future.add_done_callback(lambda _: fn(self))

    def result(self, *, raise_on_failure: bool) -> Any:
        del raise_on_failure
        return self.wrapped_future.result().data


class Run:
    """A run that is applying a plan of creates."""

    def __init__(self, sim: Simulator, dask: Any, store: RunStore, lease: Lease) -> None:
        self.runner = Runner(dask)
        self.store = store
        with open_client(sim) as ptolemy:
            self.ground = survey(ptolemy, workspace="demo", instrument_type="equity")
            self.calls = CallCount(ptolemy.meter)
        self.crew = DaskCrew(
            self.runner,  # type: ignore[arg-type]
            PtolemyWorkspace(url=f"{sim.url}/v1", workspace="demo", token=sim.token_for("member")),
            self.ground,
            lease,
            self.calls,
            reserve_calls=0,
            max_reject_share=0.05,
            width=4,
            name=f"{id(self)}",
        )
        self.lease = lease

    def apply(self, changes: pl.DataFrame) -> tuple[Applying, list[Outcome]]:
        applying = Applying(
            changes,
            record=RunRecord(self.store, self.ground.workspace_id, "run-1"),
            lease=self.lease,
            outage=Outage(lambda: True, most_seconds=1),
            max_reject_share=0.05,
            short_of_calls=lambda: "",
            crew=self.crew,
        )
        return applying, self.crew.carry_out(applying, changes, 25, look_first=False)


@pytest.fixture
def run(sim: Simulator, dask: Any, runs_folder: Path) -> Iterator[Run]:
    store = open_store(str(runs_folder))
    with held(store, "w-1", "sync vendor", owner="run A", renewing=False) as lease:
        yield Run(sim, dask, store, lease)


def creates(count: int) -> pl.DataFrame:
    rows = [
        ("create", row["id"], None, number, [{"field": "name", "before": "", "after": row["name"]}])
        for number, row in enumerate(vendor_rows(count))
    ]
    return pl.DataFrame(rows, schema=CHANGES, orient="row")


def fates(outcomes: list[Outcome]) -> dict[Fate, int]:
    return {fate: n for fate in Fate if (n := sum(one.fate is fate for one in outcomes))}


def test_every_change_has_one_outcome_and_every_call_counts(sim: Simulator, run: Run) -> None:
    sim.reset_calls()
    applying, outcomes = run.apply(creates(130))
    assert fates(outcomes) == {Fate.APPLIED: 130}
    assert len({one.identifier for one in outcomes}) == 130
    assert applying.breaker.seen == 130
    assert run.calls.used == sum(sim.calls().values()) == 130
    waves = [given["part"].height for given in run.runner.given]
    assert (sum(waves[:4]), sum(waves[:8])) == (10, 100)


def test_a18_ten_equal_refusals_end_the_run_after_ten_writes(sim: Simulator, run: Run) -> None:
    sim.faults = [
        {"method": "POST", "path": "/instruments", "action": "status", "status": 422, "times": None}
    ]
    applying, outcomes = run.apply(creates(130))
    assert fates(outcomes) == {Fate.REJECTED: 10, Fate.NOT_ATTEMPTED: 120}
    assert applying.breaker.by_rejects
    assert applying.breaker.stopped.startswith("the first 10 writes failed alike")


def test_a_batch_that_is_lost_is_unknown_and_nothing_is_written_after_it(run: Run) -> None:
    run.runner.lost = True
    applying, outcomes = run.apply(creates(30))
    assert fates(outcomes) == {Fate.UNKNOWN: 10, Fate.NOT_ATTEMPTED: 20}
    assert "a batch in another process broke off" in applying.breaker.stopped


def test_a_scheduler_that_is_lost_ends_the_run_with_every_change_accounted_for(
    sim: Simulator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(task: Any, parameters: dict[str, Any]) -> Any:
        raise ConnectionError("the scheduler is gone")

    monkeypatch.setattr(run.runner, "submit", lost)
    applying, outcomes = run.apply(creates(30))
    assert fates(outcomes) == {Fate.NOT_ATTEMPTED: 30}
    assert "the Dask cluster failed: ConnectionError" in applying.breaker.stopped
    assert sim.state()["instruments"] == []


@pytest.mark.parametrize("kept", ["the signal", "its name"])
def test_a_cancelling_that_comes_while_a_batch_is_packed_is_no_fault_of_the_cluster(
    sim: Simulator, run: Run, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    """Pydantic makes an error of its own of a signal that is raised in the midst of its work."""

    def packed(task: Any, parameters: dict[str, Any]) -> Any:
        error = ValueError("Error calling function `ser_model`: TerminationSignal: ")
        raise error from (TerminationSignal(signal=15) if kept == "the signal" else None)

    monkeypatch.setattr(run.runner, "submit", packed)
    with pytest.raises(TerminationSignal):
        run.apply(creates(30))
    assert sim.state()["instruments"] == []


def test_a_batch_that_a_second_worker_begins_looks_before_it_creates(
    sim: Simulator, run: Run
) -> None:
    """Dask gives a dead worker's batch to another one, and does not say so."""
    run.apply(creates(1))
    [given] = run.runner.given
    for _ in range(2):  # the flag of the first time was cleared when its result was fetched
        sim.reset_calls()
        run.runner.submit(_task(), given).wrapped_future.result()
        said = dict(sim.calls())
    assert "POST /instruments" not in said
    assert said["GET /instruments/{id}"] == 1


def _task() -> Any:
    from tasks.dask_crew import apply_elsewhere  # noqa: PLC0415 - beside its use

    return apply_elsewhere


def test_a_batch_stops_when_the_run_is_over(sim: Simulator, run: Run) -> None:
    changes = creates(30)
    errand = run.crew._errand(
        Applying(
            changes,
            record=RunRecord(run.store, "w-1", "run-1"),
            lease=run.lease,
            outage=Outage(lambda: True, most_seconds=1),
            max_reject_share=0.05,
            short_of_calls=lambda: "",
        )
    )
    run.lease._release()
    given = {"errand": errand, "part": changes, "label": "", "look_first": False, "begun": "late"}
    report = run.runner.submit(_task(), given).result(raise_on_failure=False)
    assert "was given back at" in report.stopped
    assert {outcome.fate for _, outcome in report.done} == {Fate.NOT_ATTEMPTED}
    assert report.calls == 0
    assert sim.state()["instruments"] == []


def test_no_secret_in_what_travels_is_shown(sim: Simulator, run: Run) -> None:
    run.apply(creates(1))
    assert sim.token_for("member") not in repr(run.runner.given)
