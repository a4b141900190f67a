"""The page of commands: every command of ``armillary`` with its options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, OptionInfo

from cli.main import app
from docs_site.tables import code, table

HEAD = """# The commands

Every command with its arguments and options, as `--help` tells them. They read the machine's
[settings](settings.md), run the same [flows](flows.md) as deployments do, and end with an
[exit code](states-and-exit-codes.md#of-the-commands) that tells the state.

"""

_WORDS = {str: "text", int: "whole number", float: "number", Path: "path"}


@dataclass(frozen=True)
class Parameter:
    """An argument or an option of a command."""

    name: str
    annotation: Any
    told: OptionInfo | ArgumentInfo

    @property
    def is_argument(self) -> bool:
        """Whether it is given by its place."""
        return isinstance(self.told, ArgumentInfo)

    @property
    def required(self) -> bool:
        """Whether the command cannot do without it."""
        return self.told.default is ...

    @property
    def several(self) -> bool:
        """Whether it may be given more than once."""
        return get_origin(self.annotation) is list

    @property
    def names(self) -> list[str]:
        """As they are typed."""
        if self.is_argument:
            return [self.name.upper()]
        given = [name for name in self.told.param_decls or () if name.startswith("-")]
        usual = "--" + self.name.replace("_", "-")
        if not given and self.annotation is bool:
            given = [usual, usual.replace("--", "--no-", 1)]
        return [part for name in given or [usual] for part in name.split("/")]


def page() -> str:
    """The page, made from the declarations of the command line."""
    return HEAD + "".join(_command(name, function) for name, function in commands().items())


def commands() -> dict[str, Callable[..., Any]]:
    """The functions behind the commands, by the commands' names."""
    found = ((each.name, each.callback) for each in app.registered_commands)
    return {name or told.__name__.replace("_", "-"): told for name, told in found if told}


def parameters(function: Callable[..., Any]) -> Iterator[Parameter]:
    """What a command is given."""
    hints = get_type_hints(function)
    for name, declared in inspect.signature(function).parameters.items():
        yield Parameter(name, hints[name], declared.default)


def _command(name: str, function: Callable[..., Any]) -> str:
    given = list(parameters(function))
    places = [
        part.names[0] if part.required else f"[{part.names[0]}]"
        for part in given
        if part.is_argument
    ]
    needed = [f"{part.names[0]} …" for part in given if part.required and not part.is_argument]
    usage = " ".join(["armillary", name, *places, *needed, "[OPTIONS]"])
    rows = [
        (", ".join(map(code, part.names)), part.told.help or "", _allowed(part), _default(part))
        for part in given
    ]
    options = table(("option", "meaning", "allowed", "default"), rows) if rows else ""
    about = inspect.getdoc(function) or ""
    return f"## `armillary {name}`\n\n{about}\n\n```text\n{usage}\n```\n\n{options}"


def _allowed(parameter: Parameter) -> str:
    kind = parameter.annotation
    if parameter.several:
        [kind] = get_args(kind)
    if get_origin(kind) in {Union, UnionType}:
        [kind] = [one for one in get_args(kind) if one is not NoneType]
    if kind is bool:
        return ""
    words = _WORDS.get(kind, "text")
    if get_origin(kind) is Literal:
        words = ", ".join(map(code, get_args(kind)))
    return f"{words}; several times" if parameter.several else words


def _default(parameter: Parameter) -> str:
    value = parameter.told.default
    if parameter.required:
        return "required"
    if parameter.annotation is bool:
        return "on" if value else "off"
    return "none" if value in (None, "", [], ()) else code(value)
