"""From the cells of a source to the identifier, name and field values of a record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass
from difflib import get_close_matches

import polars as pl

from armillary.errors import ConfigurationError
from armillary.feeds import identifiers
from armillary.feeds.definition import FeedDefinition
from armillary.feeds.mapped_field import MappedField, problem_of_text, unusable
from armillary.feeds.table import ROW, cell
from armillary.feeds.template import Template, parse
from armillary.repeated import as_text, converted, distinct, is_repeated, spread
from armillary.sync.canonical import DataType, canonical_value

BAD = "bad"
_GIVEN = "given."
_NEXT = "Mend the feed definition, then start again."


@dataclass(frozen=True)
class Mapping:
    """A feed definition made ready for the fields of one workspace."""

    identifier: Template
    identifier_case: str
    name: Template | None
    fields: tuple[MappedField, ...]
    blank_words: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The source columns it needs, each once, in order of the feed definition."""
        templates = [*self._templates(), *(field.template for field in self.fields)]
        return tuple(dict.fromkeys(name for each in templates for name in each.columns))

    def trimmed(self, cells: pl.DataFrame) -> pl.DataFrame:
        """The cells with outer white space, and words for nothing, gone where they are needed."""
        needed = [cell(name) for name in self.columns]
        repeated = [name for name in needed if is_repeated(cells, name)]
        return cells.with_columns(
            *(self._trimmed(pl.col(name)) for name in needed if name not in repeated),
            *(converted(cells[name], self._trimmed) for name in repeated),
        )

    def _trimmed(self, text: pl.Expr) -> pl.Expr:
        text = text.str.strip_chars()
        if not self.blank_words:
            return text
        words = pl.Series(self.blank_words).implode()
        return pl.when(text.is_in(words)).then(pl.lit("")).otherwise(text).name.keep()

    def applied(self, cells: pl.DataFrame) -> pl.DataFrame:
        """Map trimmed cells: ``row``, ``identifier``, ``name``, each ``field.<key>``, and ``bad``.

        ``bad`` marks a row for which :meth:`problems` has something to say.
        """
        by_value = {field.column: field for field in self.fields if _by_value(field, cells)}
        others = [field for field in self.fields if field.column not in by_value]
        mapped = self._record(_texts(cells, self._templates(), others), others)
        bad = mapped[BAD]
        for field in by_value.values():
            values, wrong = _of_each_value(field, cells[cell(*field.template.columns)])
            mapped = mapped.with_columns(values)
            bad = bad if wrong is None else bad | wrong
        columns = [field.column for field in self.fields]
        return mapped.select(ROW, "identifier", "name", *columns, bad)

    def _record(self, cells: pl.DataFrame, fields: Sequence[MappedField]) -> pl.DataFrame:
        identifier, name = pl.col("identifier"), pl.col("name")
        # Two steps, so that each value is computed once and then looked at as often as needed.
        drawn = cells.select(
            ROW,
            self._identifier().alias("identifier"),
            self._name().alias("name"),
            *_drawn(fields),
        )
        wrong = [
            identifier.is_null(),
            identifiers.unusable(identifier),
            unusable(name),
            *_wrong(fields),
        ]
        return drawn.select(
            ROW,
            identifier,
            pl.when(name != "").then(name).alias("name"),
            *(field.settled().alias(field.column) for field in fields),
            _any(wrong),
        )

    def problems(self, cells: pl.DataFrame) -> pl.DataFrame:
        """``row`` and ``reason`` for trimmed cells of bad rows; several reasons in one text."""
        identifier = self._identifier()
        blanks = [
            pl.when(pl.col(cell(name)) == "").then(pl.lit(f"{{{name}}}"))
            for name in self.identifier.columns
        ]
        missing = pl.concat_str(blanks, separator=", ", ignore_nulls=True)
        reasons = [
            pl.when(identifier.is_null()).then(
                pl.format("the identifier cannot be made: {} is blank", missing)
            ),
            identifiers.problem(identifier),
        ]
        reasons.append(problem_of_text(self._name(), "name"))
        reasons += [field.problem() for field in self.fields]
        reason = pl.concat_str(reasons, separator="; ", ignore_nulls=True)
        return cells.select(ROW, reason.alias("reason")).filter(pl.col("reason") != "")

    def _templates(self) -> list[Template]:
        """Of what is no field."""
        return [self.identifier, *([self.name] if self.name else [])]

    def _identifier(self) -> pl.Expr:
        text = self.identifier.rendered()
        if self.identifier_case == "lower":
            text = text.str.to_lowercase()
        elif self.identifier_case == "upper":
            text = text.str.to_uppercase()
        return pl.when(text != "").then(text)

    def _name(self) -> pl.Expr:
        return self.name.rendered() if self.name else pl.lit(None, dtype=pl.String)


