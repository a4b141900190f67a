"""SFTP against OpenSSH's own server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from pydantic import SecretStr

from armillary.errors import ArmillaryError
from armillary.feeds.credentials import Credentials, Kept
from armillary.feeds.delivery import file_delivery
from armillary.feeds.remote import host_keys
from armillary.feeds.remote.sftp import SftpPlace
from armillary.feeds.source import Fetching, fetch
from tests.api.clocks import JumpClock
from tests.feeds.vendor import HEADER, definition
from tests.real import openssh
from tests.real.openssh import BreakingLine, Drop
from tests.real.programs import needed

pytestmark = pytest.mark.real

ROWS = HEADER + b"A,xasx,Alpha,AU1,100\n"
AT_REST = "Nothing was written. Start the sync again when the file is complete."
MENDED = "Nothing was written. Start the sync again when that is mended."


@pytest.fixture(scope="module")
def server() -> Iterator[Drop]:
    needed(openssh.PROGRAMS, openssh.PACKAGES)
    with openssh.openssh() as drop:
        yield drop


@pytest.fixture
def drop(server: Drop) -> Drop:
    for path in server.folder.iterdir():
        path.unlink()
    return server


def how(drop: Drop, **changed: Any) -> Fetching:
    as_whom = Credentials(username=drop.user, private_key=drop.private_key)
    return replace(Fetching(as_whom, host_key=drop.host_key), **changed)


def refusal(url: str, asked: Fetching, clock: JumpClock | None = None) -> str:
    with pytest.raises(ArmillaryError) as refused:
        fetch(url, asked, clock or JumpClock())
    assert refused.value.__context__ is None
    assert "PRIVATE KEY" not in str(refused.value)
    return str(refused.value)


class Busy(JumpClock):
    """Something happens while it sleeps."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__()
        self.happens = happens

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.happens()


def test_a_file_is_looked_at_twice_and_read(drop: Drop) -> None:
    clock = JumpClock()
    fetched = fetch(drop.put("asx.csv", ROWS), how(drop), clock)
    assert fetched.content == ROWS
    assert clock.slept == [5.0]
    mark = int((drop.folder / "asx.csv").stat().st_mtime)
    assert fetched.fingerprint == f"{mark} {len(ROWS)}"


