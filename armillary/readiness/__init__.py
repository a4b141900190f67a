"""Is everything ready? One finding for each thing a run needs, with what to do about it.

Nothing here knows Prefect: what a server has comes in as plain values (``cli/check_server.py``).
"""

from armillary.readiness.finding import Finding, Level, worst

__all__ = ["Finding", "Level", "worst"]
