from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from armillary.errors import FeedRefused
from armillary.feeds.delivery import file_delivery
from armillary.feeds.newest import Newest, Pattern
from tests.api.clocks import JumpClock
from tests.feeds.vendor import HEADER, Vendor, definition

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ADVICE = (
    " Nothing was written. Make the pattern in the feed definition narrower, or have the vendor "
    "mend the drop."
)
DATED = "equities_{date:%Y%m%d}*.csv"


def newest(pattern: str, *names: str) -> Newest | None:
    return Pattern(pattern).newest(names, NOW, "sftp://drop.example/out/")


def refusal(pattern: str, *names: str) -> str:
    with pytest.raises(FeedRefused) as refused:
        newest(pattern, *names)
    message = str(refused.value)
    assert message.endswith(ADVICE)
    return message.removesuffix(ADVICE)


def test_f06_the_newest_business_date_then_the_sequence_others_are_named() -> None:
    names = (
        "equities_20261124.csv",
        "equities_20261125_v2.csv",
        "equities_20261125_v10.csv",
        "equities_20261125.csv",
        "equities_20261123_v99.csv",
        "bonds_20261125.csv",
        "equities_latest.csv",
    )
    assert newest(DATED, *names) == Newest(
        "equities_20261125_v10.csv",
        date(2026, 11, 25),
        "equities_20261125_v10.csv was read, the newest of 5 files that match "
        "equities_{date:%Y%m%d}*.csv; not read: equities_20261125_v2.csv, equities_20261125.csv, "
        "equities_20261124.csv and 1 more.",
    )


def test_f06_one_match_needs_no_words_and_none_is_none() -> None:
    assert newest(DATED, "equities_20261125.csv") == Newest(
        "equities_20261125.csv", date(2026, 11, 25)
    )
    assert newest(DATED, "equities.csv") is None


def test_f06_a_future_business_date_is_refused() -> None:
    assert refusal(DATED, "equities_20261124.csv", "equities_20261127.csv") == (
        "sftp://drop.example/out/ holds equities_20261127.csv, whose business date 2026-11-27 has "
        "not begun anywhere: the name or the clock of this machine is wrong."
    )
    # In Kiribati it is tomorrow already.
    assert newest(DATED, "equities_20261126.csv") is not None


@pytest.mark.parametrize(
    "names",
    [
        ("equities_20261125_v01.csv", "equities_20261125_v1.csv"),
        ("equities_20261125_final.csv", "equities_20261125_v2.csv"),
        ("equities_20261125_US.csv", "equities_20261125_EU.csv"),
    ],
)
def test_f06_two_that_cannot_be_ordered_are_refused(names: tuple[str, str]) -> None:
    said = refusal(DATED, *names)
    assert said.endswith("which of them is newer cannot be told from their names.")
    assert all(name in said for name in names)


def test_f06_without_a_date_the_numbers_decide() -> None:
    found = newest("equities_*.csv", "equities_2026-11-09.csv", "equities_2026-11-25.csv")
    assert found is not None
    assert (found.name, found.business_date) == ("equities_2026-11-25.csv", None)
    assert "equities_readme.csv" in refusal(
        "equities_*.csv", "equities_20261125.csv", "equities_readme.csv"
    )


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("{date:%d.%m.%Y}.csv", "25.11.2026.csv"),
        ("{date:%y%m%d}.csv", "261125.csv"),
        ("{date:%d%b%Y}.csv", "25Nov2026.csv"),
        ("{date:%Y-%j}.csv", "2026-329.csv"),
    ],
)
def test_dates_of_every_form(written: str, day: str) -> None:
    found = newest(written, day)
    assert found is not None
    assert found.business_date == date(2026, 11, 25)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "x_{date:%Y%m}.csv",
            "the date '%Y%m' names no day; write it as in {date:%Y%m%d}",
        ),
        (
            "x_{date:%Y%W%d}.csv",
            "the date '%Y%W%d' cannot be read in a name; known are %Y, %m, %d, %y, %j, %b, as in "
            "{date:%Y%m%d}",
        ),
        (
            "{date:%d}_{date:%Y%m%d}.csv",
            "a pattern names one date, as in equities_{date:%Y%m%d}*.csv",
        ),
        (
            "{date:%Y%m%d}/x.csv",
            "only the last part of url may be a pattern, no folder: name the one folder that the "
            "files come into",
        ),
        ("s3://drop/*/x.csv", "only the last part of url may be a pattern, no folder: name the"),
        ("x_{date}.csv", "a date in a pattern says how it is written, as in {date:%Y%m%d}"),
        (
            "https://vendor.example/x_{date:%Y%m%d}.csv",
            "a web server has no list of its files, so url cannot be a pattern there: name the one "
            "file",
        ),
    ],
)
def test_patterns_that_cannot_be(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"(?s).") as error:
        definition(url=url)
    assert said in str(error.value)


def test_f06_a_pattern_in_a_folder(vendor: Vendor) -> None:
    for name in ("equities_20261119.csv", "equities_20261120.csv", "equities_20261120.csv.md5"):
        vendor.delivers(HEADER + name.encode() + b",xasx,N,AU1,1\n", name)
    Path("equities_20261121.csv").symlink_to("/etc/hostname")
    delivery = file_delivery(definition(url=DATED), clock=JumpClock())
    assert b"equities_20261120.csv" in delivery.content
    assert delivery.source == "equities_20261120.csv"
    assert delivery.business_date == date(2026, 11, 20)
    assert delivery.fingerprint.endswith(f" {len(delivery.content)}")
    assert delivery.warnings[0].endswith("not read: equities_20261119.csv.")


def test_f01_no_file_matches_the_pattern(vendor: Vendor) -> None:
    with pytest.raises(FeedRefused) as refused:
        file_delivery(definition(url=DATED))
    assert str(refused.value) == (
        "equities_{date:%Y%m%d}*.csv has not been delivered: no file there matches the pattern. "
        "Nothing was written. Start the sync again when the file is there, or mend the pattern in "
        "the feed definition."
    )
