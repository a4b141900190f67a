"""The simulated API as a whole: from a request to the workspace it is about, and its judging."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simulator.clock import SimulatorClock
from simulator.config import Config
from simulator.exchange import Admission, Answer, Incoming, Location, Refusal, encode
from simulator.ptolemy import refusals, wiring
from simulator.ptolemy.access import Access, Token
from simulator.ptolemy.call import Call
from simulator.ptolemy.routes import Route, Routes
from simulator.ptolemy.workspace import Workspace
from simulator.router import Match

BASE = "v1/workspaces"
UNKNOWN = "unknown"


@dataclass(slots=True)
class Target:
    """What a located request is about."""

    workspace: Workspace | None
    match: Match[Route] | None


class Ptolemy:
    """All workspaces of the simulated API."""

    def __init__(self, config: Config, clock: SimulatorClock) -> None:
        self.config = config
        self.clock = clock
        self.access = Access(config)
        self.workspaces: dict[str, Workspace] = {}
        self._routes: dict[str, Routes] = {}
        for seeded in config.workspaces:
            workspace = Workspace(seeded, config, clock)
            self.workspaces[workspace.slug] = workspace
            self._routes[workspace.slug] = wiring.routes(workspace)

    def configure(self, config: Config) -> None:
        """Take over switches while running."""
        self.config = config
        for workspace in self.workspaces.values():
            workspace.configure(config)

    def workspace(self, key: str) -> Workspace | None:
        """A workspace by slug or UUID (contract section 1)."""
        found = self.workspaces.get(key)
        if found is not None:
            return found
        wanted = key.lower()
        return next((w for w in self.workspaces.values() if w.id == wanted), None)

    def locate(self, incoming: Incoming) -> Location | None:
        """Every path below ``/v1`` is this service's."""
        segments = incoming.segments
        if segments[:1] != ["v1"]:
            return None
        parts = segments[3:]
        path = "/" + incoming.raw_path.strip("/").partition(f"{BASE}/")[2].partition("/")[2]
        if segments[:2] != BASE.split("/") or len(segments) < 3:  # noqa: PLR2004
            return Location(UNKNOWN, incoming.raw_path, "", Target(None, None))
        workspace = self.workspace(segments[2])
        router = self._routes[(workspace or self._first()).slug].router
        match = router.match(parts)
        template = match.template or "/" if match else UNKNOWN
        return Location(template, path, segments[2], Target(workspace, match))

    def admit(self, incoming: Incoming, location: Location) -> Admission:
        """Authenticate, count the call, apply quota and burst limit."""
        try:
            token = self.access.authenticate(
                incoming.headers.get("authorization"), self.clock.now()
            )
        except Refusal as refusal:
            return Admission("-", {}, refusal)
        home = self.workspaces[token.workspace]
        refusal_429 = home.quota.call(self.config, token.name)
        headers = self._headers(home)
        return Admission(token.name, headers, refusal_429 or self._stranger(token, location), token)

    def answer(self, incoming: Incoming, location: Location, admission: Admission) -> Answer:
        """Do what is asked."""
        target: Target = location.target
        token: Token = admission.token
        if target.workspace is None or target.workspace.slug != token.workspace:
            return self._of_another_workspace(incoming, location, token)
        match = target.match
        if match is None:
            raise Refusal(404, f"Nothing is at {location.path}", code="not_found")
        route = match.methods.get(incoming.method)
        if route is None:
            allow = {"Allow": ", ".join(sorted(match.methods))}
            raise Refusal(405, f"{incoming.method} is not possible here", headers=allow)
        if not token.may(route.role):
            raise Refusal(403, f"The role {token.role} may not do this", code="role")
        if incoming.too_large:
            raise Refusal(413, "The body is too large", code="too_large")
        call = Call(incoming, target.workspace, token, match.template, match.parameters)
        return route.handler(call)

    def inside(self, workspace: Workspace, method: str, path: str, body: Any) -> Answer:
        """Do something with the rights of an admin, uncounted and unlogged."""
        content = b"" if body is None else encode(body)
        headers = {"content-type": "application/json"}
        raw_path = f"/{BASE}/{workspace.slug}{path}"
        incoming = Incoming(method, raw_path, "", headers, content)
        location = self.locate(incoming)
        admission = Admission("simulator", {}, token=Token("simulator", workspace.slug, "admin"))
        if location is None:
            raise Refusal(404, f"Nothing is at {path}")
        return self.answer(incoming, location, admission)

    def refuse(self, refusal: Refusal, admission: Admission) -> Answer:
        """The answer for a refusal, its body by N1."""
        return refusals.answer(refusal, self.config.error_body, admission.headers)

    def expired_cursor_status(self) -> int:
        """By N8."""
        return self.config.cursor_expired

    def _first(self) -> Workspace:
        return next(iter(self.workspaces.values()))

    def _headers(self, workspace: Workspace) -> dict[str, str]:
        style = self.config.remaining_header
        if style == "absent":
            return {}
        remaining = str(workspace.quota.remaining(self.config))
        return {"X-RateLimit-Remaining": remaining if style == "present" else "plenty"}

    def _stranger(self, token: Token, location: Location) -> Refusal | None:
        target: Target = location.target
        if target.workspace is not None and target.workspace.slug == token.workspace:
            return None
        reading = self.config.wrong_workspace
        if target.workspace is None or reading == "empty":
            missing = target.workspace is None
            return Refusal(404, "No such workspace", code="not_found") if missing else None
        return Refusal(reading, "No such workspace for this token", code="workspace")

    def _of_another_workspace(self, incoming: Incoming, location: Location, token: Token) -> Answer:
        """A37, reading ``empty``: the token's own workspace, and lists with nothing in them."""
        if location.template == "/":
            value = self.workspaces[token.workspace].present()
            return Answer(200, value if self.config.single_object == "bare" else {"data": value})
        last = location.template.rpartition("/")[2]
        is_list = incoming.method == "GET" and location.template.count("/") == 1
        if is_list or (incoming.method == "POST" and last == "filter"):
            meta = {"next_cursor": None, "has_more": False}
            return Answer(200, {"data": [], "meta": meta})
        if incoming.method == "POST" and last == "count":
            return Answer(200, {"data": {"count": 0}})
        raise Refusal(404, "Nothing is here", code="not_found")
