"""The page of run forms: every flow with its parameters, as the Prefect UI shows them."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any

from prefect import Flow

import flows
from docs_site.schema import allowed, default
from docs_site.tables import table

HEAD = """# The run forms

What the Prefect UI shows when a flow is run by hand, in its order. What the flows do with it, and
what the parameters of the commands are called: [the flows](flows.md). An empty field means *not
given*.

"""


def page() -> str:
    """The page, made from the flows' own schemas."""
    return HEAD + "".join(_form(flow) for flow in all_flows())


def all_flows() -> list[Flow[Any, Any]]:
    """The flows of the collection, by name."""
    modules = [
        import_module(f"flows.{found.name}") for found in pkgutil.iter_modules(flows.__path__)
    ]
    found = {
        value.name: value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, Flow) and value.fn.__module__ == module.__name__
    }
    return [found[name] for name in sorted(found)]


def _form(flow: Flow[Any, Any]) -> str:
    schema = flow.parameters
    in_order = sorted(schema.properties.items(), key=lambda item: item[1].get("position", 0))
    rows = [
        (
            str(field.get("title", name)),
            f"`{name}`",
            str(field.get("description", "")),
            allowed(field, schema.definitions),
            default(name, field, schema.required),
        )
        for name, field in in_order
    ]
    head = ("field", "parameter", "meaning", "allowed", "default")
    about = (flow.description or "").partition("\nArgs:")[0].partition("\n\n")[0]
    return f"## `{flow.name}`\n\n{about.strip()}\n\n{table(head, rows)}"
