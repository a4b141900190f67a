"""Reading a feed definition from a YAML file, with errors that say what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from armillary.errors import ConfigurationError
from armillary.feeds.cadenza_definition import CadenzaDefinition
from armillary.feeds.definition import FieldRule, Limits
from armillary.feeds.file_definition import FileDefinition
from armillary.feeds.location import resolved
from armillary.feeds.rest_definition import Paging, RestDefinition
from armillary.feeds.sanity_definition import Sanity
from armillary.feeds.sql_definition import Freshness, SqlDefinition

_NEXT = "Mend the feed definition, then start again."
_STRING = "tag:yaml.org,2002:str"
AnyDefinition = FileDefinition | RestDefinition | SqlDefinition | CadenzaDefinition

_KINDS: dict[str, type[AnyDefinition]] = {
    "file": FileDefinition,
    "rest": RestDefinition,
    "sql": SqlDefinition,
    "cadenza": CadenzaDefinition,
}
_TEXTS = (
    "name",
    "instrument_type",
    "identifier",
    "name_template",
    "url",
    "encoding",
    "delimiter",
    "sheet",
    "done_suffix",
    "username",
    "rows",
    "total",
    "query",
    "connector",
    "venue",
)
_TEXT_TREES = ("fields", "scope", "stable_keys", "params")
"""Where every value and key is text, so that an unquoted ``NO`` or ``1.10`` must not pass."""

Place = tuple[int | str, ...]

_BRANCH = re.compile(r"^(FieldRule|function-.*|str|dict\[.*|list\[.*|literal\[.*)$")
"""How pydantic marks in a place which member of a union it tried."""


def load_feed(path: Path | str) -> AnyDefinition:
    """Read a feed definition of the kind it names; without a kind it is a file's.

    A relative ``url`` is taken from the folder of the file.

    Raises:
        ConfigurationError: The file cannot be read, is no YAML mapping, or a key in it is wrong;
            every wrong key is named at once, with what is allowed.
    """
    path = Path(path)
    problems, content = _parsed(path)
    if not problems:
        kind = content.get("kind", "file")
        model = _KINDS.get(str(kind))
        if model is None:
            # Which keys may stand there the kind decides: nothing else can be told.
            problems = [f"kind '{kind}' is not known here; known: {', '.join(_KINDS)}"]
        else:
            try:
                return _in_place(model.model_validate(content), path.absolute().parent)
            except ValidationError as error:
                problems = _explained(error, content, model)
    raise ConfigurationError(f"{path}: {'; '.join(problems)}.", next_step=_NEXT)


def _in_place(definition: AnyDefinition, folder: Path) -> AnyDefinition:
    if not isinstance(definition, FileDefinition):
        return definition
    places = {"url": resolved(definition.url, folder)}
    if definition.known_hosts:
        places["known_hosts"] = resolved(definition.known_hosts, folder)
    return definition.model_copy(update=places)


def _parsed(path: Path) -> tuple[list[str], Any]:
    """What is wrong with the file as YAML, and its content."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ["there is no such file"], None
    except (OSError, UnicodeDecodeError) as error:
        return [f"the file cannot be read as text ({type(error).__name__})"], None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if not isinstance(node, yaml.MappingNode):
            return ["the file holds no keys; it starts as in `name: vendor-asx`"], None
        problems = [*_repeated(node, set()), *_unquoted(node)]
        return problems, None if problems else yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        return [f"{where}not valid YAML: {error.problem}"], None
    except (yaml.YAMLError, ValueError) as error:
        return [f"not valid YAML: {' '.join(str(error).split())}"], None


