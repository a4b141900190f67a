"""Exit codes: what a script or a scheduler learns from the end of a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from armillary.errors import ArmillaryError, ConfigurationError
from cli.console import err

FAILED = 1
WRONG_USAGE = 2
CANCELLED = 130


@contextmanager
def told_plainly() -> Iterator[None]:
    """End the command with one message and the right code instead of a traceback."""
    try:
        yield
    except ConfigurationError as error:
        _print(error)
        raise typer.Exit(WRONG_USAGE) from None
    except ArmillaryError as error:
        _print(error)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        err.print("Cancelled.")
        raise typer.Exit(CANCELLED) from None


def _print(error: ArmillaryError) -> None:
    err.print(f"[bold red]{type(error).__name__}[/]: ", end="")
    err.print(str(error), markup=False)
