"""The Dockerfile, as far as it shows without an engine.

Not shown here: that the base image is there under its name, that the locked wheels install on it,
and that the finished image starts. What an engine would run is looked at: what is copied exists and
is not ignored, the code builds of what is copied and of nothing else, the lock is whole, and its
pins are those of the tests.
"""

from __future__ import annotations

import fnmatch
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import requires, version
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("armillary", "blocks", "tasks", "flows", "cli", "simulator")
MINOR = "3.11"
"""The Python that the tests run with in CI, and that the lock was made for."""


class Step(NamedTuple):
    """An instruction of the Dockerfile."""

    name: str
    words: list[str]


def steps() -> list[Step]:
    """All of them, with continued lines joined."""
    lines = [
        line
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [Step(line.split()[0], shlex.split(line)[1:]) for line in joined]


STEPS = steps()
FINAL = STEPS[[step.name for step in STEPS].index("FROM", 1) :]


def copied() -> list[str]:
    """What comes from the repository."""
    found = [step.words for step in STEPS if step.name == "COPY"]
    return [path for words in found if "--from=build" not in words for path in words[:-1]]


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps it from the engine: the last line that matches decides."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    verdict = False
    for line in [line for line in lines if line and not line.startswith("#")]:
        pattern = line.removeprefix("!")
        anywhere = pattern.removeprefix("**/")
        hit = (
            any(fnmatch.fnmatch(part, anywhere) for part in path.split("/"))
            if anywhere != pattern
            else pattern in {"*", path} or path.startswith(f"{pattern}/")
        )
        if hit:
            verdict = not line.startswith("!")
    return verdict


def pins(path: str) -> dict[str, frozenset[str]]:
    """The words of each requirement of a lock: its pin, its marker and its hashes."""
    joined = (ROOT / path).read_text().replace("\\\n", " ").splitlines()
    found = [line.split() for line in joined if line.strip() and not line.strip().startswith("#")]
    return {canonicalize_name(re.split(r"[=\[]", words[0])[0]): frozenset(words) for words in found}


LOCK = pins("deploy/requirements.lock")


# What is copied


def test_what_is_copied_is_there_and_reaches_the_engine() -> None:
    assert {"pyproject.toml", "prefect.yaml", "automations.yaml", *PACKAGES} <= set(copied())
    for path in copied():
        assert (ROOT / path).exists(), path
        assert not ignored(path), path


def test_nothing_else_reaches_the_engine() -> None:
    """No environment, no history, and no file with secrets that was forgotten in the folder."""
    for path in (".git/config", ".venv/bin/python", ".env", "practice/token", "tests/conftest.py"):
        assert ignored(path)
    assert ignored("armillary/__pycache__/errors.cpython-311.pyc")
    assert not ignored("armillary/runs/record.py")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The files of the wheel that is built of what is copied, as the build stage does it."""
    folder = tmp_path_factory.mktemp("build")
    for path in copied():
        if (ROOT / path).is_dir():
            unneeded = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / path, folder / path, ignore=unneeded)
        else:
            shutil.copy(ROOT / path, folder)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir"]
    told = subprocess.run(
        [*pip, *offline, str(folder / "wheels"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    (built,) = (folder / "wheels").iterdir()
    return zipfile.ZipFile(built).namelist()


def test_the_code_is_whole_in_the_image(wheel: list[str]) -> None:
    wanted = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted <= set(wheel)
    metadata = {name for name in wheel if ".dist-info/" in name}
    assert set(wheel) - metadata == wanted
    assert any(name.endswith("entry_points.txt") for name in metadata)


# What is installed


def test_the_lock_holds_what_the_tests_ran_with() -> None:
    """``make lock`` makes it of the other one; pins and hashes are the same."""
    tested = pins("requirements.lock")
    differing = [name for name, words in LOCK.items() if tested.get(name) != words]
    assert differing == []
    assert all(any("--hash=sha256:" in word for word in words) for words in LOCK.values())


def test_the_lock_is_whole_and_has_nothing_for_developers() -> None:
    """Nothing is resolved in the image: what Armillary needs, and what that needs, is pinned."""
    needed: dict[str, str] = {}
    extras = ("postgresql", "connector", "calendars")
    to_see = [("setuptools", ""), *[("armillary", extra) for extra in extras]]
    seen = set()
    while to_see:
        name, extra = to_see.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for line in requires(name) or []:
            found = Requirement(line)
            if found.marker is None or found.marker.evaluate({"extra": extra}):
                dependency = canonicalize_name(found.name)
                needed[dependency] = name
                to_see += [(dependency, ""), *[(dependency, one) for one in found.extras]]
    assert sorted(set(needed) - set(LOCK)) == []
    assert sorted(set(LOCK) - set(needed)) == ["setuptools"]
    assert {"pytest", "mypy", "moto", "playwright"}.isdisjoint(LOCK)


def test_what_is_installed_is_checked_and_nothing_is_resolved() -> None:
    said = [" ".join(step.words) for step in STEPS if step.name == "RUN"]
    (locked,) = [line for line in said if "requirements.lock" in line]
    assert "--no-deps --require-hashes" in locked
    assert any("-m pip check" in line for line in said)
    installs = [line for line in said if "pip install" in line]
    assert all("--no-cache-dir" in line for line in installs)
    assert len(installs) == 2


# How it runs


def test_the_base_is_pinned_and_of_the_python_that_was_tested() -> None:
    bases = {step.words[0] for step in STEPS if step.name == "FROM"}
    assert len(bases) == 1
    assert re.fullmatch(rf"python:{re.escape(MINOR)}\.\d+-slim-\w+", bases.pop())


def test_it_runs_as_nobody_in_particular_and_writes_below_tmp_alone() -> None:
    (user,) = [step.words[0] for step in FINAL if step.name == "USER"]
    assert all(int(part) >= 10_000 for part in user.split(":"))
    variables = dict(
        word.split("=", 1) for step in FINAL if step.name == "ENV" for word in step.words
    )
    assert variables["HOME"] == "/tmp"
    assert variables["PREFECT_HOME"].startswith("/tmp/")
    assert variables["PYTHONDONTWRITEBYTECODE"] == "1"


def test_no_secret_and_no_address_is_in_it() -> None:
    assert "ARG" not in {step.name for step in STEPS}
    named = [word for step in STEPS if step.name == "ENV" for word in step.words]
    assert not [word for word in named if re.search(r"(?i)token|password|secret|_key", word)]
    assert not re.search(r"https?://", (ROOT / "Dockerfile").read_text())


def test_its_worker_takes_the_pool_of_the_deployments() -> None:
    (command,) = [step.words for step in FINAL if step.name == "CMD"]
    assert " ".join(command) == "[prefect, worker, start, --pool, default, --type, process]"
    assert "\n      name: default\n" in (ROOT / "prefect.yaml").read_text()


@pytest.mark.parametrize("name", ["Dockerfile", "deploy/docker-pool.json", "prefect.yaml"])
def test_it_is_of_the_version_of_the_package(name: str) -> None:
    named = re.findall(r'(?:armillary:|version: ")(\d+\.\d+\.\d+)', (ROOT / name).read_text())
    assert named
    assert set(named) == {version("armillary")}


def test_the_linter_has_nothing_to_say() -> None:
    program = Path(sys.executable).parent / "hadolint"
    told = subprocess.run(
        [program, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert "$(BIN)/hadolint Dockerfile\n" in (ROOT / "Makefile").read_text()
