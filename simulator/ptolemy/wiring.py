"""The routes of a workspace (contract sections 8 to 17)."""

from __future__ import annotations

from simulator.exchange import Answer, Refusal
from simulator.ptolemy.call import Call
from simulator.ptolemy.routes import Handler, Routes
from simulator.ptolemy.workspace import Workspace


def routes(workspace: Workspace) -> Routes:
    """All routes of one workspace."""
    found = Routes()
    found.add("GET", "/", _workspace)
    found.add("GET", "/plan", _plan)
    _types(found, workspace)
    _records(found, workspace)
    _tags(found, workspace)
    _jobs(found, workspace)
    _events(found, workspace)
    return found


def _types(found: Routes, workspace: Workspace) -> None:
    for types in (workspace.instrument_types, workspace.market_types, workspace.series_types):
        found.readable(types)
        found.add("POST", f"/{types.path}", types.create)
    for fields in (workspace.instrument_fields, workspace.market_fields, workspace.series_fields):
        found.readable(fields)
        found.add("POST", f"/{fields.path}", fields.create)


def _records(found: Routes, workspace: Workspace) -> None:
    found.writable(workspace.instruments)
    found.writable(workspace.markets)
    found.writable(workspace.listings)
    found.writable(workspace.suspensions)
    found.writable(workspace.calendars, gate=_calendars)
    found.writable(workspace.scalar_values)
    found.writable(workspace.composite_values)
    found.readable(workspace.composite_items)


def _tags(found: Routes, workspace: Workspace) -> None:
    for tags, carriers in (
        (workspace.instrument_tags, workspace.instruments),
        (workspace.series_tags, workspace.series_types),
    ):
        found.writable(tags)
        template = f"/{carriers.path}/{{id}}/tags"
        found.add("POST", template, tags.add, "member")
        found.add("PUT", template, tags.replace, "member")


def _jobs(found: Routes, workspace: Workspace) -> None:
    imports, exports = workspace.imports, workspace.exports
    for jobs in (imports, exports):
        found.add("GET", f"/{jobs.path}", jobs.list)
        found.add("GET", f"/{jobs.path}/{{id}}", jobs.get)
    found.add("POST", "/imports", imports.create, "member")
    found.add("POST", "/imports/{id}/cancel", imports.cancel, "member")
    found.add("POST", "/exports", exports.create, "member")


def _events(found: Routes, workspace: Workspace) -> None:
    webhooks = workspace.webhooks
    found.readable(workspace.events)
    found.readable(webhooks, count=False)
    found.add("GET", "/webhooks/{id}/subscriptions", webhooks.subscriptions)
    found.add("POST", "/webhooks", webhooks.refuse_write)
    found.add("PATCH", "/webhooks/{id}", webhooks.refuse_write)
    found.add("DELETE", "/webhooks/{id}", webhooks.refuse_write)


def _calendars(handler: Handler) -> Handler:
    """N5: the path may not exist."""

    def gated(call: Call) -> Answer:
        if call.config.calendars == "absent":
            raise Refusal(404, f"Nothing is at {call.template}", code="not_found")
        return handler(call)

    return gated


def _workspace(call: Call) -> Answer:
    call.query(())
    return call.single(call.workspace.present())


def _plan(call: Call) -> Answer:
    """Usage (section 17); the names are not documented."""
    call.query(())
    workspace, config = call.workspace, call.config
    quota = workspace.quota
    value = {
        "plan": "simulator",
        "overage": config.overage,
        "api_calls": {
            "used": quota.calls_used,
            "limit": config.api_calls,
            "remaining": quota.remaining(config),
        },
        "database_items": {"used": quota.items_used, "limit": config.items},
    }
    return call.single(value)
