"""What stands behind a desk: simulators, a store, and the answers to what a page leaves open."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
import yaml
from prefect.cli._app import _app as prefect_commands
from prefect.settings import PREFECT_API_URL

from docs_site.forms import all_flows
from simulator import Config, Simulator
from simulator.config import WorkspaceConfig
from tests.docs import desk
from tests.docs.desk import ROOT, Asked, Program
from tests.docs.not_run import LOOKED_AT
from tests.runs.s3 import LoopbackS3

WORKSPACES = ("demo", "my-workspace", "rescue", "desk-scratch")
BUCKETS = ("backups", "my-backups")

_BACKUP = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ(?:-\d+)?")
_DIGEST = re.compile(r"--approve ([0-9a-f]{64})")
_RUN = re.compile(r"^run ([0-9a-f-]{36})", re.MULTILINE)


@dataclass
class World:
    """One simulator and one store, as a reader finds them after the steps so far."""

    sim: Simulator
    store: LoopbackS3
    digest: str = ""
    """Of the last plan that asked to be approved."""
    run: str = ""
    """The last run that wrote."""
    access: str = ""
    """Cadenza's token of the last login by hand."""
    known: set[str] = field(default_factory=set)
    """Commands that another story runs: they are only parsed."""
    backups: list[str] = field(default_factory=list)
    """Ids of those of everything, oldest first."""

    @property
    def environment(self) -> dict[str, str]:
        """What a terminal has before the first export."""
        return {
            "COLUMNS": "200",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": "practice",
            "AWS_SECRET_ACCESS_KEY": "practice",
            "AWS_DEFAULT_REGION": "us-east-1",
            "ARMILLARY_POLL_SECONDS": "0.02",
        }

    @property
    def programs(self) -> dict[str, Program]:
        """What is played, by the name it is typed as."""
        return {
            ".venv/bin/armillary": self._armillary,
            "armillary": self._armillary,
            ".venv/bin/python": self._python,
            ".venv/bin/moto_server": lambda asked: _looked_at("moto_server", asked),
            ".venv/bin/prefect": _prefect,
            "prefect": _prefect,
            "make": _make,
            "curl": self._curl,
        }

    def filled_in(self, text: str) -> str:
        """The text of a block with the addresses of this world."""
        for address, here in {
            "http://127.0.0.1:8700": self.sim.url,
            "http://127.0.0.1:8701": self.sim.url,
            "http://127.0.0.1:the-printed-port": self.sim.url,
            "http://127.0.0.1:9000": self.store.url,
            "http://127.0.0.1:4200/api": str(PREFECT_API_URL.value()),
            # That would be waited for, fourteen seconds; this is refused for good.
            '"errno": 18013, "times": 4': '"errno": 18005, "times": 1',
        }.items():
            text = text.replace(address, here)
        return text

    def _armillary(self, asked: Asked) -> int:
        if asked.arguments[0] in {"simulate", "up", "demo", "alerts"}:
            return _looked_at("armillary", asked)
        if " ".join(asked.arguments) in self.known:
            return desk.parsed(asked)
        self._at_home(asked)
        code = desk.armillary(asked)
        self._learn(asked)
        return code

    def _python(self, asked: Asked) -> int:
        if asked.arguments[0] not in {"-", "-c"}:
            return _looked_at("python", asked)
        self._at_home(asked)
        return desk.python(asked)

    def _at_home(self, asked: Asked) -> None:
        """Fill in what a page leaves open, and leave no way out of this machine."""
        known = asked.environment
        if asked.arguments[0] != "check":  # which works without a server, and looks at one
            known.setdefault("PREFECT_API_URL", str(PREFECT_API_URL.value()))
        known["ARMILLARY_PTOLEMY_URL"] = f"{self.sim.url}/v1"
        known["ARMILLARY_STORE_ENDPOINT_URL"] = self.store.url
        known.setdefault("ARMILLARY_RUNS", "practice/runs")
        for name in ("PTOLEMY", "SCRATCH"):
            if workspace := known.get(f"ARMILLARY_{name}_WORKSPACE"):
                token = self.sim.config.token(workspace, "member")
                known[f"ARMILLARY_{name}_TOKEN"] = token
        known["ARMILLARY_CADENZA_URL"] = self.sim.url
        account = self.sim.config.cadenza.accounts[0]
        if "ARMILLARY_CADENZA_EMAIL" in known:
            known["ARMILLARY_CADENZA_EMAIL"] = account.email
            known["ARMILLARY_CADENZA_PASSWORD"] = account.password
        ids = sorted({found for part in asked.arguments for found in _BACKUP.findall(part)})
        real = dict(zip(ids, self.backups[-len(ids) :] if ids else [], strict=False))
        asked.arguments = [self._resolved(part, real) for part in asked.arguments]

    def _resolved(self, part: str, ids: dict[str, str]) -> str:
        part = {"DIGEST": self.digest, "RUN_ID": self.run}.get(part, part)
        return _BACKUP.sub(lambda found: ids[found[0]], part) if ids else part

    def _learn(self, asked: Asked) -> None:
        said = asked.out.getvalue()
        if digests := _DIGEST.findall(said):
            self.digest = digests[-1]
        if asked.arguments[0] in {"sync", "publish"} and "apply" in asked.arguments:
            self.run = (_RUN.findall(said) or [self.run])[-1]
        if asked.arguments[0] == "backup" and "--resource-type" not in asked.arguments:
            for found in _BACKUP.findall(said.partition("\n")[0]):
                self.backups.append(found)

    def _curl(self, asked: Asked) -> int:
        known = ArgumentParser()
        for option in ("-X", "-d"):
            known.add_argument(option)
        known.add_argument("-H", action="append", default=[])
        known.add_argument("-s", action="store_true")
        known.add_argument("url")
        given = known.parse_args(asked.arguments)
        headers = dict(header.split(": ", 1) for header in given.H)
        if "Authorization" in headers:
            headers["Authorization"] = f"Bearer {self.access}"
        method = given.X or ("POST" if given.d else "GET")
        answer = httpx.request(method, given.url, content=given.d, headers=headers)
        said = answer.raise_for_status().text
        if given.url.endswith("/auth/login"):
            self.access = re.findall(r'"accessToken": ?"([^"]+)"', said)[0]
        asked.out.write(said + "\n")
        return 0


