"""What an error of a database means, in words that quote neither address nor values (R05)."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import URL

NEXT = "Nothing was written and nothing is archived. "

_PORT = 5432
_ALLOWS = "statement_timeout_seconds allows"

_BY_STATE = {
    "25006": (
        "tried to write, and may only read",
        "Mend the query: it must change nothing",
    ),
    "28000": ("was refused: user or password are wrong", "Mend the address of the database"),
    "28P01": ("was refused: user or password are wrong", "Mend the address of the database"),
    "3D000": ("was refused: there is no such database", "Mend the address of the database"),
    "42501": (
        "was refused: this user may not read what it names, or only a part of it",
        "Give the user the right to read it, or set hidden_rows to accept if rows are hidden from "
        "it on purpose",
    ),
    "53300": ("was refused: the database has no free connection", "Wait until it has"),
    "55P03": (
        "waited too long for a table that somebody else has locked",
        "Wait until nobody works on it",
    ),
    "57014": (
        f"took longer than {_ALLOWS}, or was cancelled",
        "Make the query faster, or raise statement_timeout_seconds",
    ),
}
TOO_SLOW = _BY_STATE["57014"]
"""What is said of a query that took too long."""

_MEND = "Mend the query, or what it reads"
_UNTRUSTED = (
    "found no database with which an encrypted, trusted connection could be made",
    "Switch TLS on in the database, or mend sslmode and sslrootcert in the address",
)
_WORDS_OF_SQLITE = {
    "unable to open database file": (
        "found no such file",
        "Look at the database, or mend the address",
    ),
    "readonly": _BY_STATE["25006"],
    "interrupted": TOO_SLOW,
    "locked": _BY_STATE["55P03"],
}
_WORDS_OF_A_CONNECTION = {
    "authentication failed": _BY_STATE["28P01"],
    "no password supplied": _BY_STATE["28P01"],
    "does not exist": _BY_STATE["3D000"],
    "ssl": _UNTRUSTED,
    "certificate": _UNTRUSTED,
}
_LOST = (
    "lost its connection to the database before its end",
    "Wait until the database answers",
)
_UNREACHABLE = ("found no database that answers there", "Look at the database, or mend the address")


def explained(error: Exception) -> tuple[str, str]:
    """Why a query failed, and what to do about it; both without an end mark.

    ``in_figures`` adds what the feed and the address say.
    """
    if isinstance(error, UnicodeDecodeError):
        return ("holds text that is not UTF-8", "Mend the rows, or the encoding of the database")
    if not isinstance(error, sa.exc.DBAPIError) or error.orig is None:
        return (f"cannot be run ({type(error).__name__})", "Mend the query")
    state = getattr(error.orig, "sqlstate", None)
    if state in _BY_STATE:
        return _BY_STATE[state]
    if error.connection_invalidated or (state or "").startswith(("08", "57P")):
        return _LOST
    said = _said(error.orig)
    if isinstance(error, sa.exc.OperationalError) and state is None:
        return _of_a_connection(error.orig, said)
    return (f"cannot be run: {said}", _MEND)


def in_figures(failure: tuple[str, str], seconds: float, url: URL) -> tuple[str, str]:
    """The same with what it is about: after how long, at which port, as whom."""
    why, step = failure
    if failure == TOO_SLOW:
        return why.replace(_ALLOWS, f"{_ALLOWS} ({seconds:g} seconds)"), step
    user = f", as the user '{url.username}'" if url.username else ""
    if failure == _UNREACHABLE and url.get_backend_name() == "postgresql":
        return f"{why} (port {url.port or _PORT}{user})", step
    return failure


def _of_a_connection(cause: BaseException, said: str) -> tuple[str, str]:
    """Neither SQLite nor a connection that never came about has codes: only words."""
    is_sqlite = type(cause).__module__.startswith("sqlite3")
    known = _WORDS_OF_SQLITE if is_sqlite else _WORDS_OF_A_CONNECTION
    words = said.lower()
    for word, meaning in known.items():
        if word in words:
            return meaning
    return (f"cannot be run: {said}", _MEND) if is_sqlite else _UNREACHABLE


def _said(cause: BaseException) -> str:
    """The first line of what the database said; its own words about a query, not about values."""
    diagnosis = getattr(cause, "diag", None)
    words = getattr(diagnosis, "message_primary", None) or str(cause)
    return words.splitlines()[0].rstrip(".") if words else type(cause).__name__
