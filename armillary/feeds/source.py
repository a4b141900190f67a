"""Fetching a file, wherever it is: the newest of its pattern, whole, at rest, and unpacked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from armillary.clock import Clock, SystemClock
from armillary.errors import ConfigurationError, FeedRefused
from armillary.feeds.credentials import NOBODY, Credentials
from armillary.feeds.first_look import FirstLook
from armillary.feeds.location import name_of, packing_of, shown, sibling
from armillary.feeds.newest import Newest, Pattern, is_pattern
from armillary.feeds.packing import too_large, unpacked
from armillary.feeds.remote import Place, opened
from armillary.feeds.remote.failures import why_lost
from armillary.feeds.remote.place import (
    MAX_BYTES,
    Entry,
    Lost,
    TooLarge,
    Unreachable,
    Unusable,
)

__all__ = ["MAX_BYTES", "Fetched", "Fetching", "fetch", "first_look"]

_ATTEMPTS = 3
_WAIT_SECONDS = 2.0
"""Before the second attempt; twice as long before the third."""
_LOOK_SECONDS = 60.0
"""Between two looks for a file that is not there yet."""

_ANSWERS = "Nothing was written. Start the sync again when the source answers."
_WAIT = "Nothing was written. Start the sync again when the file is complete."


@dataclass(frozen=True)
class Fetching:
    """How a file is asked for, beyond its address.

    Attributes:
        credentials: As whom.
        host_key: What an SFTP server must show.
        known_hosts: Path of a file with such keys.
        done_suffix: End of the name of the file that says that another one is complete.
        settle_seconds: Between two looks at a file before it is read; None: as its place is used.
        wait_minutes: How long to wait for a file that is not there, or not complete.
    """

    credentials: Credentials = NOBODY
    host_key: str = ""
    known_hosts: str = ""
    done_suffix: str = ""
    settle_seconds: float | None = None
    wait_minutes: float = 0


@dataclass(frozen=True)
class Fetched:
    """One file, whole.

    Attributes:
        content: Unpacked.
        url: Its own address, also where a pattern was asked for.
        fingerprint: Of the place: equal for one and the same delivery; blank where it tells none.
        business_date: As its name says.
        warnings: What a person should look at.
    """

    content: bytes = field(repr=False)
    url: str = field(repr=False)
    fingerprint: str = ""
    business_date: date | None = None
    warnings: tuple[str, ...] = ()


def fetch(url: str, how: Fetching = Fetching(), clock: Clock | None = None) -> Fetched:
    """The whole content of a file, unpacked by the end of its name.

    A connection that breaks off is tried again from the beginning, three times in all.

    Args:
        url: Of the file; the last part may be a pattern.
        how: As whom, and what shows that the file is complete.
        clock: Waits between looks and attempts.

    Raises:
        ConfigurationError: The address cannot be used at all: unknown protocol, missing package,
            no credentials, no host key.
        FeedRefused: Not delivered, not reachable, still being written, cut off, or empty; which of
            several files is meant cannot be told.
    """
    clock = clock or SystemClock()
    until = clock.monotonic() + how.wait_minutes * 60
    while True:
        try:
            return _attempted(url, how, clock)
        except _NotYet as error:
            refusal = FeedRefused(str(error), next_step=error.next_step)
        # Out here, because an error keeps the one it was raised beside, even `from None`: that one
        # carries the address, and addresses carry tokens.
        left = until - clock.monotonic()
        if left <= 0:
            raise refusal
        clock.sleep(min(left, _LOOK_SECONDS))


def first_look(url: str, how: Fetching, clock: Clock | None = None) -> FirstLook:
    """Whether a file is there and would be given, without taking it.

    Args:
        url: Of the file; the last part may be a pattern.
        how: As whom.
        clock: Tells today, for a pattern with a date.

    Raises:
        ConfigurationError: The address cannot be used at all.
        FeedRefused: Nobody answers, the file may not be read, or which is meant cannot be told.
    """
    name = shown(url)
    try:
        return FirstLook(_offered(url, how, clock or SystemClock()))
    except (FeedRefused, ConfigurationError, _NotYet) as error:
        meant: Exception = error
    except Lost as error:
        meant = FeedRefused(f"{name} cannot be had ({error}).", next_step=_ANSWERS)
    except Exception as error:  # noqa: BLE001 -- every file system has errors of its own
        meant = _meant(error, name)
    # Whatever it was raised beside stays here.
    meant.__context__ = None
    if isinstance(meant, _NotYet):
        return FirstLook(
            f"{name} is not there now",
            str(meant).removeprefix(f"{name} ").removesuffix("."),
            "A run refuses that. If the file should be there by now, mend url in the feed.",
        )
    raise meant


def _offered(url: str, how: Fetching, clock: Clock) -> str:
    with opened(url, how.credentials, host_key=how.host_key, known_hosts=how.known_hosts) as place:
        found = _chosen(place, url, how, clock)
        name = shown(sibling(url, found.name) if found.name != name_of(url) else url)
        entry = place.describe(found.name)
        _refuse_folder(entry, name)
        place.probe(found.name)
    size = "" if entry is None or entry.size_bytes is None else f", with {entry.size_bytes:,} bytes"
    return f"{name} is there{size}, and may be read"


class _NotYet(Exception):
    """Not there, or not complete: a look later may find it."""

    def __init__(self, said: str, next_step: str = _WAIT) -> None:
        self.next_step = next_step
        super().__init__(said)


def _attempted(url: str, how: Fetching, clock: Clock) -> Fetched:
    name = shown(url)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _fetched(url, how, clock)
        except (FeedRefused, ConfigurationError, _NotYet) as error:
            refusal: Exception = error
        except Lost as error:
            refusal = FeedRefused(
                f"{name} could not be read to its end, {attempt} times ({error}).",
                next_step=_ANSWERS,
            )
            if attempt < _ATTEMPTS:
                clock.sleep(_WAIT_SECONDS * attempt)
                continue
        except Exception as error:  # noqa: BLE001 -- every file system has errors of its own
            refusal = _meant(error, name)
        # Whatever it was raised beside stays here.
        refusal.__context__ = None
        break
    raise refusal


def _meant(error: Exception, name: str) -> Exception:
    if isinstance(error, Unusable):
        return ConfigurationError(
            f"The address {name} cannot be opened: {error}.",
            next_step="Mend the address, or install the package named, then start again.",
        )
    if isinstance(error, Unreachable):
        return FeedRefused(f"{name} cannot be had: {error}.", next_step=error.next_step)
    if isinstance(error, FileNotFoundError):
        return _NotYet(
            f"{name} has not been delivered: there is no such file.",
            "Nothing was written. Start the sync again when the file is there, or mend the address "
            "in the feed definition.",
        )
    if isinstance(error, PermissionError):
        return FeedRefused(
            f"{name} may not be read by this user or with these credentials.",
            next_step="Nothing was written. Give read access, then start the sync again.",
        )
    if isinstance(error, TooLarge):
        return too_large(name)
    return FeedRefused(f"{name} could not be read to its end ({why_lost(error)}).")


def _fetched(url: str, how: Fetching, clock: Clock) -> Fetched:
    with opened(url, how.credentials, host_key=how.host_key, known_hosts=how.known_hosts) as place:
        found = _chosen(place, url, how, clock)
        url = sibling(url, found.name) if found.name != name_of(url) else url
        name = shown(url)
        before = _at_rest(place, found.name, name, how, clock)
        packed = place.read(found.name, before.size_bytes if before else None)
        _refuse_change(before, place.describe(found.name), len(packed), name)
    packing = packing_of(url)
    if not packed:
        raise FeedRefused(f"{name} is empty: it has not a single byte.")
    content = unpacked(packed, packing, name) if packing else packed
    if not content:
        raise FeedRefused(
            f"{name} is empty: it has not a single byte inside its {packing} packing."
        )
    return Fetched(
        content=content,
        url=url,
        fingerprint=before.fingerprint if before else "",
        business_date=found.business_date,
        warnings=(found.note,) if found.note else (),
    )


def _chosen(place: Place, url: str, how: Fetching, clock: Clock) -> Newest:
    written = name_of(url)
    if not is_pattern(written):
        return Newest(written)
    pattern = Pattern(written)
    # A link on a drop may lead anywhere (F24); a folder or a marker is no delivery.
    names = [
        entry.name
        for entry in place.entries(pattern.prefix)
        if not entry.is_link
        and not entry.is_folder
        and not (how.done_suffix and entry.name.endswith(how.done_suffix))
    ]
    found = pattern.newest(names, clock.now(), shown(sibling(url, "")))
    if found is None:
        raise _NotYet(
            f"{shown(url)} has not been delivered: no file there matches the pattern.",
            "Nothing was written. Start the sync again when the file is there, or mend the pattern "
            "in the feed definition.",
        )
    return found


def _at_rest(place: Place, own: str, name: str, how: Fetching, clock: Clock) -> Entry | None:
    """The file as it is when nobody writes to it any more (F03)."""
    entry = place.describe(own)
    _refuse_folder(entry, name)
    seconds = place.settle_seconds if how.settle_seconds is None else how.settle_seconds
    if how.done_suffix:
        _refuse_without_marker(place, entry, own, how.done_suffix, name)
        seconds = how.settle_seconds or 0
    if entry is None or not seconds:
        return entry
    clock.sleep(seconds)
    again = place.describe(own)
    if again != entry:
        raise _NotYet(f"{name} changed within {seconds:g} seconds: it is still being written.")
    return again


def _refuse_folder(entry: Entry | None, name: str) -> None:
    if entry is not None and entry.is_folder:
        raise FeedRefused(f"{name} is a folder: the feed definition has to name one file.")


def _refuse_without_marker(
    place: Place, entry: Entry | None, own: str, suffix: str, name: str
) -> None:
    try:
        marker = place.describe(own + suffix)
        if marker is None:
            # A place that tells nothing without sending it is asked to send it: a marker is small.
            place.read(own + suffix, None)
    except FileNotFoundError:
        raise _NotYet(
            f"{name} is not complete yet: the vendor has not put {own}{suffix} beside it."
        ) from None
    marked_at = marker.changed_at if marker else None
    changed_at = entry.changed_at if entry else None
    if marked_at is not None and changed_at is not None and marked_at < changed_at:
        raise _NotYet(f"{name} is newer than {own}{suffix}: that marker is of an earlier delivery.")


def _refuse_change(before: Entry | None, after: Entry | None, read_bytes: int, name: str) -> None:
    if before is None or after is None:
        return
    changed = (before.size_bytes, before.mark) != (after.size_bytes, after.mark)
    if changed or (before.size_bytes is not None and before.size_bytes != read_bytes):
        raise _NotYet(f"{name} changed while it was read: it is still being written.")
