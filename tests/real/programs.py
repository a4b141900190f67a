"""Programs of other projects that a test cannot do without."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import pytest

from tests import conftest


def needed(programs: Sequence[str], packages: Sequence[str], path: str | None = None) -> None:
    """Skip the test where one is missing; fail it where ARMILLARY_REQUIRE_REAL=1 asks for them.

    ``path`` is where to look, as in PATH; None: in PATH itself.
    """
    missing = [program for program in programs if shutil.which(program, path=path) is None]
    if not missing:
        return
    words = (
        f"not installed here: {', '.join(missing)}. On Debian: apt-get install "
        f"{' '.join(packages)} (.ci/run does it)"
    )
    if conftest.REAL_IS_REQUIRED:
        pytest.fail(f"ARMILLARY_REQUIRE_REAL=1, and {words}", pytrace=False)
    pytest.skip(words)