def test_a_feed_with_its_key_in_the_environment_and_known_hosts(
    drop: Drop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{drop.port} {drop.host_key}\n")
    for name in ("equities_20261119.csv", "equities_20261120.csv", "equities_20261120_v2.csv"):
        drop.put(name, ROWS + name.encode() + b",xasx,N,AU2,1\n")
    feed = definition(
        url=drop.url("equities_{date:%Y%m%d}*.csv"),
        known_hosts=str(known),
        username=drop.user,
        private_key_variable="VENDOR_KEY",
        settle_seconds=0,
    )
    for value in (drop.private_key, str(drop.home / "desk")):
        monkeypatch.setenv("VENDOR_KEY", value)
        delivery = file_delivery(feed, clock=JumpClock())
        assert b"equities_20261120_v2.csv" in delivery.content
        assert delivery.business_date == date(2026, 11, 20)
        assert delivery.source == drop.url("equities_20261120_v2.csv")
    monkeypatch.delenv("VENDOR_KEY")
    file_delivery(feed, Kept(private_key=SecretStr(drop.private_key)), JumpClock())


def test_f25_another_host_key_is_never_accepted(drop: Drop) -> None:
    other = " ".join((drop.home / "desk.pub").read_text().split()[:2])
    shown = host_keys.fingerprint(host_keys._parts(drop.host_key)[1])
    url = drop.put("asx.csv", ROWS)
    assert refusal(url, how(drop, host_key=other)) == (
        f"{url} cannot be had: 127.0.0.1 shows another host key (ssh-ed25519 {shown}) than the "
        "feed vouches for. Either the vendor changed it, or somebody stands in between: nothing "
        "was sent. Ask the vendor on another way before the key in the feed is changed. "
        f"{MENDED}"
    )


def test_f25_a_host_that_is_not_known_is_never_accepted(drop: Drop, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"sftp.example {drop.host_key}\n")
    said = refusal(drop.put("asx.csv", ROWS), how(drop, host_key="", known_hosts=str(known)))
    assert "shows a host key that the feed does not know (" in said
    assert "SHA256:" in said
    assert f"127.0.0.1:{drop.port} shows" in said


def test_f25_a_key_that_is_not_let_in(drop: Drop) -> None:
    url = drop.put("asx.csv", ROWS)
    other = Credentials(username=drop.user, private_key=drop.other_key)
    assert refusal(url, how(drop, credentials=other)) == (
        f"{url} cannot be had: 127.0.0.1 does not let the user '{drop.user}' in with this private "
        f"key. {MENDED}"
    )
    word = Credentials(username=drop.user, password="hunter2-5d1f")
    assert "with this password" in refusal(url, how(drop, credentials=word))


@pytest.mark.parametrize(
    ("credentials", "said"),
    [
        (Credentials(password="x"), "sftp:// needs a user: set username"),
        (Credentials(username="me"), "sftp:// needs a password or a private key"),
        (
            Credentials(username="me", private_key="-----BEGIN NOTHING-----\n"),
            "the private key cannot be read: it is none of ed25519, ecdsa, rsa, or its password is "
            "another",
        ),
    ],
)
def test_what_is_missing_is_said(drop: Drop, credentials: Credentials, said: str) -> None:
    url = drop.url("asx.csv")
    assert refusal(url, how(drop, credentials=credentials)).startswith(
        f"The address {url} cannot be opened: {said}."
    )


def test_f03_a_file_that_grows_between_two_looks(drop: Drop) -> None:
    url = drop.put("asx.csv", ROWS)

    def grow() -> None:
        with (drop.folder / "asx.csv").open("ab") as file:
            file.write(b"B,xasx,Beta,AU2,100\n")

    clock = Busy(grow)
    assert refusal(url, how(drop), clock) == (
        f"{url} changed within 5 seconds: it is still being written. {AT_REST}"
    )
    # Whoever may wait gets it when it is at rest.
    clock = Busy(lambda: None if clock.slept[3:] else grow())
    found = fetch(url, how(drop, wait_minutes=10), clock)
    assert found.content.count(b"\n") == 6
    assert clock.slept == [5.0, 60.0, 5.0, 60.0, 5.0]


def test_f03_an_atomic_rename_while_it_is_read(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    url = drop.put("asx.csv", ROWS)
    # The vendor's next delivery takes the place between the second look and the reading.
    clock = Busy(lambda: drop.put("asx.csv", ROWS + b"B,xasx,Beta,AU2,100\n"))
    assert "changed within 5 seconds" in refusal(url, how(drop), clock)
    read = SftpPlace.read

    def replaced(place: SftpPlace, name: str, expected_bytes: int | None) -> bytes:
        content = read(place, name, expected_bytes)
        drop.put("asx.csv", ROWS[::-1])
        os.utime(drop.folder / "asx.csv", (1, 1))
        return content

    monkeypatch.setattr(SftpPlace, "read", replaced)
    assert refusal(url, how(drop)) == (
        f"{url} changed while it was read: it is still being written. {AT_REST}"
    )


def test_f03_a_marker(drop: Drop) -> None:
    url = drop.put("asx.csv", ROWS)
    assert "has not put asx.csv.done beside it" in refusal(url, how(drop, done_suffix=".done"))
    drop.put("asx.csv.done", b"")
    clock = JumpClock()
    assert fetch(url, how(drop, done_suffix=".done"), clock).content == ROWS
    assert clock.slept == []


@pytest.mark.parametrize("times", [1, 9])
def test_f25_a_connection_cut_in_the_middle(drop: Drop, times: int) -> None:
    content = HEADER + os.urandom(500_000).hex().encode()
    drop.put("asx.csv", content)
    line = BreakingLine(drop.port, breaks_after_bytes=300_000, times=times)
    url = drop.url("asx.csv", line.port)
    try:
        if times == 1:
            assert fetch(url, how(drop), JumpClock()).content == content
        else:
            said = refusal(url, how(drop))
            assert said.startswith(f"{url} could not be read to its end, 3 times (")
            assert said.endswith("Start the sync again when the source answers.")
        assert line.calls == min(times + 1, 3)
    finally:
        line.close()


def test_f01_f24_f25_what_is_not_there_or_not_a_file_or_not_allowed(drop: Drop) -> None:
    assert "has not been delivered: there is no such file." in refusal(
        drop.url("none.csv"), how(drop)
    )
    for name in ("none/asx.csv", "none/asx_*.csv"):
        said = refusal(drop.url(name), how(drop))
        assert f"cannot be had: 127.0.0.1 has no folder '{drop.folder}/none'." in said
    folder = f"sftp://127.0.0.1:{drop.port}{drop.folder}"
    assert f"{folder} is a folder: the feed definition has to name one file." in refusal(
        folder, how(drop)
    )
    if os.geteuid():  # root may read everything
        url = drop.put("asx.csv", ROWS)
        (drop.folder / "asx.csv").chmod(0)
        assert "may not be read by this user" in refusal(url, how(drop))


def test_f24_a_link_on_the_drop_is_no_delivery(drop: Drop) -> None:
    drop.put("asx_1.csv", ROWS)
    (drop.folder / "asx_2.csv").symlink_to("/etc/hostname")
    found = fetch(drop.url("asx_*.csv"), how(drop), JumpClock())
    assert (found.content, found.warnings) == (ROWS, ())


def test_nobody_answers(drop: Drop) -> None:
    url = "sftp://127.0.0.1:9/asx.csv"
    assert refusal(url, how(drop)).startswith(
        f"{url} cannot be had: 127.0.0.1 refuses the connection: no service listens at that port."
    )


def test_a_protected_key_and_its_password(drop: Drop) -> None:
    key = serialization.load_ssh_private_key(drop.private_key.encode(), None)
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.BestAvailableEncryption(b"pass-phrase"),
    ).decode()
    url = drop.put("asx.csv", ROWS)
    asked = how(drop, credentials=Credentials(username=drop.user, private_key=text))
    assert "the private key is protected: give its password, too" in refusal(url, asked)
    whole = replace(asked.credentials, password="pass-phrase")
    assert fetch(url, replace(asked, credentials=whole), JumpClock()).content == ROWS


def test_the_log_of_paramiko_tells_no_secret(drop: Drop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    word = Credentials(username=drop.user, password="hunter2-5d1f")
    refusal(drop.put("asx.csv", ROWS), how(drop, credentials=word))
    assert "hunter2" not in caplog.text


def test_f26_a_drop_is_only_read_so_nothing_can_fail_behind_the_work(drop: Drop) -> None:
    """No file is moved to an archive folder: the run record knows what was applied."""
    url = drop.put("asx.csv", ROWS)
    before = sorted((path.name, path.stat().st_mtime_ns) for path in drop.folder.iterdir())
    first, again = (fetch(url, how(drop), JumpClock()) for _ in range(2))
    assert (first.content, first.fingerprint) == (again.content, again.fingerprint)
    after = sorted((path.name, path.stat().st_mtime_ns) for path in drop.folder.iterdir())
    assert after == before
    log = (drop.home / "log").read_text()
    assert not any(word in log for word in ("Refusing", "rename", "remove", "mkdir"))
