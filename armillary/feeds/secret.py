"""A secret of a source: given by its block, or by an environment variable that a feed names."""

from __future__ import annotations

import os

from pydantic import SecretStr

from armillary.errors import ConfigurationError

_SECRET_NAMES = frozenset(
    {
        "accesskey",
        "accesstoken",
        "apikey",
        "apisecret",
        "apitoken",
        "appkey",
        "authkey",
        "authtoken",
        "bearertoken",
        "clientsecret",
        "passphrase",
        "passwd",
        "password",
        "privatekey",
        "pwd",
        "refreshtoken",
        "secret",
        "secretkey",
        "sessiontoken",
        "signature",
        "subscriptionkey",
        "token",
        "userkey",
    }
)


def sounds_secret(name: str) -> bool:
    """Whether a parameter of this name holds a secret as a rule."""
    return name.lower().replace("_", "").replace("-", "") in _SECRET_NAMES


def secret_of(
    given: SecretStr | None, variable: str | None, *, what: str, feed: str
) -> SecretStr | None:
    """The secret that was given, else the one in the environment; None where neither is named.

    Args:
        given: From a block; blank counts as not given.
        variable: Name of an environment variable.
        what: What it is, for messages: "password", "token".
        feed: Name of the feed, for messages.

    Raises:
        ConfigurationError: The variable is not set, or the secret holds a line break.
    """
    if given is not None and given.get_secret_value():
        return _in_one_line(given, f"The {what} of feed {feed}")
    if variable is None:
        return None
    value = os.environ.get(variable, "")
    if not value:
        raise ConfigurationError(
            f"The environment variable {variable}, which holds the {what} of feed {feed}, is not "
            "set where this run takes place.",
            next_step="Set it there, or mend the feed definition, then start again.",
        )
    return _in_one_line(SecretStr(value), f"The environment variable {variable}")


def _in_one_line(secret: SecretStr, name: str) -> SecretStr:
    """A line break at its end comes with a file that was read in; inside, it is a mistake."""
    value = secret.get_secret_value().strip("\r\n")
    if any(character in value for character in "\r\n\0"):
        raise ConfigurationError(
            f"{name} holds a line break.", next_step="Copy the secret again, then start again."
        )
    return SecretStr(value)
