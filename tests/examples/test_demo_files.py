"""The demo's vendor files say what their README promises, by plain Python alone."""

import csv
import re
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

DEMO = Path(__file__).parents[2] / "examples" / "demo"
DAY_1, DAY_2, DAY_3, CUT = NAMES = (
    "northwind-equities-2026-11-19.csv",
    "northwind-equities-2026-11-20.csv",
    "northwind-equities-2026-11-21.csv",
    "northwind-equities-2026-11-23-cut.csv",
)
HEADER = [
    "ticker",
    "name",
    "mic",
    "currency",
    "isin",
    "country",
    "sector",
    "lot_size",
    "tick_size",
    "listed_on",
]
NUMBERS = {"lot_size", "tick_size"}
CURRENCY = {
    "XAMS": "EUR",
    "XASX": "AUD",
    "XCSE": "DKK",
    "XETR": "EUR",
    "XHKG": "HKD",
    "XLON": "GBP",
    "XMAD": "EUR",
    "XMIL": "EUR",
    "XNAS": "USD",
    "XNYS": "USD",
    "XPAR": "EUR",
    "XSTO": "SEK",
    "XSWX": "CHF",
    "XTKS": "JPY",
    "XTSE": "CAD",
}
SECTORS = {
    "Communication Services",
    "Consumer Discretionary",
    "Consumer Staples",
    "Energy",
    "Financials",
    "Health Care",
    "Industrials",
    "Information Technology",
    "Materials",
    "Real Estate",
    "Utilities",
}
HEAD_OFFICE_ELSEWHERE = {
    "0001.xhkg": ("KY", "HK"),
    "0700.xhkg": ("KY", "CN"),
    "0883.xhkg": ("HK", "CN"),
    "1810.xhkg": ("KY", "CN"),
    "1928.xhkg": ("KY", "MO"),
    "2020.xhkg": ("KY", "CN"),
    "3690.xhkg": ("KY", "CN"),
    "9618.xhkg": ("KY", "CN"),
    "9888.xhkg": ("KY", "CN"),
    "9988.xhkg": ("KY", "CN"),
    "9999.xhkg": ("KY", "CN"),
    "baba.xnys": ("US", "CN"),
    "cpr.xmil": ("NL", "IT"),
    "expn.xlon": ("GB", "IE"),
    "glen.xlon": ("JE", "CH"),
    "lin.xnas": ("IE", "GB"),
    "meli.xnas": ("US", "UY"),
    "pdd.xnas": ("US", "IE"),
    "race.xmil": ("NL", "IT"),
    "tsm.xnys": ("US", "TW"),
}
"""Prefix of the ISIN and country of the issuer, where the two truly differ."""

Row = dict[str, str]
File = dict[str, Row]
Change = tuple[str, str, str]


def rows_of(name: str) -> list[Row]:
    with (DEMO / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, strict=True))


def load(name: str) -> File:
    return {f"{row['ticker']}.{row['mic']}".lower(): row for row in rows_of(name)}


def meaning(column: str, cell: str) -> str | Decimal:
    text = cell.strip()
    return Decimal(text) if text and column in NUMBERS else text


def changes(before: File, after: File) -> dict[str, list[Change]]:
    """Per instrument in both files: column, old and new text; a cell left empty says nothing."""
    found: dict[str, list[Change]] = {}
    for identifier in before.keys() & after.keys():
        old, new = before[identifier], after[identifier]
        changed = [
            (column, old[column], new[column])
            for column in HEADER
            if new[column].strip() and meaning(column, old[column]) != meaning(column, new[column])
        ]
        if changed:
            found[identifier] = changed
    return found


def written_differently(before: File, after: File) -> set[str]:
    both = before.keys() & after.keys()
    return {identifier for identifier in both if before[identifier] != after[identifier]}


def has_right_check_digit(isin: str) -> bool:
    """ISO 6166: letters become 10 to 35, then the Luhn sum over all digits ends in 0."""
    digits = "".join(str(int(character, 36)) for character in isin)
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value // 10 + value % 10
    return total % 10 == 0


@pytest.mark.parametrize(("isin", "right"), [("US0378331005", True), ("US0378331006", False)])
def test_the_check_digit_rule_itself(isin: str, right: bool) -> None:
    assert has_right_check_digit(isin) is right


@pytest.mark.parametrize(("name", "rows"), list(zip(NAMES, (391, 394, 395, 111), strict=True)))
def test_file_is_plain_utf8_with_the_same_header(name: str, rows: int) -> None:
    text = (DEMO / name).read_bytes().decode("utf-8")
    assert not text.startswith("\ufeff")
    assert "\r" not in text
    assert text.endswith("\n")
    table = list(csv.reader(text.splitlines(), strict=True))
    assert table[0] == HEADER
    assert {len(cells) for cells in table} == {len(HEADER)}
    assert len(table) - 1 == rows


@pytest.mark.parametrize("name", NAMES)
def test_identifiers_and_isins_are_unique(name: str) -> None:
    assert len(load(name)) == len(rows_of(name))
    assert len({row["isin"] for row in rows_of(name)}) == len(rows_of(name))