def _repeated(node: yaml.Node, seen: set[int]) -> Iterator[str]:
    """Keys written twice in one mapping: YAML itself would silently keep the last."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from _repeated(child, seen)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            if str(key.value) in lines:
                first = lines[str(key.value)]
                yield f"{key.value} is written twice, in lines {first} and {_line(key)}"
            lines.setdefault(str(key.value), _line(key))
            yield from _repeated(value, seen)


def _unquoted(root: yaml.MappingNode) -> Iterator[str]:
    """Scalars that stand where text belongs and that YAML reads as something else."""
    for key, value in root.value:
        if key.value in _TEXT_TREES:
            yield from _unquoted_below(value, str(key.value))
        elif key.value in _TEXTS:
            yield from _unquoted_scalar(value, str(key.value))


def _unquoted_below(node: yaml.Node, place: str) -> Iterator[str]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _unquoted_scalar(key, f"a key of {place}")
            yield from _unquoted_below(value, f"{place}.{key.value}")
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from _unquoted_below(child, place)
    elif place not in _TEXT_TREES:
        yield from _unquoted_scalar(node, place)


def _unquoted_scalar(node: yaml.Node, place: str) -> Iterator[str]:
    if not isinstance(node, yaml.ScalarNode) or node.tag == _STRING:
        return
    kind = node.tag.rpartition(":")[2]
    if kind == "null":
        if place.rpartition(".")[2] not in {"blank", "map", "name_template"}:
            yield f"{place} is empty (line {_line(node)})"
        return
    read_as = {"bool": "yes or no", "timestamp": "a date", "int": "a number", "float": "a number"}
    yield (
        f"{place} is {node.value} without quotes (line {_line(node)}), which YAML reads as "
        f'{read_as.get(kind, kind)}: write "{node.value}"'
    )


def _line(node: yaml.Node) -> int:
    line: int = node.start_mark.line + 1
    return line


def _explained(error: ValidationError, content: Any, model: type[BaseModel]) -> list[str]:
    """The problems of a validation, one sentence each, in the order of the fields."""
    problems: dict[str, None] = {}
    for fault in error.errors(include_url=False):
        place = _without_branches(fault["loc"], content)
        if place is not None:
            problems[_sentence(place, fault, content, model)] = None
    return list(problems)


def _without_branches(loc: Place, content: Any) -> Place | None:
    """The place of a fault without pydantic's marks of union members.

    None for a fault of a member that was not meant: a text is no failed rule.
    """
    place: list[int | str] = []
    value = content
    for part in loc:
        if _holds(value, part):
            value = value[part]
        elif _BRANCH.match(str(part)):
            # A mark of a scalar member fits a scalar only, one of a nested member nested values.
            if (part == "str" or str(part).startswith("literal[")) is isinstance(
                value, (dict, list)
            ):
                return None
            continue
        place.append(part)
    return tuple(place)


def _holds(value: Any, part: int | str) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def _sentence(place: Place, fault: ErrorDetails, content: Any, model: type[BaseModel]) -> str:
    kind, said = fault["type"], fault["msg"]
    key = ".".join(str(part) for part in place)
    value = _value_at(place, content)
    if kind == "extra_forbidden":
        return _unknown_key(key, place, model)
    if kind == "missing":
        return f"{key} is missing"
    if kind == "literal_error":
        known = str(fault["ctx"]["expected"]).replace(" or ", ", ").replace("'", "")
        return f"{key} '{value}' is not known here; known: {known}"
    if kind == "value_error":
        problem = said.removeprefix("Value error, ")
        return f"{key}: {problem}" if key else problem
    shown = "" if key == "url" else f" (it is {value!r})"
    return f"{key}: {said[0].lower()}{said[1:]}{shown}"


def _unknown_key(key: str, place: Place, model: type[BaseModel]) -> str:
    other = next((kind for kind in _KINDS if key in _KINDS[kind].model_fields), None)
    if other is not None:
        own = next(kind for kind in _KINDS if _KINDS[kind] is model)
        return (
            f"{key} is a key of kind {other}, and this definition is of kind {own}: take the line "
            f"out, or write `kind: {other}`"
        )
    allowed = _allowed(place, model)
    close = get_close_matches(str(place[-1]), allowed, n=1)
    guess = f"did you mean {close[0]}? " if close else ""
    return f"{key} is not a known key: {guess}Allowed: {', '.join(allowed)}"


def _allowed(place: Place, model: type[BaseModel]) -> Sequence[str]:
    if place[0] == "limits" and len(place) > 1:
        model = Limits
    elif place[0] == "fields" and len(place) > 1:
        model = FieldRule
    elif place[0] == "sanity" and len(place) > 1:
        model = Sanity
    elif place[0] == "paging" and len(place) > 1:
        model = Paging
    elif place[0] == "freshness" and len(place) > 1:
        model = Freshness
    return [field.alias or name for name, field in model.model_fields.items()]


def _value_at(place: Place, content: Any) -> Any:
    for part in place:
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            return None
    return content
