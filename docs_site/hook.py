"""What MkDocs calls while it builds the site: pages from the code, and links that lead on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

from docs_site import blocks_page, commands, decisions, deployments, errors_page, forms
from docs_site.lists import with_wide_lists
from docs_site.outside import PAGES, as_page, named_outside, rewritten

MADE: dict[str, Callable[[], str]] = {
    "reference/commands.md": commands.page,
    "reference/forms.md": forms.page,
    "reference/deployments.md": deployments.page,
    "reference/blocks.md": blocks_page.page,
    "reference/errors.md": errors_page.page,
    "decisions/index.md": decisions.page,
}
"""Pages that no file holds, by their names on the site."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put every decision into the navigation: nobody should have to keep that list."""
    every = [f"decisions/{name}" for name in decisions.titles()]
    for section in config.nav or []:
        if "Decisions" in section:
            section["Decisions"] = ["decisions/index.md", *every]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, and the files that pages name outside of ``docs/``."""
    for name, make in MADE.items():
        files.append(File.generated(config, name, content=make()))
    for path, name in PAGES.items():
        if path.endswith(".md") and name != "index.md":
            files.append(File.generated(config, name, content=as_page(path)))
    for path in named_outside():
        place = f"files/{path.replace('/', '-').lstrip('.')}.md"
        named = InclusionLevel.NOT_IN_NAV
        files.append(File.generated(config, place, content=as_page(path), inclusion=named))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links and lists as this site needs them; on GitHub they are right as they are."""
    return with_wide_lists(rewritten(markdown, page.file.src_uri))
