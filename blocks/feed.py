"""What every feed block is, whatever its kind of source."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TypeVar

from armillary.errors import ConfigurationError
from armillary.feeds.definition import FeedDefinition
from armillary.feeds.delivery import Delivery
from armillary.feeds.loading import load_feed
from blocks.schema_once import SchemaOnce

_Definition = TypeVar("_Definition", bound=FeedDefinition)


class Feed(SchemaOnce, ABC):
    """Base of all feeds: gives out the definition that the rest of the collection works with."""

    @abstractmethod
    def definition(self) -> FeedDefinition:
        """The feed as a plain value, without anything of Prefect."""

    @abstractmethod
    def deliver(self) -> Delivery:
        """Ask the source for its rows, as they are now.

        Raises:
            FeedRefused: the source as a whole cannot be trusted.
        """

    def _as(self, kind: type[_Definition]) -> _Definition:
        return kind.model_validate({key: value for key, value in self if key in kind.model_fields})


def definition_in(path: Path, kind: type[_Definition]) -> _Definition:
    """The feed definition in a YAML file.

    Raises:
        ConfigurationError: the file is missing, or not a definition of this kind.
    """
    definition = load_feed(path)
    if not isinstance(definition, kind):
        raise ConfigurationError(
            f"{path} is a feed definition of kind {definition.kind}, and another was asked for.",
            next_step="Name a definition of the right kind.",
        )
    return definition