@pytest.mark.parametrize("name", NAMES)
def test_cells_are_well_formed(name: str) -> None:
    for row in rows_of(name):
        assert re.fullmatch(r"[A-Z]{2}[A-Z0-9]{9}[0-9]", row["isin"]), row
        assert has_right_check_digit(row["isin"]), row
        assert re.fullmatch(r"[A-Z0-9]+([.-][A-Z])?", row["ticker"]), row
        assert row["name"].strip(), row
        assert CURRENCY[row["mic"]] == row["currency"], row
        assert row["sector"] in SECTORS, row
        assert re.fullmatch(r"[1-9][0-9]*", row["lot_size"]), row
        assert re.fullmatch(r"|[0-9]+(\.[0-9]+)?", row["tick_size"]), row
        assert not row["tick_size"] or Decimal(row["tick_size"]) > 0, row
        assert not row["listed_on"] or date.fromisoformat(row["listed_on"]) <= date(2026, 11, 19)


def test_country_is_the_isins_prefix_but_for_known_issuers() -> None:
    everything = {**load(DAY_1), **load(DAY_2)}
    assert len(everything) == 396
    differs = {
        identifier: (row["isin"][:2], row["country"])
        for identifier, row in everything.items()
        if row["isin"][:2] != row["country"]
    }
    assert differs == HEAD_OFFICE_ELSEWHERE


def test_awkward_texts_are_in_the_files() -> None:
    day = load(DAY_1)
    assert day["0005.xhkg"]["ticker"] == "0005"
    assert day["7203.xtks"]["lot_size"] == "100"
    assert day["brk.b.xnys"]["ticker"] == "BRK.B"
    assert day["googl.xnas"]["name"] == "Alphabet Inc., Class A"
    assert day["or.xpar"]["name"] == "L'Oréal S.A."
    assert day["pg.xnys"]["name"] == "The Procter & Gamble Company"
    assert any(not row["listed_on"] for row in day.values())
    assert not day["lisn.xswx"]["tick_size"]


def test_day_1_to_2_changes_exactly_what_was_planted() -> None:
    before, after = load(DAY_1), load(DAY_2)
    created = {"285a.xtks", "cvc.xams", "gald.xswx", "puig.xmad", "rddt.xnys"}
    assert after.keys() - before.keys() == created
    assert before.keys() - after.keys() == {"6502.xtks", "csgn.xswx"}
    assert changes(before, after) == {
        "6501.xtks": [("lot_size", "1000", "100")],
        "7011.xtks": [("lot_size", "1000", "100")],
        "7203.xtks": [("tick_size", "1", "0.5")],
        "9432.xtks": [("name", "Nippon Telegraph and Telephone Corporation", "NTT, Inc.")],
        "hei.xetr": [("name", "HeidelbergCement AG", "Heidelberg Materials AG")],
        "rtx.xnys": [("name", "Raytheon Technologies Corporation", "RTX Corporation")],
        "tgt.xnys": [("sector", "Consumer Discretionary", "Consumer Staples")],
        "v.xnys": [("sector", "Information Technology", "Financials")],
    }


def test_day_1_to_2_differs_in_writing_where_nothing_changed() -> None:
    before, after = load(DAY_1), load(DAY_2)
    written = written_differently(before, after) - changes(before, after).keys()
    assert written == {
        "0700.xhkg",
        "6758.xtks",
        "8306.xtks",
        "aapl.xnas",
        "dte.xetr",
        "ko.xnys",
        "msft.xnas",
        "nesn.xswx",
        "or.xpar",
        "ry.xtse",
    }
    assert after["or.xpar"]["name"] == before["or.xpar"]["name"] + " "
    assert (before["aapl.xnas"]["tick_size"], after["aapl.xnas"]["tick_size"]) == ("0.010", "0.01")
    assert (before["dte.xetr"]["listed_on"], after["dte.xetr"]["listed_on"]) == ("1996-11-18", "")
    kept = [identifier for identifier in before if identifier in after]
    assert kept != [identifier for identifier in after if identifier in before]


def test_day_2_to_3_brings_one_instrument_back_and_nothing_else() -> None:
    first, before, after = load(DAY_1), load(DAY_2), load(DAY_3)
    assert after.keys() - before.keys() == {"6502.xtks"}
    assert not before.keys() - after.keys()
    assert not written_differently(before, after)
    assert after["6502.xtks"] == first["6502.xtks"]


def test_the_cut_file_holds_two_venues_unchanged_and_lacks_284_instruments() -> None:
    before, cut = load(DAY_3), load(CUT)
    assert Counter(row["mic"] for row in cut.values()) == {"XNYS": 67, "XNAS": 44}
    assert cut.items() <= before.items()
    assert cut.keys() == {i for i, row in before.items() if row["mic"] in {"XNYS", "XNAS"}}
    assert len(before.keys() - cut.keys()) == 284
    assert 0.25 < len(cut) / len(before) < 0.30


def test_the_feed_definition_fits_the_files() -> None:
    feed = yaml.safe_load((DEMO / "northwind.yaml").read_text(encoding="utf-8"))
    assert (DEMO / feed["url"]).is_file()
    assert set(feed["scope"]["exchange"]) == {row["mic"] for row in rows_of(DAY_1)}
    assert feed["scope"]["exchange"] == sorted(CURRENCY)
    templates = [feed["identifier"], feed["name_template"], *feed["fields"].values()]
    named = {column for template in templates for column in re.findall(r"{(\w+)}", template)}
    assert named == set(HEADER)
