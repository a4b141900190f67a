"""A client bound to one workspace, and the arguments the three scripts have in common."""

from __future__ import annotations

import argparse

import httpx

TIMEOUT_SECONDS = 60.0
UNFINISHED = ("queued", "processing")
RESOURCE_TYPES = (
    "instruments",
    "markets",
    "market_listings",
    "market_listing_suspensions",
    "time_series_values",
    "composite_time_series_values",
)
"""The backup guide's six, each after what it refers to (contract section 13)."""


def connect(workspace_url: str, token: str) -> httpx.Client:
    """A client whose paths start at the workspace, as the guides' samples assume."""
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=workspace_url, headers=headers, timeout=TIMEOUT_SECONDS)


def argument_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser that knows ``--url``, ``--workspace`` and ``--token``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--url", required=True, help="the API, such as http://127.0.0.1:8700/v1")
    parser.add_argument("--workspace", required=True, help="slug or UUID")
    parser.add_argument("--token", required=True)
    return parser


def connect_as_asked(arguments: argparse.Namespace) -> httpx.Client:
    """The client that these arguments describe."""
    return connect(f"{arguments.url}/workspaces/{arguments.workspace}", arguments.token)
