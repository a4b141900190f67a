"""Without the programs a test is skipped in words; where they are required it fails."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests import conftest
from tests.real import ceph
from tests.real.programs import needed
from tests.servers import ROOT

WORDS = (
    "not installed here: ceph-authtool, monmaptool, ceph-mon, ceph-osd, radosgw, radosgw-admin. "
    "On Debian: apt-get install ceph-mon ceph-osd radosgw ceph-common (.ci/run does it)"
)


def test_where_it_is_not_required_the_test_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conftest, "REAL_IS_REQUIRED", False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(pytest.skip.Exception) as raised:
        needed(ceph.PROGRAMS, ceph.PACKAGES)
    assert str(raised.value) == WORDS


def test_where_it_is_required_the_test_fails() -> None:
    test = "tests/real/test_second_store.py::test_s13_a_second_manifest_is_refused"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", test],
        cwd=ROOT,
        env=os.environ | {"PATH": "/nowhere", "ARMILLARY_REQUIRE_REAL": "1", "COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "1 error" in done.stdout
    assert f"ARMILLARY_REQUIRE_REAL=1, and {WORDS}" in done.stdout
