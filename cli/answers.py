"""What a flow that ran in this process came to."""

from __future__ import annotations

from typing import Any, TypeVar

from armillary.errors import ArmillaryError

Answer = TypeVar("Answer")
Other = TypeVar("Other")


def answer_of(state: Any, kind: type[Answer], other: type[Other]) -> Answer | Other:
    """The result of a flow run; a failure that keeps its result gives that.

    Args:
        state: the run's final state.
        kind: of the result.
        other: what it may come to instead, such as ``LeaseHeld``.

    Raises:
        ArmillaryError: there is no result; the message says why.
    """
    answer = state.result(raise_on_failure=False)
    for found in (answer, getattr(answer, "result", None)):
        if isinstance(found, kind | other):
            return found
    if isinstance(answer, BaseException):
        raise answer
    raise ArmillaryError(f"The run ended {state.name}: {state.message}")
