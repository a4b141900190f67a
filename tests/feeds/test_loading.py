from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from armillary.errors import ConfigurationError
from armillary.feeds import (
    CadenzaDefinition,
    FieldRule,
    FileDefinition,
    Limits,
    RestDefinition,
    SqlDefinition,
    load_feed,
)
from armillary.feeds.rest_definition import Paging
from armillary.feeds.sql_definition import Freshness

PLAIN = """\
name: vendor-asx
url: equities.csv.gz
instrument_type: equity
identifier: "{ticker}.{mic}"
"""


@pytest.fixture
def feed_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("asx.yaml")


def complaint(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        load_feed(path)
    return str(refused.value).removesuffix(" Mend the feed definition, then start again.")


def test_a_whole_definition(feed_file: Path) -> None:
    feed_file.write_text(
        PLAIN
        + """\
kind: file
format: csv
identifier_case: lower
name_template: "{name}"
fields:
  isin: "{isin}"
  exchange: xasx
  lot_size: {from: "{lot}", blank: clear}
  etf: {from: "{etf}", map: {"Y": "true", "N": "false"}}
scope: {exchange: [xasx]}
missing: archive
stable_keys: [isin]
limits: {max_archive_share: 0.1, max_creates: 7}
quota: overage
reserve_calls: 40
"""
    )
    feed = load_feed(feed_file)
    assert feed.rule("etf") == FieldRule.model_validate(
        {"from": "{etf}", "map": {"Y": "true", "N": "false"}}
    )
    assert (feed.blank_of("isin"), feed.blank_of("lot_size")) == ("ignore", "clear")
    assert feed.scope == {"exchange": ["xasx"]}
    assert (feed.limits.max_archive_share, feed.limits.max_creates) == (0.1, 7)
    assert (feed.limits.max_archives, feed.quota, feed.reserve_calls) == (500, "overage", 40)


def test_limits_are_those_of_the_design() -> None:
    assert Limits().model_dump() == {
        "max_archive_share": 0.2,
        "max_archives": 500,
        "max_update_share": 0.5,
        "max_create_share": 0.5,
        "max_creates": 5000,
        "max_restores": 200,
        "max_renames": 50,
        "max_shrink_share": 0.3,
        "min_records": 1,
        "max_reject_share": 0.05,
        "max_field_change_share": 0.5,
        "max_field_clear_share": 0.1,
        "max_field_collapse_share": 0.2,
        "small_set_changes": 3,
    }


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("equities.csv.gz", "{folder}/equities.csv.gz"),
        ("/drop/equities.csv", "/drop/equities.csv"),
        ("s3://drop/equities.parquet", "s3://drop/equities.parquet"),
    ],
)
def test_a_relative_address_is_taken_from_the_folder_of_the_file(
    feed_file: Path, url: str, expected: str
) -> None:
    feed_file.write_text(PLAIN.replace("equities.csv.gz", url))
    feed = load_feed(feed_file)
    assert isinstance(feed, FileDefinition)
    assert feed.url == expected.format(folder=Path.cwd())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file holds no keys; it starts as in `name: vendor-asx`"),
        ("- a\n- b\n", "the file holds no keys; it starts as in `name: vendor-asx`"),
        (
            PLAIN + "fields: {isin: [}\n",
            "line 5, column 17: not valid YAML: expected the node content, but found '}'",
        ),
        ("a: 1\n---\nb: 2\n", "line 2, column 1: not valid YAML: but found another document"),
        (PLAIN + "name: other\n", "name is written twice, in lines 1 and 5"),
        (
            PLAIN + "fields: {isin: a, isin: b}\n",
            "isin is written twice, in lines 5 and 5",
        ),
        (
            PLAIN + "fields: {exchange: NO}\n",
            "fields.exchange is NO without quotes (line 5), which YAML reads as yes or no: write "
            '"NO"',
        ),
        (
            PLAIN + "fields:\n  listed_on: 2026-01-31\n",
            "fields.listed_on is 2026-01-31 without quotes (line 6), which YAML reads as a date: "
            'write "2026-01-31"',
        ),
        (
            PLAIN + "fields: {lot_size: 1.10, sedol: 007}\n",
            "fields.lot_size is 1.10 without quotes (line 5), which YAML reads as a number: write "
            '"1.10"; fields.sedol is 007 without quotes (line 5), which YAML reads as a number: '
            'write "007"',
        ),
        (
            PLAIN + 'fields: {etf: {from: "{etf}", map: {Yes: "true"}}}\n',
            "a key of fields.etf.map is Yes without quotes (line 5), which YAML reads as yes or "
            'no: write "Yes"',
        ),
        (
            PLAIN + 'fields: {country: "{c}"}\nscope: {country: [SE, NO]}\n',
            "scope.country is NO without quotes (line 6), which YAML reads as yes or no: write "
            '"NO"',
        ),
        (PLAIN + "fields: {exchange: }\n", "fields.exchange is empty (line 5)"),
        (
            PLAIN.replace("identifier:", "identifierr:"),
            "identifier is missing; identifierr is not a known key: did you mean identifier? "
            "Allowed: " + ", ".join(FileDefinition.model_fields),
        ),
        (
            PLAIN + "limits: {max_archive: 3}\n",
            "limits.max_archive is not a known key: did you mean max_archives? Allowed: "
            + ", ".join(Limits.model_fields),
        ),
        (
            PLAIN + 'fields: {isin: {form: "{isin}"}}\n',
            "fields.isin.from is missing; fields.isin.form is not a known key: did you mean from? "
            "Allowed: from, blank, map",
        ),
        (PLAIN + "kind: ftp\n", "kind 'ftp' is not known here; known: file, rest, sql, cadenza"),
        (
            PLAIN + "format: xml\n",
            "format 'xml' is not known here; known: csv, json, ndjson, parquet, xlsx",
        ),
        (
            PLAIN.replace("url: equities.csv.gz", "kind: ftp\nvenue: BINANCE"),
            "kind 'ftp' is not known here; known: file, rest, sql, cadenza",
        ),
        (
            PLAIN + "kind: [file]\n",
            "kind '['file']' is not known here; known: file, rest, sql, cadenza",
        ),
        (
            PLAIN.replace("url: equities.csv.gz", "kind: sql\nurl: postgresql://u:hunter2@h/d"),
            "url holds a password as a rule, which belongs in no file: put the address into an "
            "environment variable, and name that in url_variable",
        ),
        (
            PLAIN.replace(
                "url: equities.csv.gz", "kind: sql\nquery: SELECT 1\nfreshness: {col: a}"
            ),
            "freshness.column is missing; freshness.max_age_hours is missing; freshness.col is not "
            "a known key: did you mean column? Allowed: column, max_age_hours",
        ),
        (
            PLAIN.replace("equities.csv.gz", "https://h/x\nkind: rest\nparams: {size: 10}"),
            'params.size is 10 without quotes (line 4), which YAML reads as a number: write "10"',
        ),
        (
            PLAIN.replace("equities.csv.gz", "https://h/x\nkind: rest\npaging: {style: pages}"),
            "paging.style 'pages' is not known here; known: none, page, offset, cursor, link",
        ),
        (
            PLAIN + "venue: BINANCE\n",
            "venue is a key of kind cadenza, and this definition is of kind file: take the line "
            "out, or write `kind: cadenza`",
        ),
        (
            PLAIN.replace("url: equities.csv.gz", "venue: BINANCE"),
            "url is missing; venue is a key of kind cadenza, and this definition is of kind file: "
            "take the line out, or write `kind: cadenza`",
        ),
        (PLAIN + "missing: delete\n", "missing 'delete' is not known here; known: keep, archive"),
        (
            PLAIN + 'fields: {isin: {from: "{i}", blank: empty}}\n',
            "fields.isin.blank 'empty' is not known here; known: ignore, clear",
        ),
        (
            PLAIN + "limits: {max_archive_share: 20, max_creates: -1, min_records: many}\n",
            "limits.max_archive_share: input should be less than or equal to 1 (it is 20); "
            "limits.max_creates: input should be greater than or equal to 0 (it is -1); "
            "limits.min_records: input should be a valid integer (it is 'many')",
        ),
        (
            PLAIN + "limits: {max_archive_share: yes}\n",
            "limits.max_archive_share: input should be a valid number (it is True)",
        ),
        (PLAIN + "scope: everything\n", "scope 'everything' is not known here; known: all"),
        (
            PLAIN + "missing: archive\n",
            "missing: archive needs a scope, which says which existing instruments the feed owns; "
            "write `scope: all` if it owns every instrument of its type",
        ),
        (PLAIN + "scope: {}\n", "scope is empty: name a field with its values, or leave scope out"),
        (
            PLAIN + "fields: {isin: a}\nscope: {exchange: [xasx]}\n",
            "scope names the field 'exchange', which is not among the mapped fields (isin)",
        ),
        (
            PLAIN + "fields: {exchange: a}\nscope: {exchange: []}\n",
            "scope.exchange has no value: list at least one",
        ),
        (
            PLAIN + "stable_keys: [isin]\n",
            "stable_keys names the field 'isin', which is not among the mapped fields (none)",
        ),
        (
            PLAIN.replace('"{ticker}.{mic}"', "ticker"),
            "identifier: 'ticker' names no column, so every row would get the same identifier; "
            'write it as in "{ticker}.{mic}"',
        ),
        (
            PLAIN + 'fields: {isin: "{isin"}\n',
            "fields: isin: '{isin' has a brace without its partner; a brace itself is written {{",
        ),
        (PLAIN + 'name_template: "{}"\n', "name_template: '{}' names no column between its braces"),
        (
            PLAIN.replace("csv.gz", "txt.gz"),
            "format cannot be told from the end of the address; set it to one of: csv, json, "
            "ndjson, parquet, xlsx",
        ),
        (
            PLAIN + 'delimiter: "||"\n',
            "delimiter: '||' cannot separate cells: one character is needed, such as "
            '"," ";" "|" or "\\t"',
        ),
        (
            PLAIN + "encoding: utf8x\n",
            "encoding: 'utf8x' is no encoding known here; usual ones: utf-8, cp1252, latin-1, "
            "utf-16",
        ),
        (
            PLAIN + 'fields: {isin: ""}\n',
            "fields.isin is empty: give a template or a constant, or take the line out",
        ),
    ],
)
def test_what_is_wrong_is_said_in_full(feed_file: Path, text: str, said: str) -> None:
    assert complaint(feed_file, text) == f"asx.yaml: {said}."


