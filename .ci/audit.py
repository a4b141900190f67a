"""Known holes in the packages that requirements.lock pins, by pip-audit and the OSV database.

Ends with 0 when there is none, or when nobody could be asked: then it says so in one line. Ends
with 1 for a hole that .ci/advisories.toml does not let pass, and for anything else that went wrong.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

OSV_URL = "https://api.osv.dev/v1/query"

ANSWER_SECONDS = 15

SERVER_FAILED = 500

UNREACHABLE = ("requests.exceptions.ConnectionError", "requests.exceptions.ReadTimeout")
"""How pip-audit ends when the network breaks while it asks."""


class AuditFailed(Exception):
    """The audit itself did not work; the message says why."""


class NobodyToAsk(Exception):
    """The advisory service cannot be reached from here; the message says why."""


@dataclass(frozen=True)
class Ignored:
    """An advisory that is let pass until a day."""

    id: str
    reason: str
    until: date


@dataclass(frozen=True)
class Hole:
    """A known hole in a pinned package."""

    package: str
    version: str
    names: tuple[str, ...]
    """The advisory's own id first, then what else it is called."""
    fixed_in: tuple[str, ...]
    description: str

    @property
    def words(self) -> str:
        """One line for a person."""
        fixed = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "not fixed yet"
        also = f" ({', '.join(self.names[1:])})" if len(self.names) > 1 else ""
        about = " ".join(self.description.split())[:200]
        return f"{self.package} {self.version}: {self.names[0]}{also}, {fixed}. {about}"


def main(arguments: list[str] | None = None) -> int:
    """Ask, and tell what was found; returns the exit code."""
    asked = _parsed(arguments)
    try:
        ignored = read_ignored(asked.ignored)
        reach(asked.osv_url)
        holes = ask(asked.lock, asked.osv_url)
    except NobodyToAsk as why:
        _say(f"Not audited: the advisory service cannot be reached from here ({why}).")
        return 0
    except AuditFailed as why:
        _say(f"The audit failed: {why}")
        return 1
    return judge(holes, ignored, asked.today)


def read_ignored(path: Path) -> list[Ignored]:
    """The advisories that are let pass.

    Raises:
        AuditFailed: the file is not what it has to be; each entry needs id, reason and until.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("ignored", [])
        found = [Ignored(entry["id"], entry["reason"].strip(), entry["until"]) for entry in entries]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise AuditFailed(
            f"{path.name} cannot be read ({type(error).__name__}: {error}): each entry has an id, "
            "a reason and a day (until)."
        ) from None
    for each in found:
        if not each.reason or type(each.until) is not date:
            raise AuditFailed(f"{path.name}: {each.id} needs a reason and a day (until).")
    return found


def reach(osv_url: str) -> None:
    """Ask about a package of no importance: is anybody there?

    Raises:
        NobodyToAsk: no connection, no answer, or a service that is down.
        AuditFailed: somebody is there, and it is not the advisory service.
    """
    body = json.dumps({"package": {"name": "pip", "ecosystem": "PyPI"}, "version": "0"}).encode()
    request = urllib.request.Request(osv_url, data=body)  # noqa: S310 - the address is an option
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
            json.loads(answer.read())
    except urllib.error.HTTPError as error:
        if error.code >= SERVER_FAILED:
            raise NobodyToAsk(f"it answered {error.code}") from None
        raise AuditFailed(f"{osv_url} answered {error.code}.") from None
    except ValueError:
        raise AuditFailed(f"{osv_url} answers something else than JSON.") from None
    except (OSError, http.client.HTTPException) as error:
        raise NobodyToAsk(str(getattr(error, "reason", error)) or type(error).__name__) from None


def ask(lock: Path, osv_url: str) -> list[Hole]:
    """The holes in what a lock pins; nothing is resolved, and no index is asked.

    Raises:
        NobodyToAsk: the network broke meanwhile.
        AuditFailed: pip-audit did not come to its end, or passed a package over.
    """
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock)]
    command += ["--require-hashes", "--disable-pip", "--strict", "--progress-spinner", "off"]
    command += ["--vulnerability-service", "osv", "--osv-url", osv_url, "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    try:
        told = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        if last.startswith(UNREACHABLE):
            raise NobodyToAsk("the connection broke") from None
        raise AuditFailed(f"pip-audit ended with {done.returncode}: {last}") from None
    if not told:
        raise AuditFailed(f"{lock.name} pins nothing.")
    return [_hole(package, found) for package in told for found in package["vulns"]]


def judge(holes: list[Hole], ignored: list[Ignored], today: date) -> int:
    """Tell what was found, and what may pass; returns the exit code."""
    left = 0
    for hole in holes:
        entry = next((each for each in ignored if each.id in hole.names), None)
        if entry is not None and today <= entry.until:
            _say(f"let pass until {entry.until}: {hole.words} Why: {entry.reason}")
            continue
        left += 1
        over = f" It was let pass until {entry.until}: look again." if entry else ""
        _say(f"hole: {hole.words}{over}")
    known = {name for hole in holes for name in hole.names}
    for entry in ignored:
        if entry.id not in known:
            _say(f"{entry.id} in advisories.toml is no hole any more: take it out.")
    if left:
        _say("Raise what has a fix (`make lock`), or give .ci/advisories.toml a reason and a day.")
        return 1
    _say("No known hole in what requirements.lock pins" + (" is left." if holes else "."))
    return 0


def _hole(package: dict[str, Any], found: dict[str, Any]) -> Hole:
    return Hole(
        package["name"],
        package["version"],
        (found["id"], *sorted(found.get("aliases", []))),
        tuple(found.get("fix_versions", [])),
        found.get("description") or "",
    )


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lock", type=Path, default=HERE.parent / "requirements.lock")
    parser.add_argument("--ignored", type=Path, default=HERE / "advisories.toml")
    parser.add_argument("--osv-url", default=OSV_URL)
    parser.add_argument("--today", type=date.fromisoformat, default=datetime.now(UTC).date())
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