def _texts(
    cells: pl.DataFrame, templates: Sequence[Template], fields: Sequence[MappedField]
) -> pl.DataFrame:
    """Row numbers, and the cells that templates and fields need, as text."""
    templates = [*templates, *(field.template for field in fields)]
    names = dict.fromkeys(cell(name) for each in templates for name in each.columns)
    return as_text(cells.select(ROW, *names))


def _drawn(fields: Iterable[MappedField]) -> Iterator[pl.Expr]:
    for field in fields:
        yield field.canonical().alias(field.column)
        yield field.given().alias(_GIVEN + field.key)


def _wrong(fields: Iterable[MappedField]) -> Iterator[pl.Expr]:
    for field in fields:
        yield field.wrong(pl.col(_GIVEN + field.key))


def _any(wrong: Iterable[pl.Expr]) -> pl.Expr:
    return pl.any_horizontal(each.fill_null(value=False) for each in wrong).alias(BAD)


def _by_value(field: MappedField, cells: pl.DataFrame) -> bool:
    """Whether a field is made of one column, in which few values repeat."""
    columns = field.template.columns
    return len(columns) == 1 and is_repeated(cells, cell(columns[0]))


def _of_each_value(field: MappedField, column: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    """The values of a field, and which rows are bad for it; None for none."""
    texts, positions = distinct(column)
    drawn = texts.to_frame().select(*_drawn([field]))
    found = drawn.select(field.settled().alias(field.column), _any(_wrong([field])))
    values = spread(found[field.column], positions)
    return values, spread(found[BAD], positions) if found[BAD].any() else None


def mapping_of(definition: FeedDefinition, data_types: Map[str, DataType]) -> Mapping:
    """Make a feed definition ready for a workspace.

    Args:
        definition: The feed definition.
        data_types: Data type by field key, of the fields the instrument type has.

    Raises:
        ConfigurationError: A mapped field is unknown to the workspace, or a constant, a translation
            or a scope value is not of its field's data type.
    """
    for key in definition.fields:
        if key not in data_types:
            raise _unknown_field(definition, key, data_types)
    return Mapping(
        identifier=parse(definition.identifier),
        identifier_case=definition.identifier_case,
        name=parse(definition.name_template) if definition.name_template else None,
        fields=tuple(_field(definition, key, data_types[key]) for key in definition.fields),
        blank_words=tuple(definition.blank_words),
    )


def _unknown_field(
    definition: FeedDefinition, key: str, data_types: Map[str, DataType]
) -> ConfigurationError:
    close = get_close_matches(key, list(data_types), n=1)
    guess = f" Did you mean '{close[0]}'?" if close else ""
    known = ", ".join(sorted(data_types)) or "none"
    return ConfigurationError(
        f"Feed {definition.name} maps the field '{key}', which the instrument type "
        f"{definition.instrument_type} does not have.{guess} Its fields: {known}.",
        next_step=_NEXT,
    )


def _field(definition: FeedDefinition, key: str, data_type: DataType) -> MappedField:
    rule = definition.rule(key)
    scope = definition.scope.get(key) if isinstance(definition.scope, dict) else None
    template = parse(rule.template)
    if not template.columns and rule.map is None:
        template = parse(
            _braces_kept(_own(definition, f"fields.{key}", template.constant, data_type))
        )
    field = MappedField(
        key=key,
        template=template,
        data_type=data_type,
        clears=definition.blank_of(key) == "clear",
        translation=rule.map
        and {
            value: _own(definition, f"fields.{key}.map", new, data_type)
            for value, new in rule.map.items()
        },
        scope=tuple(_own(definition, f"scope.{key}", value, data_type) for value in scope)
        if scope
        else None,
    )
    if field.scope and not template.columns and rule.map is None:
        _refuse_constant_outside(definition, field)
    return field


def _braces_kept(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _own(definition: FeedDefinition, place: str, value: str, data_type: DataType) -> str:
    """The canonical text of a value out of the definition itself."""
    text = canonical_value(value, data_type)
    if text is None:
        raise ConfigurationError(
            f"Feed {definition.name}: {place} is '{value}', but the field is of type "
            f"{data_type.value} in the workspace.",
            next_step=_NEXT,
        )
    return text


def _refuse_constant_outside(definition: FeedDefinition, field: MappedField) -> None:
    if field.scope and field.template.constant not in field.scope:
        raise ConfigurationError(
            f"Feed {definition.name}: every record would get {field.key} "
            f"'{field.template.constant}', which lies outside its scope "
            f"({', '.join(field.scope)}).",
            next_step=_NEXT,
        )