def test_a_definition_that_is_not_there(feed_file: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_feed(feed_file)
    assert str(refused.value) == (
        "asx.yaml: there is no such file. Mend the feed definition, then start again."
    )


def test_a_definition_that_is_no_text(feed_file: Path) -> None:
    feed_file.write_bytes(b"name: \xff")
    with pytest.raises(ConfigurationError, match=r"cannot be read as text \(UnicodeDecodeError\)"):
        load_feed(feed_file)


def test_the_address_is_kept_out_of_texts(feed_file: Path) -> None:
    secret = PLAIN.replace("equities.csv.gz", "https://drop.example/a.csv?edition=hunter2")
    feed_file.write_text(secret)
    assert "hunter2" not in repr(load_feed(feed_file))
    assert "hunter2" not in complaint(feed_file, secret.replace("a.csv", "a") + "kind: rest\n")


USER = (
    "url: the address has a user or a password, which everybody could read here: write the user as "
    "username, and name in password_variable the environment variable that holds the password"
)
PASSWORD = (
    "url: the address has a password, which everybody could read here: have the file put where "
    "sftp://, s3:// or https:// reach it, whose secrets come from environment variables"
)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://me:hunter2@drop.example/a.csv", USER),
        ("http://me@127.0.0.1/a.csv", USER),
        ("sftp://me:hun/ter2@drop.example/a.csv", USER),
        ("s3://AKIA:hunter2@bucket/a.csv", USER),
        ("ftp://me:hunter2@drop.example/a.csv", PASSWORD),
        ("zip://a.csv::ftp://me:hunter2@drop.example/a.zip", PASSWORD),
        *(
            (
                f"https://drop.example/a.csv?format=csv&{name}=hunter2",
                f"url: {name} in the address looks like a secret, which everybody could read here:"
                " take it out, and name in token_variable the environment variable that holds it "
                "(header_name says which header carries it)",
            )
            for name in ("token", "api_key", "sig", "X-Amz-Signature", "AWSAccessKeyId", "access")
        ),
    ],
)
def test_f25_a_secret_in_the_address_of_a_file_is_refused(
    feed_file: Path, url: str, said: str
) -> None:
    refused = complaint(feed_file, PLAIN.replace("equities.csv.gz", url))
    assert said in refused
    assert "hunter2" not in refused
    assert "AKIA" not in refused


