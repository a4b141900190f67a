"""Commands of the pages that are not carried out here: why, and which test covers each."""

from __future__ import annotations

from typing import NamedTuple


class Covered(NamedTuple):
    """Why a command is only looked at, and where it is carried out."""

    reason: str
    by: str
    """A file or folder of the repository."""


ENDS_NEVER = "it stays until Ctrl-C"
OWN_SERVER = "it needs a Prefect server with its services, or seconds of a process of Prefect's own"

LOOKED_AT: dict[str, Covered] = {
    "make setup": Covered("it installs from a package index", ".ci/run"),
    "make test": Covered("it is what runs this", ".ci/run"),
    "make demo": Covered("it takes a minute", "tests/cli/test_commands.py"),
    "make up": Covered(ENDS_NEVER, "tests/browser/test_stack.py"),
    "make bench": Covered("it takes an hour", "tests/benchmarks"),
    "make audit": Covered("it asks an advisory service", "tests/security"),
    "make docs": Covered("it is part of `make lint`", "tests/docs/test_site.py"),
    "armillary alerts": Covered(OWN_SERVER, "tests/alerts/test_alerts_server.py"),
    "armillary demo": Covered("it takes a minute", "tests/cli/test_commands.py"),
    "armillary up": Covered(ENDS_NEVER, "tests/browser/test_stack.py"),
    "armillary simulate": Covered(ENDS_NEVER, "tests/simulator/test_serve.py"),
    "moto_server": Covered(ENDS_NEVER, "cli/parts.py"),
    "python -m benchmarks": Covered("it takes minutes", "tests/benchmarks"),
    "python benchmarks/": Covered("it takes minutes", "tests/benchmarks"),
    "prefect server start": Covered(ENDS_NEVER, "tests/servers.py"),
    "prefect worker start": Covered(ENDS_NEVER, "tests/flows/test_deployments.py"),
    "prefect block register": Covered(OWN_SERVER, "tests/flows/test_deployments.py"),
    "prefect work-pool create": Covered(OWN_SERVER, "tests/flows/test_deployments.py"),
    "prefect work-pool set-concurrency-limit": Covered(
        OWN_SERVER, "tests/deploy/test_two_workers_hundred_feeds.py"
    ),
    "prefect gcl create": Covered(OWN_SERVER, "tests/flows/test_shared_limit.py"),
    "prefect deploy ": Covered(OWN_SERVER, "tests/flows/test_deployments.py"),
    "prefect deployment run": Covered(OWN_SERVER, "tests/browser"),
}
"""By the beginning of a command. Options, deployments, parameters and targets have to be real."""

HOST = Covered("it changes the machine", "tests/deploy")
ENGINE = Covered("it needs an engine for containers", "tests/deploy/test_image.py")
AWS = Covered("it needs the AWS command line and jq", "tests/real/test_aws_command.py")

NOT_TYPED: dict[str, Covered] = {
    "sudo git clone ADDRESS": Covered("it installs from a package index", ".ci/run"),
    "sudo systemctl enable --now": Covered("it needs systemd", "tests/deploy/test_two_workers.py"),
    "docker build": ENGINE,
    "docker run": ENGINE,
    "sudo ": HOST,
    "docker ": ENGINE,
    "aws s3 ls --recursive s3://backups/demo": AWS,
    "aws s3 sync s3://backups/demo": AWS,
    "aws s3api copy-object": Covered(
        "it is for a bucket with versions and a file that was damaged",
        "tests/real/test_aws_command.py",
    ),
    "zcat changes.ndjson.gz": Covered(
        "it is typed in the folder of a run's record", "tests/flows/test_approval_and_revert.py"
    ),
    "python3 -c 'import hashlib, json; page": Covered(
        "it belongs to the files of the block before", "tests/docs/test_backup_pages.py"
    ),
}
"""Whole blocks, by the beginning of their first command."""
