"""A policy of IAM in force between this process and any S3 service, and what was asked of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

ACTIONS = {
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "DeleteObject": "s3:DeleteObject",
    "ListObjectsV2": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "GetObjectRetention": "s3:GetObjectRetention",
    "PutObjectRetention": "s3:PutObjectRetention",
}
"""Which action an operation needs, by Amazon's service authorization reference."""

OF_A_VERSION = {
    "s3:GetObject": "s3:GetObjectVersion",
    "s3:DeleteObject": "s3:DeleteObjectVersion",
}
"""What it needs instead where a version is named."""

ALL = frozenset({*ACTIONS.values(), *OF_A_VERSION.values()})
"""Everything that Armillary may ever ask a store for."""

Need = tuple[str, str]
"""An action and the resource it is done to."""


@dataclass
class Gate:
    """What passed, and what did not."""

    allowed: set[Need] = field(default_factory=set)
    denied: set[Need] = field(default_factory=set)

    @property
    def used(self) -> set[str]:
        """The actions that were let pass."""
        return {action for action, _ in self.allowed}

    @property
    def refused(self) -> set[str]:
        """The actions that were not."""
        return {action for action, _ in self.denied}


def needs(operation: str, asked: Mapping[str, Any]) -> Iterator[Need]:
    """What a request needs; an operation that nobody knows here is an error."""
    action = ACTIONS[operation]
    if "VersionId" in asked:
        action = OF_A_VERSION.get(action, action)
    place = f"arn:aws:s3:::{asked['Bucket']}"
    resource = f"{place}/{asked['Key']}" if "Key" in asked else place
    yield action, resource
    if "ObjectLockMode" in asked:
        yield "s3:PutObjectRetention", resource


def allows(policy: Mapping[str, Any], need: Need) -> bool:
    """Whether a statement of the policy allows it; nothing else does."""
    return any(
        need[0] in _listed(statement["Action"])
        and any(fnmatchcase(need[1], each) for each in _listed(statement["Resource"]))
        for statement in policy["Statement"]
        if statement["Effect"] == "Allow"
    )


def actions_of(policy: Mapping[str, Any]) -> set[str]:
    """Every action that it allows anywhere."""
    return {action for each in policy["Statement"] for action in _listed(each["Action"])}


@contextmanager
def in_force(policy: Mapping[str, Any], *, bucket: str) -> Iterator[Gate]:
    """Refuse what the policy does not allow, as S3 would: with 403 AccessDenied."""
    gate, call = Gate(), vars(BaseClient)["_make_api_call"]

    def checked(client: BaseClient, operation: str, asked: dict[str, Any]) -> Any:
        if asked.get("Bucket") == bucket:
            for need in needs(operation, asked):
                if not allows(policy, need):
                    gate.denied.add(need)
                    raise ClientError(
                        {
                            "Error": {"Code": "AccessDenied", "Message": "Access Denied"},
                            "ResponseMetadata": {"HTTPStatusCode": 403},  # type: ignore[typeddict-item]
                        },
                        operation,
                    )
                gate.allowed.add(need)
        return call(client, operation, asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", checked)
        yield gate


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
