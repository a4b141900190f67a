"""Armillary keeps Ptolemy's instruments aligned: plan, guard, apply, back up, prove.

Plain Python that imports no Prefect; flows, tasks and blocks stand on it.
"""

__version__ = "0.1.0"
