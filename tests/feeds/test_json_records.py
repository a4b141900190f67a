from __future__ import annotations

import json

from tests.feeds.vendor import Vendor, reasons

ALPHA = '{"ticker":"A","mic":"xasx","name":"Alpha","isin":"AU1","lot":1.10}'


def test_an_array_keeps_the_decimal_text_of_numbers(vendor: Vendor) -> None:
    content = (
        "[" + ALPHA + ',\n{"ticker":"B","mic":"xasx","isin":1.10,"lot":1e3},'
        '{"ticker":7,"mic":"xasx","isin":true,"lot":123456789012345678901234567890, "x": null}]'
    )
    reading = vendor.read(content.encode(), "asx.json")
    assert reading.records.rows() == [
        (1, "A.xasx", "Alpha", "AU1", "1.1"),
        (2, "B.xasx", None, "1.10", "1000"),
        (3, "7.xasx", None, "true", "123456789012345678901234567890"),
    ]
    assert reading.columns == ("ticker", "mic", "name", "isin", "lot", "x")


def test_objects_become_columns_one_level_deep(vendor: Vendor) -> None:
    content = (
        b'[{"id":{"ticker":"A","mic":"xasx"},"tags":["x"],"deep":{"er":{"still":1}}},{"id":null}]'
    )
    reading = vendor.read(
        content, "asx.json", identifier="{id.ticker}.{id.mic}", name_template=None, fields={}
    )
    assert reading.records.rows() == [(1, "A.xasx", None)]
    assert reading.columns == ("id.ticker", "id.mic", "tags", "deep.er", "id")
    assert reading.blank_rows == 1


def test_a_list_where_a_value_is_needed(vendor: Vendor) -> None:
    lists = "[" + ALPHA + ',{"ticker":"B","mic":"xasx","name":"n","isin":["AU1","AU2"],"lot":1}]'
    assert vendor.refusal(lists.encode(), "asx.json") == (
        "asx.json has a list in 'isin' of object 2, where the feed definition needs a single value."
    )
    deep = ALPHA.replace('"AU1"', '{"a":{"b":1}}')
    assert vendor.refusal(deep.encode(), "asx.ndjson", fields={"isin": "{isin.a}"}) == (
        "asx.ndjson has an object two levels deep in 'isin.a' of object 1, where the feed "
        "definition needs a single value."
    )


def test_something_else_than_an_object_is_a_reject(vendor: Vendor) -> None:
    reading = vendor.read(f"[{ALPHA}, 3, [1]]".encode(), "asx.json")
    assert reading.rejects.rows() == [
        (2, None, "not an object but a single value or a list", '{"line":"3"}'),
        (3, None, "not an object but a single value or a list", '{"line":"[1]"}'),
    ]


def test_what_is_no_array(vendor: Vendor) -> None:
    for content, said in {
        '{"data":[]}': "asx.json holds no JSON array of objects: expected array, got object.",
        ALPHA + "\n" + ALPHA: (
            "asx.json holds no JSON array of objects: expected array, got object. It looks like "
            "one object per line: try `format: ndjson`."
        ),
        "[]": "asx.json holds not a single record.",
        " \n": "asx.json is empty: it holds nothing but blanks.",
        f"[{ALPHA},": "asx.json is cut off: the JSON ends before its last bracket is closed.",
        f"[{ALPHA},\n  nonsense]": (
            "asx.json is not valid JSON at line 2, column 4: invalid character."
        ),
        "SYM,MIC\nA,xasx\n": "asx.json is not valid JSON at line 1, column 1: invalid character.",
    }.items():
        assert vendor.refusal(content.encode(), "asx.json") == said


def test_no_line_is_an_object(vendor: Vendor) -> None:
    assert vendor.refusal(b"1\n2\n\n[3]\n", "asx.ndjson") == (
        "asx.ndjson has 3 rows and none can be used: 3 rows from row 1: not an object but a single "
        "value or a list."
    )


def test_half_an_array_cut_at_any_byte_is_refused(vendor: Vendor) -> None:
    whole = f"[{ALPHA},\n{ALPHA}]".encode()
    for length in range(len(whole)):
        assert vendor.refusal(whole[:length], "asx.json")


def test_lines_are_numbered_and_broken_ones_rejected(vendor: Vendor) -> None:
    content = f'{ALPHA}\n\n{{"ticker":"B",\n{ALPHA.replace("A", "C", 1)}'
    reading = vendor.read(content.encode(), "asx.ndjson")
    assert reading.records["row"].to_list() == [1, 4]
    assert reading.blank_rows == 1
    assert reading.rejects.rows() == [
        (
            3,
            None,
            "the line is not JSON: it is cut off",
            json.dumps({"line": '{"ticker":"B",'}, separators=(",", ":")),
        )
    ]


def test_lines_that_end_in_the_middle_of_one(vendor: Vendor) -> None:
    assert vendor.refusal(f"{ALPHA}\n{ALPHA[:30]}".encode(), "asx.ndjson") == (
        "asx.ndjson ends in the middle of line 2: it is cut off there."
    )


def test_another_format_under_the_name_of_lines(vendor: Vendor) -> None:
    assert vendor.refusal(f"[{ALPHA}]".encode(), "asx.ndjson").startswith(
        "asx.ndjson is no ndjson file: its content looks like a JSON array."
    )


def test_batches_with_different_keys_line_up(vendor: Vendor) -> None:
    rows = [
        {"ticker": f"T{n}", "mic": "xasx", "lot": n} | ({"isin": "AU1"} if n > 30_000 else {})
        for n in range(40_001)
    ]
    rows[5]["name"] = "Five"
    reading = vendor.read("\n".join(map(json.dumps, rows)).encode(), "asx.jsonl")
    assert reading.records.row(5) == (6, "T5.xasx", "Five", None, "5")
    assert reading.records.row(40_000) == (40_001, "T40000.xasx", None, "AU1", "40000")
    assert reasons(reading) == {}
