"""What a notification says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from armillary.alerts.standing import Kind, News
from armillary.alerts.subject import Subject
from armillary.alerts.words import MOST_CHARS, Told, subjects, text, title

SYNC = Subject("sync", ("demo", "vendor"), "sync of vendor into demo")
MONDAY = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
URL = "http://prefect.example:4200/runs/flow-run/0192"


def told(state: str, message: str = "", url: str = URL) -> Told:
    return Told(state, message, "sync vendor into demo (apply)", url)


def of_venues(count: int, kind: Kind = Kind.FAILED) -> list[News]:
    return [
        News(
            Subject("venues", ("UAT", f"V{number}"), f"refresh of V{number} in UAT"),
            kind,
            Kind.GOOD,
            MONDAY,
        )
        for number in range(count)
    ]


def test_a_withheld_plan_says_what_to_do() -> None:
    news = [News(SYNC, Kind.WITHHELD, Kind.GOOD, MONDAY)]
    said = told("Withheld", "Done, except for what a guard withheld.\narchive: 15 of 40.")
    assert title(news) == ("Armillary: sync of vendor into demo is withheld and waits for a person")
    assert text(news, said).splitlines() == [
        "What: sync of vendor into demo",
        "State: Withheld",
        "Since: 2026-11-23 06:30 UTC",
        "Message: Done, except for what a guard withheld. archive: 15 of 40.",
        "What to do: Read the report of the run. If its changes are right, start it again with "
        "the approval that the report gives; if not, have the source mended. Everything else was "
        "done.",
        f"Run: sync vendor into demo (apply), {URL}",
    ]


def test_good_news_says_what_is_over() -> None:
    news = [News(SYNC, Kind.GOOD, Kind.WITHHELD, MONDAY)]
    assert title(news) == "Armillary: sync of vendor into demo is good again"
    assert text(news, told("Completed", url="")).splitlines() == [
        "What: sync of vendor into demo",
        "State: Completed",
        "It was: withheld since 2026-11-23 06:30 UTC",
        "Run: sync vendor into demo (apply)",
    ]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Kind.REJECTS, "was stopped by too many rejects"),
        (Kind.PARTIAL, "is not whole"),
        (Kind.FAILED, "failed"),
        (Kind.CRASHED, "crashed"),
    ],
)
def test_each_kind_of_trouble_has_its_words(kind: Kind, words: str) -> None:
    news = [News(SYNC, kind, Kind.GOOD, MONDAY)]
    assert title(news) == f"Armillary: sync of vendor into demo {words}"
    assert "What to do: " in text(news, told("Failed"))


def test_twelve_venues_of_one_run_are_one_notification() -> None:
    news = of_venues(12)
    assert title(news) == "Armillary: trouble with 12 subjects of one run"
    assert title(of_venues(2, Kind.GOOD)) == "Armillary: 2 subjects of one run are good again"
    assert subjects(news).startswith("refresh of V0 in UAT; refresh of V1 in UAT; ")
    assert subjects(news).endswith("; refresh of V9 in UAT; and 2 more")


def test_a_long_message_is_cut_and_none_is_said() -> None:
    news = [News(SYNC, Kind.FAILED, Kind.GOOD, MONDAY)]
    long = text(news, told("Failed", "x" * 5000))
    assert "x" * MOST_CHARS + " …\n" in long
    assert "Message: none\n" in text(news, told("Failed"))
