"""The definition of a venue's feed: what it leaves out, and that it owns its venue alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from armillary.errors import ConfigurationError
from armillary.feeds import CadenzaDefinition, FieldRule, FileDefinition, load_feed, read_feed
from armillary.feeds.cadenza_definition import FIELDS
from armillary.sync.canonical import DataType
from tests.docs.pages import reference, section, table_rows

EXAMPLE = Path(__file__).parents[2] / "examples" / "venue-binance.yaml"
ONE_LINE = "kind: cadenza\nvenue: BINANCE\n"
NUMBERS = ("tick_size", "lot_size", "min_quantity", "max_quantity", "min_notional")
DATA_TYPES = {
    key: DataType.NUMBER if key in NUMBERS or key.endswith("_precision") else DataType.TEXT
    for key in FIELDS
}
ALONE = (
    'fields has none that holds the venue alone: write `venue: "{venue}"`, for by it the feed '
    "knows which existing instruments are its own"
)
OTHERS = (
    "scope is not exactly the venue's: write `scope: {venue: [BINANCE]}` or leave it out; any "
    "other would archive what is not this venue's"
)


def loaded(folder: Path, text: str) -> CadenzaDefinition:
    path = folder / "venue.yaml"
    path.write_text(text, encoding="utf-8")
    found = load_feed(path)
    assert isinstance(found, CadenzaDefinition)
    return found


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        loaded(folder, text)
    said = str(refused.value).removeprefix(f"{folder / 'venue.yaml'}: ")
    return said.removesuffix(". Mend the feed definition, then start again.")


def test_a_venue_is_a_feed_with_one_line(tmp_path: Path) -> None:
    feed = loaded(tmp_path, ONE_LINE)
    assert (feed.name, feed.instrument_type) == ("cadenza-binance", "venue-instrument")
    assert (feed.identifier, feed.identifier_case) == ("{instrumentId}", "keep")
    assert (feed.name_template, feed.fields) == ("{symbol} {venue}", FIELDS)
    assert (feed.scope, feed.missing, feed.returning) == (
        {"venue": ["BINANCE"]},
        "archive",
        "restore",
    )


def test_the_example_writes_out_the_defaults(tmp_path: Path) -> None:
    assert load_feed(EXAMPLE) == loaded(tmp_path, ONE_LINE)


def test_the_documented_fields_are_the_default_ones() -> None:
    told = section(reference("feed-definition.md"), "A venue of Cadenza")
    rows = table_rows(told)
    assert {key: rows[key][-1][1].strip("`") for key in FIELDS} == FIELDS
    kinds = {key: DataType(rows[key][-1][2]) for key in FIELDS}
    assert kinds == DATA_TYPES


@pytest.mark.parametrize("name", CadenzaDefinition.model_fields)
def test_every_key_is_described_with_its_default(name: str) -> None:
    page = reference("feed-definition.md")
    own = table_rows(section(page, "A venue of Cadenza").partition("The fields, unless")[0])
    field = CadenzaDefinition.model_fields[name]
    if name not in own:
        assert name == "kind" or field.default == FileDefinition.model_fields[name].default
        assert name in table_rows(section(page, "Keys")) or name in page
        return
    told = own[name][0][3]
    if field.is_required():
        assert told == "required"
    elif isinstance(field.default, str) and field.default:
        assert told == f"`{field.default}`"
    else:
        assert told in {
            "`cadenza-` and the venue in small letters",
            "the table below",
            "the same",
        }


def test_a_venue_is_written_as_cadenza_writes_it(tmp_path: Path) -> None:
    feed = loaded(tmp_path, "kind: cadenza\nvenue: ' binance_uat '\n")
    assert (feed.venue, feed.name) == ("BINANCE_UAT", "cadenza-binance_uat")
    assert feed.scope == {"venue": ["BINANCE_UAT"]}


@pytest.mark.parametrize(
    "fields",
    [
        'fields: {exchange: "{ venue }", symbol: "{symbol}"}',
        "fields: {desk: 'x', exchange: BINANCE}",
        'fields: {exchange: {from: "{venue}", blank: clear}}',
        'fields: {venue: "{venue}", exchange: BINANCE}\nscope: {exchange: [BINANCE]}',
    ],
)
def test_the_venue_may_have_a_field_of_another_name(tmp_path: Path, fields: str) -> None:
    assert loaded(tmp_path, f"{ONE_LINE}{fields}\n").scope == {"exchange": ["BINANCE"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("scope: all\n", OTHERS),
        ("scope: {venue: [BINANCE, OKX]}\n", OTHERS),
        ("scope: {venue: [OKX]}\n", OTHERS),
        ("scope: {venue: [binance]}\n", OTHERS),
        ("scope: {kind: [SPOT]}\n", OTHERS),
        ("scope: {}\n", OTHERS),
        ('fields: {symbol: "{symbol}"}\n', ALONE),
        ('fields: {venue: "{venue}-{symbol}"}\n', ALONE),
        ("fields: {venue: OKX}\n", ALONE),
        ('fields: {venue: {from: "{venue}", map: {BINANCE: crypto}}}\n', ALONE),
        ("fields: {}\n", ALONE),
        (
            "url: a.csv\n",
            "url is a key of kind file, and this definition is of kind cadenza: take the line out, "
            "or write `kind: file`",
        ),
        (
            "venu: OKX\n",
            "venu is not a known key: did you mean venue? Allowed: "
            + ", ".join(CadenzaDefinition.model_fields),
        ),
    ],
)
def test_what_is_wrong_is_said_in_full(tmp_path: Path, text: str, said: str) -> None:
    assert complaint(tmp_path, ONE_LINE + text) == said


def test_a_venue_is_needed_and_is_text(tmp_path: Path) -> None:
    assert complaint(tmp_path, "kind: cadenza\n") == "venue is missing"
    assert complaint(tmp_path, "kind: cadenza\nvenue:\n") == "venue is empty (line 2)"
    assert complaint(tmp_path, "kind: cadenza\nvenue: NO\n") == (
        'venue is NO without quotes (line 2), which YAML reads as yes or no: write "NO"'
    )
    assert complaint(tmp_path, "kind: cadenza\nvenue: ' '\n").startswith("venue: string should")


def test_a_changed_definition_is_judged_whole() -> None:
    changed: dict[str, Any] = {"fields": {"at": FieldRule.model_validate({"from": "{venue}"})}}
    assert CadenzaDefinition(venue="OKX", **changed).scope == {"at": ["OKX"]}
    again = CadenzaDefinition.model_validate(dict(CadenzaDefinition(venue="OKX", **changed)))
    assert again.scope == {"at": ["OKX"]}


def test_a_venue_has_no_address_to_fetch_from() -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_feed(CadenzaDefinition(venue="OKX"), DATA_TYPES)
    assert str(refused.value) == (
        "Feed cadenza-okx is no file: its rows cannot be fetched from an address. Have its source "
        "deliver them."
    )
