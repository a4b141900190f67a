"""Which deployment a run belongs to."""

from __future__ import annotations

from prefect.runtime import deployment, flow_run


def deployed_as() -> str:
    """``<flow>/<deployment>``; blank for a run that a person started by hand.

    Prefect asks its server, and tries but once: to be called when a run begins, because a server
    that is away later must not cost a run its result.
    """
    return f"{flow_run.flow_name}/{deployment.name}" if deployment.name else ""
