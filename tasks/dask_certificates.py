"""Certificates on the way to a Dask scheduler: they stand in Dask's own configuration."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from armillary.errors import ConfigurationError

_PREFIX = "DASK_DISTRIBUTED__COMM__TLS__"
_FILES = {
    f"{_PREFIX}CA_FILE": "ca-file",
    f"{_PREFIX}CLIENT__CERT": "client.cert",
    f"{_PREFIX}CLIENT__KEY": "client.key",
}
_KEY = f"{_PREFIX}CLIENT__KEY"
"""May be left out: a file can hold certificate and key."""

_NEXT_STEP = (
    f"Whoever keeps the scheduler has the files: name them in the environment of this machine "
    f"({', '.join(_FILES)}), or under distributed.comm.tls in Dask's own configuration "
    "(~/.config/dask); or leave ARMILLARY_TASK_RUNNER out: then threads of this process do the "
    "work."
)


def refuse_without_certificates(chosen: str, undone: str) -> None:
    """Without certificates Dask itself would end the run with words about a type.

    Args:
        chosen: address of a scheduler; anything but ``tls://`` needs none.
        undone: what a refusal says of the work.

    Raises:
        ConfigurationError: none are named, or what is named is not there.
    """
    if not chosen.startswith("tls://"):
        return
    try:
        import dask  # noqa: PLC0415 - an extra
    except ImportError:
        return  # so it is told in a moment
    of_dask: Any = dask
    named = {
        name: of_dask.config.get(f"distributed.comm.tls.{key}", None)
        for name, key in _FILES.items()
    }
    missing = [name for name, path in named.items() if not path and name != _KEY]
    if missing:
        raise ConfigurationError(
            f"ARMILLARY_TASK_RUNNER is {chosen}, and Dask's configuration of this machine names no "
            f"certificates: {' and '.join(missing)} must be set. {undone}",
            next_step=_NEXT_STEP,
        )
    absent = [f"{name}: {path}" for name, path in named.items() if path and not _readable(path)]
    if absent:
        raise ConfigurationError(
            f"ARMILLARY_TASK_RUNNER is {chosen}, and certificates that Dask's configuration names "
            f"cannot be read here ({'; '.join(absent)}). {undone}",
            next_step=_NEXT_STEP,
        )


def refuse_strangers(chosen: str, error: BaseException, undone: str) -> None:
    """Tell a scheduler that nobody vouches for from one that does not answer.

    Args:
        chosen: address of the scheduler.
        error: what came of connecting to it.
        undone: what a refusal says of the work.

    Raises:
        ConfigurationError: certificates are why.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            raise ConfigurationError(
                f"The Dask scheduler of ARMILLARY_TASK_RUNNER ({chosen}) and this machine do not "
                f"accept each other's certificates: {cause.reason or type(cause).__name__}. "
                + undone,
                next_step="The certificate authority that Dask's configuration names here "
                f"({_PREFIX}CA_FILE) must be the one that signed the scheduler's certificate, and "
                "the scheduler's own the one that signed this machine's.",
            ) from error
        cause = cause.__cause__ or cause.__context__


def _readable(path: str) -> bool:
    try:
        with Path(path).open("rb"):
            return True
    except OSError:
        return False
