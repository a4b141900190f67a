"""The page of deployments: what ``prefect.yaml`` holds, in the order of the file."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from docs_site.tables import code, table

ROOT = Path(__file__).resolve().parents[1]

HEAD = """# The deployments

What [prefect.yaml](../../prefect.yaml) makes known to a Prefect server. A schedule may have
parameters of its own: they take the place of the deployment's. Deployments without a schedule are
started by hand, in the UI or with `prefect deployment run`; what changes something plans there,
unless `mode` is set to `apply`.

"""

_DAYS = ("Sundays", "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays")
_MOST_TIMES = 3

_COLLISIONS = {
    "CANCEL_NEW": "a further start is cancelled",
    "ENQUEUE": "a further start waits",
}


def page() -> str:
    """The page, made from the file."""
    content = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    deployments = content["deployments"]
    overview = table(
        ("deployment", "flow", "when"),
        ((code(it["name"]), code(_flow(it)), _overview(it)) for it in deployments),
    )
    return HEAD + overview + "".join(_deployment(it) for it in deployments)


def _deployment(entry: dict[str, Any]) -> str:
    parameters = table(
        ("parameter", "value"),
        ((code(name), _value(value)) for name, value in entry.get("parameters", {}).items()),
    )
    told = (
        f"## `{_flow(entry)}/{entry['name']}`\n\n{' '.join(entry['description'].split())}\n\n"
        f"{_limit(entry.get('concurrency_limit'))}\n\n{parameters}"
    )
    schedules = entry.get("schedules") or []
    if schedules:
        rows = [
            (code(it.get("slug", "")), _time(it), _values(it.get("parameters", {})), _active(it))
            for it in schedules
        ]
        told += table(("schedule", "when", "its own parameters", ""), rows)
    return told


def _flow(entry: dict[str, Any]) -> str:
    module, _, name = entry["entrypoint"].rpartition(".")
    return str(getattr(import_module(module), name).name)


def _limit(limit: Any) -> str:
    if limit is None:
        return "Any number of runs at once."
    if isinstance(limit, int):
        return f"At most {limit} at once."
    many = "One run at a time" if limit["limit"] == 1 else f"At most {limit['limit']} runs at once"
    return f"{many}; {_COLLISIONS[limit.get('collision_strategy', 'ENQUEUE')]}."


def _overview(entry: dict[str, Any]) -> str:
    times = list(dict.fromkeys(_time(schedule) for schedule in entry.get("schedules") or []))
    if len(times) > _MOST_TIMES:
        return f"{len(times)} schedules, below"
    return "; ".join(times) or "on request"


def _time(schedule: dict[str, Any]) -> str:
    if "cron" in schedule:
        return f"{in_words(schedule['cron'])}, {schedule.get('timezone', 'UTC')}"
    if "interval" in schedule:
        return f"every {schedule['interval']} seconds"
    return code(schedule.get("rrule", ""))


def in_words(cron: str) -> str:
    """When a cron line fires: in words if it is one of the usual ones, else as it stands."""
    minute, hour, day, month, weekday = cron.split()
    if month != "*" or not minute.isdigit() or (day != "*" and weekday != "*"):
        return code(cron)
    if hour == day == weekday == "*":
        return f"{int(minute)} minutes past each hour"
    if not hour.isdigit():
        return code(cron)
    at = f"at {int(hour):02}:{int(minute):02}"
    if weekday.isdigit():
        return f"{_DAYS[int(weekday) % 7]} {at}"
    if day.isdigit():
        return f"day {day} of each month {at}"
    return {"*": f"every day {at}", "1-5": f"weekdays {at}"}.get(weekday, code(cron))


def _active(schedule: dict[str, Any]) -> str:
    return "" if schedule.get("active", True) else "paused"


def _values(parameters: dict[str, Any]) -> str:
    return ", ".join(f"`{name}`: {_value(value)}" for name, value in parameters.items())


def _value(value: Any) -> str:
    if isinstance(value, dict) and "$ref" in value:
        return f"the block `{value['$ref']['block_document_slug']}`"
    return code(value)
