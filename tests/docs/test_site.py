"""The site of ``docs/``: built strictly, with reference from the code, and nothing loaded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import blocks
from armillary.errors import ArmillaryError
from docs_site import blocks_page, commands, deployments, errors_page, forms
from docs_site.anchors import slug
from docs_site.lists import with_wide_lists
from docs_site.outside import rewritten
from docs_site.schema import allowed, default
from tests.docs.pages import ROOT, anchors, table_rows, text_of

# What the theme's own script could load, and why it does not.
NEVER_LOADED = {
    "https://unpkg.com/mermaid@11/dist/mermaid.min.js": "only for diagrams, and no page has one",
    "https://unpkg.com/resize-observer-polyfill": "only for browsers of the years before 2020",
    "https://api.github.com/": "only with the address of a repository, which is not given",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as ``make docs`` builds it."""
    from mkdocs.commands.build import build  # noqa: PLC0415 - half a second of imports
    from mkdocs.config import load_config  # noqa: PLC0415

    place = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(place), strict=True))
    return place


# The site


def test_every_page_is_on_the_site(site: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        assert (site / page.relative_to(ROOT / "docs")).with_suffix(".html").exists(), page


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        loads = re.findall(r"<(?!a\b)\w+[^>]*(?:src|href)=\"?(https?:[^\" >]+)", page.read_text())
        assert loads == [], page
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", style.read_text()), style
    scripts = "".join(script.read_text() for script in site.rglob("bundle.*.js"))
    addresses = re.findall(r"[\"'`](https://(?:unpkg|cdn|api|fonts)[^\"'`$]*)", scripts)
    assert {it for it in addresses if not it.startswith(tuple(NEVER_LOADED))} == set()
    assert '<pre class="mermaid"' not in "".join(it.read_text() for it in site.rglob("*.html"))


def test_lists_of_a_page_are_whole(site: Path) -> None:
    """A block of commands inside a list does not end it."""
    page = (site / "guides" / "restore.html").read_text()
    steps = page.partition('id="into-an-empty-workspace"')[2].partition("<h2")[0]
    assert steps.count("<ol>") == 1
    assert steps.count("<li>") == 5
    assert "<pre>" in steps.partition("<ol>")[2].partition("</ol>")[0]


def test_anchors_are_those_of_the_code_host(site: Path) -> None:
    page = Path("docs/reference/states-and-exit-codes.md")
    made = (site / "reference" / "states-and-exit-codes.html").read_text()
    assert [it for it in anchors(page) if f'id="{it}"' not in made] == []


def test_a_file_that_a_page_names_is_a_page_of_the_site(site: Path) -> None:
    assert "prefect.yaml" in (site / "files" / "prefect.yaml.html").read_text()
    assert 'href="../files/prefect.yaml.html"' in (site / "guides" / "first-sync.html").read_text()


# What is made from the code


def test_the_commands_are_those_of_the_program_with_all_their_options() -> None:
    page = commands.page()
    told = set(re.findall(r"^## `armillary ([a-z-]+)`$", page, re.MULTILINE))
    assert told == set(commands.commands())
    assert {"sync", "backup", "check", "simulate"} <= told
    rows = table_rows(page.partition("## `armillary sync`")[2].partition("\n## ")[0])
    assert [cell for [_, *cell] in rows["--mode"]] == [
        ["plan writes nothing; apply writes.", "`plan`, `apply`", "`plan`"]
    ]
    assert rows["--feed"][0][2:] == ["path", "required"]
    assert "several times" in rows["--only"][0][2]
    assert "armillary sync --feed … [OPTIONS]" in page
    assert "armillary revert RUN_ID [OPTIONS]" in page
    assert "`--include-archived`, `--no-include-archived`" in page


def test_every_flow_has_its_form_with_every_parameter_in_order() -> None:
    page = forms.page()
    for flow in forms.all_flows():
        part = page.partition(f"## `{flow.name}`\n")[2].partition("\n## ")[0]
        rows = [line.split("|")[2].strip(" `") for line in part.splitlines() if line[:1] == "|"]
        assert rows[2:] == list(flow.parameters.properties), flow.name
    assert "`plan`, `apply`" in page
    kinds = ("File Feed", "Rest Feed", "Sql Feed", "Cadenza Feed")
    assert ", or ".join(f"a block {kind}" for kind in kinds) in page


def test_every_block_is_told_with_its_secret_fields_and_no_default_of_them() -> None:
    page = blocks_page.page()
    for name in blocks.__all__:
        assert f"`{getattr(blocks, name).get_block_type_slug()}/<name>`" in page
    [token] = re.findall(r"\| `token` \| Token of a robot[^|]*\| (.*) \| (.*) \|", page)
    assert token == ("secret text", "required")
    passwords = re.findall(r"\| `password` \|[^|]*\| (.*) \| (.*) \|", page)
    assert passwords == [("secret text", "none")] * 3


def test_every_deployment_is_told_with_its_schedules() -> None:
    page = deployments.page()
    assert "## `backup-workspace/backup-nightly`" in page
    assert "the block `ptolemy-workspace/main`" in page
    assert "`1/7`" in page
    assert "a further start is cancelled" in page


@pytest.mark.parametrize(
    ("cron", "told"),
    [
        ("30 6 * * 1-5", "weekdays at 06:30"),
        ("30 0 * * *", "every day at 00:30"),
        ("0 7 * * 6", "Saturdays at 07:00"),
        ("0 10 * * 0", "Sundays at 10:00"),
        ("0 13 1 * *", "day 1 of each month at 13:00"),
        ("40 * * * *", "40 minutes past each hour"),
        ("*/5 2-4 * * *", "`*/5 2-4 * * *`"),
        ("0 1 1 * 1", "`0 1 1 * 1`"),
        ("0 1 * * 1,3", "`0 1 * * 1,3`"),
    ],
)
def test_a_schedule_is_told_in_words_or_as_it_stands(cron: str, told: str) -> None:
    assert deployments.in_words(cron) == told


def test_every_error_is_told_with_the_page_of_the_night() -> None:
    page = errors_page.page()
    rows = table_rows(page)
    known = {kind.__name__ for kind in errors_page.kinds()}
    assert known == {name for name in rows if name in known}
    assert "└── PagesLeadNowhere" in page
    assert "[sync](../guides/when-a-sync-says.md#leaselost)" in rows["LeaseLost"][0][3]
    assert (
        rows["LeaseLost"][0][1]
        == "The run's lease ended or was taken over: it must not write any more."
    )
    assert ArmillaryError.__name__ not in known


# Markdown


def test_lists_are_indented_as_python_markdown_wants_them() -> None:
    text = "Do:\n1. one\n\n   ```bash\n   x\n     y\n   ```\n\n2. two\n   - a\n     b\n- c\n"
    assert with_wide_lists(text) == (
        "Do:\n\n1. one\n\n    ```bash\n    x\n      y\n    ```\n\n2. two\n    - a\n        b\n- c\n"
    )


def test_an_item_follows_a_paragraph_of_the_item_before() -> None:
    text = "1. one\n\n   More.\n2. two\n3. three\n"
    assert with_wide_lists(text) == "1. one\n\n    More.\n\n2. two\n3. three\n"


def test_a_block_of_code_may_stand_further_right_than_its_item_asks_for() -> None:
    text = "- one:\n\n    ```yaml\n    a:\n      - b\n    ```\n\n- two\n"
    assert with_wide_lists(text) == text


def test_what_stands_in_a_block_of_code_is_no_list() -> None:
    text = "```yaml\n- a\n  - b\n```\n"
    assert with_wide_lists(text) == text


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ("../../prefect.yaml", "../files/prefect.yaml.md"),
        ("../../README.md#try-it", "../index.md"),
        ("../../CONTRIBUTING.md#tests", "../contributing.md#tests"),
        ("../decisions/0001-x.md", "../decisions/0001-x.md"),
        ("#here", "#here"),
        ("https://example.org/a.md", "https://example.org/a.md"),
    ],
)
def test_links_lead_to_pages_of_the_site(link: str, told: str) -> None:
    assert rewritten(f"See [it]({link}).", "guides/backup.md") == f"See [it]({told})."


