"""The control path ``/_simulator``: no token, loopback only, never counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from simulator.cadenza.control import CadenzaControl
from simulator.cadenza.service import Cadenza
from simulator.clock import SimulatorClock
from simulator.config import Config
from simulator.exchange import Answer, Incoming, Refusal
from simulator.faults import Change, FaultPlan, FaultRates, JobScript, Rule
from simulator.ptolemy import dump, seeding
from simulator.ptolemy.service import Ptolemy
from simulator.ptolemy.workspace import Workspace

PREFIX = "/_simulator/"
_rules = TypeAdapter(list[Rule])


class Control:
    """What tests see and steer; the same as methods and over HTTP."""

    def __init__(
        self, ptolemy: Ptolemy, cadenza: Cadenza, clock: SimulatorClock, server: Any
    ) -> None:
        self.ptolemy = ptolemy
        self.cadenza = CadenzaControl(cadenza)
        self._cadenza = cadenza
        self._clock = clock
        self._server = server
        self._handlers: dict[tuple[str, str], Callable[[Incoming], Any]] = {
            ("GET", "state"): self._state,
            ("GET", "digest"): self._digest,
            ("GET", "calls"): self._calls,
            ("GET", "log"): self._log,
            ("POST", "reset-calls"): self._reset_calls,
            ("PUT", "faults"): self._faults,
            ("POST", "seed"): self._seed,
            ("POST", "config"): self._config,
            ("POST", "advance"): self._advance,
            ("POST", "revoke"): self._revoke,
            ("GET", "cadenza"): self._cadenza_state,
            ("POST", "cadenza"): self._cadenza_steered,
        }

    def answer(self, incoming: Incoming) -> Answer:
        """Handle a request below ``/_simulator/``."""
        handler = self._handlers.get((incoming.method, incoming.raw_path[len(PREFIX) :]))
        if handler is None:
            known = ", ".join(f"{method} {name}" for method, name in self._handlers)
            return Answer(404, {"message": f"The control path knows: {known}"})
        try:
            return Answer(200, handler(incoming))
        except ValidationError as error:
            return Answer(422, {"message": str(error)})
        except Refusal as refusal:
            return Answer(refusal.status, {"message": refusal.message})

    # The methods.

    def workspace(self, key: str | None = None) -> Workspace:
        """A workspace by slug or UUID; the first when none is named."""
        if key is None:
            return next(iter(self.ptolemy.workspaces.values()))
        found = self.ptolemy.workspace(key)
        if found is None:
            raise Refusal(404, f"No workspace {key!r}")
        return found

    def plan(self, rules: list[Rule], rates: FaultRates | None = None) -> None:
        """Replace the fault plan; random rates stay unless given."""
        config = self.ptolemy.config
        changes: dict[str, Any] = {"faults": rules}
        if rates is not None:
            changes["fault_rates"] = rates
        config = config.model_copy(update=changes)
        self.ptolemy.configure(config)
        self._server.plan = FaultPlan(rules, config.fault_rates, config.seed)

    def configure(self, changes: dict[str, Any]) -> Config:
        """Change configuration keys; the fault plan starts anew only when it is among them."""
        config = self.ptolemy.config.changed(changes)
        self.ptolemy.configure(config)
        self._cadenza.configure(config.cadenza)
        if {"faults", "fault_rates", "seed"} & changes.keys():
            self._server.plan = FaultPlan(config.faults, config.fault_rates, config.seed)
        return config

    def change(self, scope: str, change: Change) -> Answer:
        """Make a write, uncounted, with the rights of an admin; ``/cadenza`` steers that."""
        if change.path == "/cadenza":
            return Answer(200, self.cadenza.do(change.json_body))
        workspace = self.workspace(scope or None)
        return self.ptolemy.inside(workspace, change.method, change.path, change.json_body)

    def script_job(self, scope: str, answer: Answer, script: JobScript) -> None:
        """Let the job an answer tells of go wrong."""
        value = answer.value if isinstance(answer.value, dict) else {}
        job_id = value.get("data", value).get("id", "")
        workspace = self.workspace(scope or None)
        for jobs in (workspace.imports, workspace.exports):
            job = jobs.table.by_id(job_id)
            if job is not None:
                job.script = script

    def revoke(self, name: str) -> None:
        """Revoke a token by its name, such as ``demo:member``."""
        token = self.ptolemy.access.named(name)
        if token is None:
            raise Refusal(404, f"No token named {name!r}")
        token.revoked = True

    def close(self) -> None:
        """Let go of the files of exports."""
        for workspace in self.ptolemy.workspaces.values():
            workspace.exports.close()

    # The same over HTTP.

    def _of(self, incoming: Incoming) -> Workspace:
        return self.workspace(incoming.query.get("workspace"))

    def _state(self, incoming: Incoming) -> Any:
        return dump.state(self._of(incoming))

    def _digest(self, incoming: Incoming) -> Any:
        return {"digest": dump.digest(self._of(incoming))}

    def _calls(self, _incoming: Incoming) -> Any:
        return self._server.recorder.calls()

    def _log(self, incoming: Incoming) -> Any:
        return {"log": self._server.recorder.log(int(incoming.query.get("limit", "0")) or None)}

    def _reset_calls(self, _incoming: Incoming) -> Any:
        self._server.recorder.reset()
        return {}

    def _faults(self, incoming: Incoming) -> Any:
        body = incoming.json()
        given = body if isinstance(body, list) else body.get("faults", [])
        rates = body.get("fault_rates") if isinstance(body, dict) else None
        self.plan(
            _rules.validate_python(given),
            None if rates is None else FaultRates.model_validate(rates),
        )
        return {"rules": len(given)}

    def _seed(self, incoming: Incoming) -> Any:
        body = incoming.json()
        return {"added": seeding.seed(self.workspace(body.pop("workspace", None)), body)}

    def _config(self, incoming: Incoming) -> Any:
        config = self.configure(incoming.json())
        own = {"accounts", "venues"}
        left_out: Any = {"workspaces": True, "faults": True, "cadenza": own}
        return config.model_dump(mode="json", exclude=left_out)

    def _advance(self, incoming: Incoming) -> Any:
        self._clock.advance(float(incoming.json()["seconds"]))
        return {"now": self._clock.now()}

    def _revoke(self, incoming: Incoming) -> Any:
        name = incoming.json()["token"]
        self.revoke(name)
        return {"revoked": name}

    def _cadenza_state(self, _incoming: Incoming) -> Any:
        return self.cadenza.state()

    def _cadenza_steered(self, incoming: Incoming) -> Any:
        return {"result": self.cadenza.do(incoming.json())}
