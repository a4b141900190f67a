"""``armillary verify``: is a backup what was written, and can it be restored?"""

from __future__ import annotations

from typing import Any, Literal

import typer

from armillary.backup.place import place_of
from armillary.backup.verified import Verified, headline, recovered_rows
from armillary.backup.verify import parse_slice
from armillary.errors import ConfigurationError
from armillary.restore.sample import MOST_SAMPLED, SAMPLE
from armillary.settings import Settings
from cli.answers import answer_of
from cli.backup import store_block
from cli.backups import print_table
from cli.console import out, print_json, showing_progress
from cli.exits import told_plainly
from cli.prefect_server import prefect_api


def verify(
    backup: str = typer.Option("latest", help="Id; latest is the newest complete one."),
    depth: Literal["present", "content", "restore"] = typer.Option(
        "content",
        help="Ask the store about each file; read the files back; or do that and restore a sample "
        "into the scratch workspace (ARMILLARY_SCRATCH_WORKSPACE).",
    ),
    slice: str = typer.Option("", help="As in 2/7: read only this part of the files."),  # noqa: A002
    sample: str = typer.Option(
        str(SAMPLE), help="With depth restore: so many instruments, or all for everything."
    ),
    workspace: str = typer.Option("", help="Slug; needed when the store holds backups of several."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
    verbose: bool = typer.Option(False, "--verbose", help="Show Prefect's own log as well."),
) -> None:
    """Verify that a backup is still what was written, or prove that it can be restored."""
    with told_plainly():
        settings = Settings()
        place_of(settings)  # what is wrong here is told before ten seconds of server start
        asked: dict[str, Any] = {"depth": depth}
        if slice:
            parse_slice(slice, depth)
            asked["slice"] = slice
        if depth == "restore":
            asked |= {"sample": parse_sample(sample), "scratch": scratch_block(settings)}
        with prefect_api(verbose=verbose):
            result = run_verify(settings, backup, workspace, **asked)
    print_json(result.as_dict()) if as_json else print_verified(result)
    raise typer.Exit(result.exit_code)


def run_verify(
    settings: Settings, backup: str = "latest", workspace: str = "", **asked: Any
) -> Verified:
    """Run the flow in this process.

    Args:
        settings: of the machine.
        backup: id, or latest.
        workspace: whose; blank for the only one there is.
        asked: further parameters of the flow.

    Raises:
        ArmillaryError: nothing could be said of the backup.
    """
    from flows.verify_backup import verify_backup  # noqa: PLC0415 - Prefect costs a second

    with showing_progress():
        state = verify_backup(
            store_block(settings), backup, workspace=workspace or None, return_state=True, **asked
        )
    return answer_of(state, Verified, Verified)


def scratch_block(settings: Settings) -> Any:
    """The scratch workspace of the machine's settings.

    Raises:
        ConfigurationError: none is named.
    """
    token = settings.scratch_token.get_secret_value()
    named = {"WORKSPACE": settings.scratch_workspace, "TOKEN": token}
    missing = [f"ARMILLARY_SCRATCH_{name}" for name, value in named.items() if not value]
    if missing:
        raise ConfigurationError(
            f"{' and '.join(missing)} must be set for depth restore.",
            next_step="A scratch workspace is for restore drills alone: a drill writes into it and "
            "clears it again.",
        )
    from blocks import PtolemyWorkspace  # noqa: PLC0415 - Prefect costs a second

    return PtolemyWorkspace(
        url=settings.ptolemy_url,
        workspace=settings.scratch_workspace,
        token=settings.scratch_token,
        concurrency_limit=settings.ptolemy_concurrency_limit or None,
    )


def parse_sample(text: str) -> int | Literal["all"]:
    """Read ``200`` or ``all``.

    Raises:
        ConfigurationError: it is neither.
    """
    if text.strip() == "all":
        return "all"
    if text.strip().isdecimal() and 1 <= int(text) <= MOST_SAMPLED:
        return int(text)
    raise ConfigurationError(
        f"--sample is {text!r}.",
        next_step=f"Give a number of instruments, from 1 to {MOST_SAMPLED:,}, or all.",
    )


def print_verified(result: Verified) -> None:
    """What was found, for a person."""
    out.print(headline(result), markup=False)
    recovery = result.recovery
    if recovery is not None:
        print_table(recovered_rows(recovery), right={"rows", "came out the same", "seconds"})
        for difference in recovery.differences:
            out.print(f"differs: {difference}", markup=False)
    for problem in result.problems:
        out.print(f"problem: {problem.subject}: {problem.what}", markup=False)
    for note in result.notes:
        out.print(f"note: {note}", markup=False)
    for left in recovery.left_over if recovery else ():
        out.print(left, markup=False)
    out.print("proven by a restore" if result.proven else "not proven by a restore")
    out.print(f"place: {result.place}", markup=False)
