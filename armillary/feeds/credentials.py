"""As whom a file is asked for. The secrets come from a feed block, or from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from armillary.errors import ConfigurationError

_KEY_START = "-----BEGIN"


@dataclass(frozen=True)
class Credentials:
    """What a place of files wants to see. All that is secret stays out of the ``repr``.

    Attributes:
        username: Blank where none is needed.
        password: Of the user; where there is a private key, of that.
        token: Bearer token, or what stands in the header ``header_name``.
        header_name: Blank: ``Authorization``, as bearer.
        private_key: The text of a key for SFTP.
        session: A session of boto3; None: what the machine has.
        client_settings: Further arguments of the client of boto3, such as its endpoint.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    header_name: str = ""
    private_key: str = field(default="", repr=False)
    session: Any = field(default=None, repr=False)
    client_settings: dict[str, Any] = field(default_factory=dict, repr=False)


NOBODY = Credentials()


@dataclass(frozen=True)
class Kept:
    """What a feed block keeps secret; None or blank: the environment, by the feed's variables."""

    password: SecretStr | None = None
    token: SecretStr | None = None
    private_key: SecretStr | None = None
    session: Any = field(default=None, repr=False)
    client_settings: dict[str, Any] = field(default_factory=dict, repr=False)


def private_key_of(given: SecretStr | None, variable: str | None, feed: str) -> str:
    """The text of a private key; blank where none is named.

    Args:
        given: Of a block; blank counts as not given.
        variable: Environment variable that holds the text, or the path of a file with it.
        feed: Name of the feed, for messages.

    Raises:
        ConfigurationError: The variable is not set, or holds neither.
    """
    if given is not None and given.get_secret_value().strip():
        return given.get_secret_value().strip() + "\n"
    if not variable:
        return ""
    found = os.environ.get(variable, "").strip()
    if found.startswith(_KEY_START):
        return found + "\n"
    said = (
        f"neither holds the text of a private key for feed {feed} nor the path of a file that can "
        "be read here"
        if found
        else f"which holds the private key of feed {feed}, is not set where this run takes place"
    )
    if found:
        try:
            return Path(found).expanduser().read_text(encoding="utf-8")
        except (OSError, ValueError):
            pass
    # Out here, because an error keeps the one it was raised beside, and that one quotes the value.
    raise ConfigurationError(
        f"The environment variable {variable}{',' if not found else ''} {said}.",
        next_step="Set it to the text of the key, from its BEGIN line to its END line, or to a "
        "path, then start again.",
    )