@pytest.mark.parametrize(
    "url",
    [
        "https://drop.example/a.csv?format=csv&sort_key=isin&keyword=x",
        "abfs://container@account.dfs.core.windows.net/a.csv",
        "s3://bucket/me@desk/a.csv",
        "me:hunter2@folder/a.csv",
    ],
)
def test_an_address_without_a_secret_stays(feed_file: Path, url: str) -> None:
    feed_file.write_text(PLAIN.replace("equities.csv.gz", url))
    assert load_feed(feed_file).name


@pytest.mark.parametrize(
    "model",
    [
        FileDefinition,
        RestDefinition,
        Paging,
        SqlDefinition,
        Freshness,
        CadenzaDefinition,
        Limits,
        FieldRule,
    ],
)
def test_every_field_has_a_title_and_a_description(model: type[BaseModel]) -> None:
    schema = model.model_json_schema(by_alias=True)
    for key, field in schema["properties"].items():
        assert field["title"], key
        assert field["description"].endswith("."), key
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    "example", ["us-other-listed.yaml", "vendor-asx.yaml", "venue-binance.yaml"]
)
def test_the_examples_load(example: str) -> None:
    path = Path(__file__).parents[2] / "examples" / example
    assert load_feed(path).name == path.stem.replace("venue", "cadenza")
