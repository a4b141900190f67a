"""What is meant by the parameters of a run, settled before any venue is asked."""

from __future__ import annotations

import pytest

from armillary.api.cadenza import Venue
from armillary.errors import ConfigurationError
from armillary.venues.choosing import chosen

LISTED = [
    Venue("BINANCE", "ONLINE"),
    Venue("BINANCE_UAT", "ONLINE"),
    Venue("OKX", "ONLINE"),
    Venue("IBKR", "MAINTENANCE"),
    Venue("MOCK", "OFFLINE"),
]


def names(venues: tuple[Venue, ...]) -> list[str]:
    return [venue.name for venue in venues]


@pytest.mark.parametrize("given", [None, [], [""], ["  ", ""]])
def test_nothing_given_means_every_venue_that_is_online(given: list[str] | None) -> None:
    choice = chosen(LISTED, given, given)
    assert names(choice.venues) == ["BINANCE", "BINANCE_UAT", "OKX"]
    assert names(choice.skipped) == ["IBKR", "MOCK"]
    assert choice.symbols == ()


def test_names_are_matched_without_case_and_each_once() -> None:
    choice = chosen(LISTED, ["okx", " Binance ", "BINANCE"], None)
    assert names(choice.venues) == ["BINANCE", "OKX"]
    assert choice.skipped == ()


def test_a_name_as_it_is_listed_wins_over_the_same_one_in_another_case() -> None:
    listed = [Venue("mock", "ONLINE"), Venue("MOCK", "ONLINE")]
    assert names(chosen(listed, ["MOCK"], None).venues) == ["MOCK"]
    assert names(chosen(listed, ["Mock"], None).venues) == ["mock"]


def test_c05_an_unknown_venue_is_told_with_the_closest_names() -> None:
    with pytest.raises(ConfigurationError) as refused:
        chosen(LISTED, ["BINANC", "OKX"], None)
    assert str(refused.value) == (
        "Cadenza has no venue 'BINANC'. Did you mean BINANCE or BINANCE_UAT? No venue was "
        "refreshed. Cadenza lists for this account: BINANCE, BINANCE_UAT, IBKR, MOCK, OKX."
    )


def test_every_unknown_venue_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        chosen(LISTED, ["zzz", "OKXX"], None)
    assert "no venue 'zzz'. Cadenza has no venue 'OKXX'. Did you mean OKX?" in str(refused.value)


def test_a_venue_that_is_down_is_tried_when_it_is_named() -> None:
    choice = chosen(LISTED, ["IBKR"], None)
    assert names(choice.venues) == ["IBKR"]
    assert choice.notes == (
        "IBKR is MAINTENANCE in Cadenza's list; it was asked for by name, so the refresh is tried.",
    )


@pytest.mark.parametrize(
    ("venues", "words"),
    [(None, "together with no venue."), (["OKX", "IBKR"], "together with 2 venues (OKX, IBKR).")],
)
def test_symbols_need_exactly_one_venue(venues: list[str] | None, words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        chosen(LISTED, venues, ["BTC/USDT"])
    assert words in str(refused.value)
    assert "Name exactly one venue" in str(refused.value)


def test_one_venue_named_twice_is_one_venue() -> None:
    assert names(chosen(LISTED, ["OKX", "okx"], ["BTC/USDT"]).venues) == ["OKX"]


def test_c12_symbols_are_cleaned() -> None:
    given = [" BTC/USDT ", "", "BTC/USDT", "eth/usdt", "ETH/USDT", "kPEPE/USDC", "1000/1"]
    choice = chosen(LISTED, ["BINANCE"], given)
    assert choice.symbols == ("BTC/USDT", "ETH/USDT", "kPEPE/USDC", "1000/1")
    assert choice.notes == ("Cadenza writes symbols in upper case: took eth/usdt as ETH/USDT.",)


def test_c11_blank_symbols_are_not_an_empty_list() -> None:
    assert chosen(LISTED, ["BINANCE"], ["", " "]).symbols == ()


def test_when_no_venue_is_online_the_reason_is_told() -> None:
    with pytest.raises(ConfigurationError) as refused:
        chosen(LISTED[3:], None, None)
    assert "No venue is ONLINE: IBKR is MAINTENANCE, MOCK is OFFLINE." in str(refused.value)
    with pytest.raises(ConfigurationError) as refused:
        chosen([], None, None)
    assert "lists no venue for this account" in str(refused.value)
