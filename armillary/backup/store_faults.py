"""What an S3 service's refusals mean, and what to do about them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)
from urllib3.exceptions import HTTPError

from armillary.errors import ArmillaryError, ConfigurationError, StoreFailed

ABSENT = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound"})

DENIED = frozenset({"AccessDenied", "403", "Forbidden", "AllAccessDisabled", "UserSuspended"})

_REPLACED = frozenset({"PreconditionFailed", "412"})
"""The answer to a resumed reading of another object than before."""

PERMISSIONS = {
    "HeadObject": "s3:GetObject and s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
}
"""Where the permission is not called like the operation."""


@contextmanager
def told(place: str, what: str) -> Iterator[None]:
    """Turn the fault of a request into words.

    Args:
        place: the store, for people.
        what: was being done: ``reading demo/…/manifest.json``.

    Raises:
        ConfigurationError: a person has to mend rights, keys, region or the bucket's name.
        StoreFailed: anything else; the same may work later.
    """
    try:
        yield
    except ClientError as error:
        raise _of_answer(place, what, error) from None
    except (NoCredentialsError, PartialCredentialsError):
        raise ConfigurationError(
            f"{place}: there are no credentials for the backup store, neither in its block nor "
            "on this machine.",
            next_step="Give the block credentials, or set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or give the machine a role.",
        ) from None
    except ParamValidationError as error:
        report = " ".join(str(error).split())
        raise ConfigurationError(
            f"{place}: {what} is not possible: {report}",
            next_step="Check bucket and prefix of the backup store.",
        ) from None
    except (BotoCoreError, HTTPError, OSError) as error:
        raise StoreFailed(f"{place}: {what} failed: {_first_line(error)}") from None


def code_of(error: ClientError) -> str:
    """The service's own word, or the status where it has none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """The HTTP status."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@dataclass(frozen=True)
class _Refusal:
    """A refusal that a person has to mend; ``{code}``, ``{said}`` and ``{what}`` are filled in."""

    codes: frozenset[str]
    message: str
    next_step: str


_REFUSALS = (
    _Refusal(
        frozenset({"NoSuchBucket"}),
        "there is no such bucket.",
        "Check name, region and endpoint of the backup store, or make the bucket.",
    ),
    _Refusal(
        frozenset(
            {
                "PermanentRedirect",
                "301",
                "AuthorizationHeaderMalformed",
                "IllegalLocationConstraintException",
            }
        ),
        "the bucket is in another region than the one asked ({code}: {said}).",
        "Set the region of the backup store to that of the bucket.",
    ),
    _Refusal(
        frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch"}),
        "the store does not accept the credentials ({code}).",
        "Check access key id and secret access key of the backup store.",
    ),
    _Refusal(
        frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidToken", "RequestExpired"}),
        "the credentials have expired ({code}) while {what}.",
        "Renew them and start again: an interrupted backup is continued.",
    ),
    _Refusal(
        frozenset({"MissingContentLength", "411"}),
        "the store does not take boto3's checksums: it answered 411 {code} while {what}.",
        "Set the checksums of the backup store to when_required (ARMILLARY_STORE_CHECKSUM).",
    ),
    _Refusal(
        frozenset({"InvalidRequest", "InvalidArgument", "InvalidStorageClass", "NotImplemented"}),
        "the store does not do what is asked of it while {what} ({code}).",
        "It may not offer the encryption, the storage class or the Object Lock that the backup "
        "store asks for: choose another, or take it out.",
    ),
    _Refusal(
        frozenset({"InvalidObjectState"}),
        "the file lies in an archive class and cannot be read while {what} ({code}).",
        "Have the store bring it back first, or verify with depth present.",
    ),
    _Refusal(
        frozenset({"RequestTimeTooSkewed"}),
        "the store says that this machine's clock is wrong ({said}).",
        "Set the clock, then start again.",
    ),
)


def _of_answer(place: str, what: str, error: ClientError) -> ArmillaryError:
    code, operation = code_of(error), str(error.operation_name)
    said = str(error.response.get("Error", {}).get("Message") or "").strip()[:200]
    for refusal in _REFUSALS:
        if code in refusal.codes:
            words = refusal.message.format(code=code, said=said, what=what)
            return ConfigurationError(f"{place}: {words}", next_step=refusal.next_step)
    if code.startswith("KMS."):
        return ConfigurationError(
            f"{place}: the encryption key cannot be used while {what} ({code}: {said}).",
            next_step="Check the key and the rights kms:GenerateDataKey and kms:Decrypt.",
        )
    if code in DENIED:
        permission = PERMISSIONS.get(operation, f"s3:{operation}")
        return ConfigurationError(
            f"{place}: {what} is denied ({code}{f': {said}' if said else ''}).",
            next_step=f"The credentials need {permission}; with encryption by a key also "
            "kms:GenerateDataKey and kms:Decrypt.",
        )
    if code in _REPLACED and operation == "GetObject":
        return StoreFailed(f"{place}: {what} failed: it was replaced meanwhile ({code}).")
    return StoreFailed(
        f"{place}: {what} failed: the store answered {status_of(error)} {code} to {operation}"
        f"{f' ({said})' if said else ''}."
    )


def _first_line(error: BaseException) -> str:
    """Without a query: an address in it could be signed."""
    text = str(error).strip().partition("\n")[0] or type(error).__name__
    return text.partition("?")[0][:200]