def test_links_of_a_page_from_outside_lead_into_the_site() -> None:
    text = "[a](docs/decisions/0003-x.md), [b](docs/decisions/), `[c](docs/x.md)`"
    assert rewritten(text, "contributing.md") == (
        "[a](decisions/0003-x.md), [b](decisions/index.md), `[c](docs/x.md)`"
    )


def test_links_of_the_list_of_decisions_stay_there() -> None:
    assert rewritten("[a](0003-x.md)", "decisions/index.md") == "[a](0003-x.md)"


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 50}, "whole number from 1 up to 50"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text"),
        (
            {"type": "array", "maxItems": 1000, "items": {"type": "string"}},
            "a list, up to 1,000: text",
        ),
        ({"type": "string", "writeOnly": True}, "secret text"),
        ({"$ref": "#/definitions/B"}, "a block Ptolemy Workspace"),
    ],
)
def test_what_a_schema_allows_is_told_in_words(schema: dict[str, object], told: str) -> None:
    assert allowed(schema, {"B": {"block_type_slug": "ptolemy-workspace"}}) == told


def test_a_secret_shows_no_default() -> None:
    assert default("token", {"writeOnly": True, "default": "made-up"}, []) == "none"


def test_anchors_are_made_as_the_code_host_makes_them() -> None:
    assert slug("Of `armillary backups`") == "of-armillary-backups"
    assert slug("TransientError, AnswerLost") == "transienterror-answerlost"
    assert slug("`_run.json`") == "_runjson"


def test_the_pages_name_each_decision_once_in_the_list() -> None:
    from docs_site.decisions import page  # noqa: PLC0415

    listed = re.findall(r"\]\((\d{4}-[^)]+)\)", page())
    there = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("*.md"))
    assert listed == there
    assert all(text_of(Path("docs/decisions") / name).startswith("# ") for name in there)
