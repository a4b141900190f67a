from __future__ import annotations

from typing import Any

import pytest

from armillary.errors import ConfigurationError
from armillary.feeds import read_feed
from tests.feeds.vendor import DATA_TYPES, HEADER, Vendor, definition, reasons

ROWS = HEADER + b"A,xasx,Alpha,AU1,100\nB,xasx,,,\n"


def values(
    vendor: Vendor, key: str, rule: Any, content: bytes = ROWS, **settings: Any
) -> list[Any]:
    found = vendor.read(content, fields={key: rule}, **settings).records[f"field.{key}"]
    return found.to_list()


def test_blank_ignores_or_clears_by_field_and_by_feed(vendor: Vendor) -> None:
    assert values(vendor, "isin", "{isin}") == ["AU1", None]
    assert values(vendor, "isin", "{isin}", blank="clear") == ["AU1", ""]
    assert values(vendor, "isin", {"from": "{isin}", "blank": "clear"}) == ["AU1", ""]
    assert values(vendor, "isin", {"from": "{isin}", "blank": "ignore"}, blank="clear") == [
        "AU1",
        None,
    ]
    assert values(vendor, "lot_size", "{lot}", blank="clear") == ["100", ""]


def test_a_blank_name_is_left_alone_whatever_the_feed_says(vendor: Vendor) -> None:
    assert vendor.read(ROWS, blank="clear").records["name"].to_list() == ["Alpha", None]
    assert vendor.read(ROWS, name_template=None).records["name"].to_list() == [None, None]


def test_half_a_value_is_none(vendor: Vendor) -> None:
    assert values(vendor, "isin", "{isin}/{mic}", blank="clear") == ["AU1/xasx", None]
    assert values(vendor, "isin", "{isin}/{name}", blank="clear") == ["AU1/Alpha", ""]


def test_constants_and_braces(vendor: Vendor) -> None:
    assert values(vendor, "isin", "xasx") == ["xasx", "xasx"]
    assert values(vendor, "isin", "{{x}}") == ["{x}", "{x}"]
    assert values(vendor, "isin", "{{{isin}}}") == ["{AU1}", None]
    assert values(vendor, "lot_size", "1.50") == ["1.5", "1.5"]
    assert values(vendor, "isin", {"from": "", "blank": "clear"}) == ["", ""]


def test_a_map_translates_whole_values_and_rejects_others(vendor: Vendor) -> None:
    content = HEADER + b"A,xasx,Y,,\nB,xasx, N ,,\nC,xasx,Yes,,\nD,xasx,,,\n"
    rule = {"from": "{name}", "map": {"Y": "TRUE", "N": "false"}}
    reading = vendor.read(content, fields={"etf": rule})
    assert reading.records["field.etf"].to_list() == ["true", "false", None]
    assert reasons(reading) == {4: "etf: 'Yes' is not in its map (Y, N)"}
    assert reading.rejects["identifier"].to_list() == ["C.xasx"]


def test_a_map_may_name_what_means_blank(vendor: Vendor) -> None:
    content = HEADER + b"A,xasx,A,N/A,\nB,xasx,B,,\nC,xasx,C,x,\n"
    rule = {"from": "{isin}", "map": {"N/A": "", "": "none", "x": "y"}, "blank": "clear"}
    assert values(vendor, "isin", rule, content) == ["", "none", "y"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"xnys", "exchange: 'xnys' is outside the scope (xasx, xnze)"),
        (b" ", "exchange is blank, so whether the feed owns the record is unknown"),
    ],
)
def test_a_row_outside_the_scope_is_rejected(vendor: Vendor, content: bytes, reason: str) -> None:
    reading = vendor.read(
        ROWS + b"C," + content + b",Gamma,AU3,1\n",
        identifier="{ticker}",
        fields={"exchange": "{mic}"},
        scope={"exchange": ["xasx", "xnze"]},
    )
    assert reasons(reading) == {4: reason}
    assert reading.rejects["identifier"].to_list() == ["C"]


def test_scope_is_compared_by_data_type(vendor: Vendor) -> None:
    reading = vendor.read(
        HEADER + b"A,xasx,A,,100.0\nB,xasx,B,,7\n",
        fields={"lot_size": "{lot}"},
        scope={"lot_size": ["100"]},
    )
    assert reasons(reading) == {3: "lot_size: '7' is outside the scope (100)"}


def test_all_reasons_of_a_row_are_given_at_once_and_short(vendor: Vendor) -> None:
    content = ROWS + f"C,xasx,Gamma,{'x' * 70},1\n2\n".replace("1\n2", '"1\n2"').encode()
    reading = vendor.read(content, fields={"listed_on": "{isin}", "lot_size": "{lot}"})
    why = reasons(reading)[4]
    assert why.startswith(
        f"listed_on: '{'x' * 60}...' is not a date written YYYY-MM-DD; lot_size: '1?2'"
    )
    assert reading.rejects["cells"].to_list()[-1] == (
        '{"ticker":"C","mic":"xasx","name":"Gamma","isin":"' + "x" * 70 + '","lot":"1\\n2"}'
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"fields": {"lotsize": "{lot}"}},
            "Feed vendor-asx maps the field 'lotsize', which the instrument type equity does not "
            "have. Did you mean 'lot_size'? Its fields: etf, exchange, isin, listed_on, lot_size.",
        ),
        (
            {"fields": {"lot_size": "many"}},
            "Feed vendor-asx: fields.lot_size is 'many', but the field is of type number in the "
            "workspace.",
        ),
        (
            {"fields": {"etf": {"from": "{lot}", "map": {"1": "yes"}}}},
            "Feed vendor-asx: fields.etf.map is 'yes', but the field is of type boolean in the "
            "workspace.",
        ),
        (
            {"fields": {"lot_size": "{lot}"}, "scope": {"lot_size": ["big"]}},
            "Feed vendor-asx: scope.lot_size is 'big', but the field is of type number in the "
            "workspace.",
        ),
        (
            {"fields": {"exchange": "xnys"}, "scope": {"exchange": ["xasx"]}},
            "Feed vendor-asx: every record would get exchange 'xnys', which lies outside its scope "
            "(xasx).",
        ),
    ],
)
def test_what_does_not_fit_the_workspace(vendor: Vendor, settings: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_feed(definition(**settings), DATA_TYPES)
    assert str(refused.value) == said + " Mend the feed definition, then start again."


def test_a_column_of_few_values_is_judged_as_cell_by_cell(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    lots = ["100", " 100", "+1.50", "x", "N/A", ""] * 20
    rows = "".join(f"T{n},xasx,N{n % 3},{lot}\n" for n, lot in enumerate(lots))
    rules: dict[str, Any] = {
        "fields": {
            "lot_size": {"from": "{lot}", "blank": "clear"},
            "exchange": "{mic}",
            "isin": "{mic}/{name}",
        },
        "blank_words": ["N/A"],
    }
    content = b"ticker,mic,name,lot\n" + rows.encode() + b",,,\nticker,mic,name,lot\n"
    by_value = vendor.read(content, **rules)
    monkeypatch.setattr("armillary.feeds.delimited.REPEATS", 1000)
    by_cell = vendor.read(content, **rules)
    assert by_value.records.equals(by_cell.records)
    assert by_value.rejects.equals(by_cell.rejects)
    assert (by_value.blank_rows, by_cell.blank_rows) == (1, 1)
    assert reasons(by_value)[5].startswith("lot_size: 'x' is not a number")
    assert by_value.records["field.lot_size"].head(5).to_list() == ["100", "100", "1.5", "", ""]