def new_world(store: LoopbackS3) -> World:
    """A simulator with every workspace that a page names."""
    described = [WorkspaceConfig(slug=slug) for slug in WORKSPACES]
    return World(Simulator(Config.preset("reference", workspaces=described)), store)


def _looked_at(program: str, asked: Asked) -> int:
    """Nothing happens: it has to be listed, with the test that carries it out."""
    command = " ".join([program, *asked.arguments])
    assert any(command.startswith(it) for it in LOOKED_AT), f"neither run nor listed: {command}"
    return 0


def _make(asked: Asked) -> int:
    """A target of the Makefile; the suite itself is started by them."""
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    [named] = [part for part in asked.arguments if "=" not in part]
    assert named in targets, named
    return _looked_at("make", asked)


def _prefect(asked: Asked) -> int:
    """A command of Prefect: as its own parser takes it, and about a deployment that is there."""
    arguments = [part for part in asked.arguments if part != "--no-prompt"]
    if arguments[:2] == ["deployment", "run"]:
        _startable(arguments[2], [part for part in arguments[3:] if part != "--param"])
    if arguments[:2] == ["deploy", "--name"]:
        assert arguments[2] in {name for _, name in deployments()}, arguments
    prefect_commands.parse_args(arguments, exit_on_error=False, print_error=False)
    asked.arguments = arguments
    return _looked_at("prefect", asked)


def _startable(name: str, parameters: list[str]) -> None:
    flow, _, deployment = name.partition("/")
    assert (flow, deployment) in deployments(), name
    [schema] = [known.parameters for known in all_flows() if known.name == flow]
    assert {part.partition("=")[0] for part in parameters} <= set(schema.properties), parameters


@cache
def deployments() -> frozenset[tuple[str, str]]:
    """Flow and name of each deployment of ``prefect.yaml``."""
    entries: list[dict[str, Any]] = yaml.safe_load((ROOT / "prefect.yaml").read_text())[
        "deployments"
    ]
    flows = {f"{flow.fn.__module__}.{flow.fn.__name__}": flow.name for flow in all_flows()}
    return frozenset((flows[entry["entrypoint"]], entry["name"]) for entry in entries)
