"""What the address of a feed tells before it is opened: its format, its packing, how to show it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Literal, get_args
from urllib.parse import quote, unquote, urlsplit

FileFormat = Literal["csv", "json", "ndjson", "parquet", "xlsx"]
FILE_FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)

Packing = Literal["gzip", "bzip2", "xz", "zip", "zstd"]

_QUOTED = frozenset({"sftp", "s3", "https", "http"})
"""Where ``%20`` in an address stands for a blank."""

_FORMAT_BY_SUFFIX: dict[str, FileFormat] = {
    ".csv": "csv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
}
_PACKING_BY_SUFFIX: dict[str, Packing] = {
    ".gz": "gzip",
    ".bz2": "bzip2",
    ".xz": "xz",
    ".zip": "zip",
    ".zst": "zstd",
}


def is_remote(url: str) -> bool:
    """Whether the address names a protocol, as ``s3://`` does."""
    return "://" in url


def shown(url: str) -> str:
    """The address as a message may show it: without user, password, query or fragment."""
    if not is_remote(url):
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    _, colon, port = host.rpartition("]")[2].rpartition(":")
    if "::" in url.partition("//")[0] or (colon and not port.isdecimal()):
        # An address inside another one; or no port, but the beginning of a password with a
        # character that had to be quoted.
        return f"{parts.scheme}://…"
    return f"{parts.scheme}://{host}{parts.path}"


def packing_of(url: str) -> Packing | None:
    """How the file is packed, by the end of its name."""
    suffixes = _suffixes(url)
    return _PACKING_BY_SUFFIX.get(suffixes[-1]) if suffixes else None


def format_of(url: str) -> FileFormat | None:
    """The format of the file, by the end of its name before any packing suffix."""
    suffixes = _suffixes(url)
    if suffixes and suffixes[-1] in _PACKING_BY_SUFFIX:
        suffixes = suffixes[:-1]
    return _FORMAT_BY_SUFFIX.get(suffixes[-1]) if suffixes else None


def scheme_of(url: str) -> str:
    """The protocol of the address in lower case; blank for a path."""
    return url.partition("://")[0].lower() if is_remote(url) else ""


def name_of(url: str) -> str:
    """The last part of the path, as the place has it."""
    if not is_remote(url):
        return Path(url).name
    name = urlsplit(url).path.rpartition("/")[2]
    # A pattern is no address yet: its %Y stands for no character. And only some places are asked
    # by addresses; the others take a name as it is written.
    as_written = "{" in name or "*" in name or scheme_of(url) not in _QUOTED
    return name if as_written else unquote(name)


def sibling(url: str, name: str) -> str:
    """The address of another file in the same folder."""
    if not is_remote(url):
        return str(Path(url).parent / name)
    parts = urlsplit(url)
    name = quote(name) if scheme_of(url) in _QUOTED else name
    return parts._replace(path=parts.path[: parts.path.rfind("/") + 1] + name).geturl()


def resolved(url: str, folder: Path) -> str:
    """A relative path taken from ``folder``; any other address as it stands."""
    if is_remote(url):
        return url
    return str(folder / Path(url).expanduser())


def _suffixes(url: str) -> list[str]:
    return [suffix.lower() for suffix in PurePosixPath(shown(url)).suffixes]
