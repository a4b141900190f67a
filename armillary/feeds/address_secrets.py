"""Secrets in the address of a file, which everybody could read in the definition of its feed."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from armillary.feeds.location import is_remote, scheme_of
from armillary.feeds.secret import sounds_secret

_WITH_KEYS = frozenset({"sftp", "https", "http", "s3"})
"""For which a feed has keys that name the user and the variables of secrets."""

_HOST = re.compile(r"://([^/?#]*)")
_AFTER_A_PASSWORD = re.compile(r"://[^/@]*:[^@]*@")
"""A password may hold characters that had to be quoted, such as a slash."""

_ENDINGS = ("token", "password", "secret", "signature", "credential", "apikey", "accesskeyid")
_SHORT = frozenset({"key", "sig", "access", "auth", "pass"})


def secret_in(url: str) -> str:
    """Why an address may not stand in a feed definition; blank if it may. Quotes nothing of it."""
    if not is_remote(url):
        return ""
    keys = scheme_of(url) in _WITH_KEYS
    # Elsewhere a name before @ may be no user: abfs://container@account.
    user = any("@" in host for host in _HOST.findall(url)) if keys else False
    if user or _AFTER_A_PASSWORD.search(url):
        return (
            "the address has a user or a password, which everybody could read here: write the user "
            "as username, and name in password_variable the environment variable that holds the "
            "password"
            if keys
            else "the address has a password, which everybody could read here: have the file put "
            "where sftp://, s3:// or https:// reach it, whose secrets come from environment "
            "variables"
        )
    for name, _ in parse_qsl(url.partition("?")[2].partition("#")[0], keep_blank_values=True):
        if _is_secret(name):
            return (
                f"{name} in the address looks like a secret, which everybody could read here: take "
                "it out, and name in token_variable the environment variable that holds it "
                "(header_name says which header carries it)"
            )
    return ""


def _is_secret(name: str) -> bool:
    plain = name.lower().replace("_", "").replace("-", "")
    return sounds_secret(name) or plain in _SHORT or plain.endswith(_ENDINGS)
